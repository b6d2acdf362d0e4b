/*
 * Envelopes between the processes of one host (and, by the relay, between
 * hosts): what a publication is once it has left its worker.  Stream of
 * frames, little-endian:
 *
 *	0 u32 size	whole frame, this header included
 *	4 u8  kind	enum bus_kind      5 u8 version (2)
 *	6 u16 flags	BUS_VOLATILE ...
 *	8 u64 slots[2]	workers it is for (base/slotset.h); the relay routes by
 *			these words alone and never looks further
 *	24 u16 from	slot that sent it  26 u16 generation
 *	28 u32 ref	which question of the one who asked
 *	32 ...		fields, each: u8 tag, u32 length, bytes
 *
 * Unknown tags are skipped, unknown kinds dropped and counted.  Pure.
 */
#ifndef PROTO_BUS_H
#define PROTO_BUS_H

#include "proto/codec.h"

#define BUS_HEADER	32
/* Larger: CODEC_BAD.  The largest packet that a configuration can allow (four
 * messages of 64 MB) fits, with all that goes along. */
#define BUS_FRAME_MAX	(260u << 20)
#define BUS_ATTACHMENTS_MAX 10	/* as in one Socket.IO packet */
#define BUS_LIST_MAX	64		/* rooms, sids ... in one envelope */

/* What is done with a BUS_QUEUE: publish.kept. */
enum {
	INBOX_QUEUE = 1,
	INBOX_PUSH = 2		/* back ends are told, in PREFIXoffline */
};
/* What a BUS_FORWARD is besides: publish.kept.  A question to the hook of its
 * namespace about an event, a client that comes, or a room that one would join;
 * epoch says who asks, so that an answer may be kept for him (empty: it may
 * not), and BUS_STREAMED has it: frames is its body (proto/json_verdict.h). */
enum { FORWARD_ASKS = 1, FORWARD_ASKS_CONNECT, FORWARD_ASKS_JOIN,
	FORWARD__MAX,
	FORWARD_WAITS = FORWARD__MAX	/* none: its sender waits for a
					 * BUS_REPLY */
};
/* What a BUS_INBOX to the relay says: publish.kept. */
enum {
	INBOX_TAKE,		/* what waits? */
	INBOX_TAKEN,		/* answer `ref` is written to clients */
	INBOX_BACK,		/* nobody was there: it waits as before */
	INBOX_LEFT		/* more waits, and who took has left */
};
#define INBOX_PAGE	256u	/* events of one answer to BUS_INBOX */

enum bus_kind {
	BUS_PUBLISH = 1,	/* deliver to an audience */
	BUS_COUNT,		/* answer: how many got publication `ref` */
	BUS_DISCONNECT,		/* end the sessions of an audience */
	/* a session moves to the worker its client has come back to; see
	 * workers/hub/recover/recover.h */
	BUS_RECOVER_ASK, BUS_RECOVER_NONE, BUS_RECOVER_STATE,
	BUS_RECOVER_JOINED, BUS_RECOVER_BARRIER, BUS_RECOVER_PASSED,
	BUS_RECOVER_LATE, BUS_RECOVER_DONE,
	BUS_ROOMS,		/* the sessions of an audience join and leave */
	BUS_ANSWERS,		/* to publication `ref`: what clients said; to
				 * the order `ref`: how many it changed; of the
				 * relay: whether other hosts were told */
	BUS_ANSWERS_END,	/* nobody waits for answers to `ref` any more */
	BUS_PUBLISH_BODY,	/* of the relay: what a back end has
				 * published through Redis; with ref instead
				 * a question: is all before it published?
				 * Answered with BUS_ANSWERS */
	BUS_MEMBERS,		/* who is in an audience?  Answered with
				 * BUS_ANSWERS */
	/* sessions move from one worker to another: where in both streams */
	BUS_CUT,		/* to the relay: what this worker has sent
				 * before is before the cut */
	BUS_MARK,		/* of the relay: what comes behind it is behind
				 * the cut; see relay/local/cut.h */
	BUS_LEAVE,		/* to the relay: this worker goes, and has no
				 * clients any more; BUS_MARK is the last that
				 * it is sent */
	BUS_REVOKE,		/* a user, or a token, is revoked; to every
				 * worker, and back with BUS_ANSWERS */
	/* rooms whose history is kept: the relay's store gives each publication
	 * its place before anybody gets it */
	BUS_KEEP,		/* to the relay: as BUS_PUBLISH, for one room.
				 * It comes back to all who have members,
				 * numbered (BUS_NUMBERED); with ref: answered
				 * with BUS_KEPT, which comes before it */
	BUS_KEPT,		/* of the relay: what became of BUS_KEEP `ref` */
	BUS_HISTORY,		/* to the relay: what was kept of a room?
				 * Answered with BUS_PAGE: what is behind it in
				 * the stream has later places than its top */
	BUS_PAGE,		/* of the relay: answer to BUS_HISTORY `ref` */
	/* what back ends read in Redis, and what waits there for users who are
	 * nowhere; see workers/relay/stream/stream.h */
	BUS_FORWARD,		/* to the relay: an event, as BUS_PUBLISH; whom
				 * it is for is who has sent it: a user, a sid,
				 * and the room that it was for */
	BUS_QUEUE,		/* to the relay: a publication to one user, who
				 * is not here */
	BUS_INBOX,		/* to the relay: what waits for one user of nsp?
				 * And: what has become of the answer.  Of the
				 * relay: something does */
	BUS_STREAMED,		/* of the relay: what became of one of these
				 * three, `ref`; as BUS_PAGE: what has waited */
	/* namespaces whose sessions are recovered from the store: what they may
	 * get has a place in a journal, and what they are is kept; see
	 * workers/relay/store/keep_sessions.h */
	BUS_JOURNAL,		/* to the relay: as BUS_PUBLISH.  It comes back to
				 * all who have some of its audience, numbered, its
				 * place in its offset; with ref as BUS_KEEP */
	BUS_SESSION,		/* to the relay: what has become of a session */
	BUS_SESSION_TAKE,	/* to the relay: its client is here */
	BUS_SESSION_TAKEN,	/* of the relay: answer to it */
	BUS_SESSION_OVER,	/* of the relay: its client is elsewhere.
				 * Answered with BUS_SESSION: it is away */
	BUS_HOOKS,		/* to the relay: how hooks stand, and what they did
				 * not take.  Answered with BUS_STREAMED, whose
				 * frames are JSON, or empty: there is no such hook */
	BUS_REPLY,		/* what a back end acknowledges event `once` of
				 * one session with, as BUS_PUBLISH; kept 1: it
				 * refuses it, and meta is why, a raw JSON string,
				 * or empty.  Answered as an order is */
	/* users' notifications; what stands in the bodies: proto/bus_box.h */
	BUS_BOX,		/* to the relay: a question about one user's;
				 * of the relay: BOX_STALE */
	BUS_BOXED,		/* of the relay: answer to BUS_BOX `ref` */
	BUS_TRIM		/* to the relay: of this room, if it is in that epoch,
				 * all up to that place (kept) is kept no more */
};

enum {
	BUS_VOLATILE = 1,	/* may be dropped under pressure */
	BUS_WANT_COUNT = 2,	/* BUS_PUBLISH: answer with BUS_COUNT;
				 * BUS_DISCONNECT, BUS_ROOMS, BUS_REVOKE:
				 * BUS_ANSWERS */
	BUS_WATCHERS = 4,	/* users: those who watch their presence */
	BUS_ROOMS_OF = 16384,	/* besides: those in rooms that they are in, whom
				 * the workers that have them tell */
	/* BUS_DISCONNECT: not the session alone; workers/hub/backend/members.h */
	BUS_CLOSE = 8, BUS_RECONNECT = 16,
	BUS_WANT_ANSWERS = 32,	/* BUS_PUBLISH: answer with BUS_ANSWERS within
				 * timeout_ms */
	BUS_MORE = 64,		/* BUS_ANSWERS: not the last of them; see
				 * BUS_COUNTED */
	BUS_TRUNCATED = 128,	/* BUS_ANSWERS: some were left out; of an order:
				 * some sessions were */
	BUS_FAR = 256,		/* for other hosts as well */
	BUS_RELAY = 512,	/* for the relay itself, which has asked */
	BUS_SHADOW = 2048,	/* the relay has given it to heirs of those whom
				 * it is for as well: slots is who got it.  An
				 * answer to it: had says so */
	BUS_NAMED = 1024,	/* BUS_PUBLISH: of no use to clients that see no
				 * names of events */
	BUS_EDIT = 32768,	/* BUS_KEEP, BUS_JOURNAL and what becomes of them:
				 * it tells of a change of what its room keeps at
				 * publish.edits */
	BUS_FINISH = 8192,	/* BUS_KEEP, BUS_JOURNAL and what becomes of them:
				 * nothing comes behind it in its room */
	BUS_COUNTED = 32768,	/* BUS_PUBLISH of the relay: how many users are in
				 * this room; BUS_MORE: more than are named */
	BUS_NUMBERED = 4096	/* BUS_PUBLISH: it was a BUS_KEEP: who sent it
				 * has given it to nobody, its own clients
				 * neither; or a BUS_JOURNAL.  Answers to it say
				 * the same.  Without an event: of the relay: the
				 * room stands there */
};

/* What BUS_MEMBERS asks for; the answers' elements are JSON: */
enum bus_members_what {
	BUS_MEMBERS_WHOLE = 1,	/* {"id","handshake","rooms","data"} each */
	BUS_MEMBERS_SIDS,	/* "sid" each */
	BUS_MEMBERS_ROOMS,	/* "name" of each room of the namespace, the
				 * sids among them; the audience is empty */
	/* pages: those whose name comes behind `after`, at most `limit`, in the
	 * order of their bytes; hub/backend/census.h */
	BUS_MEMBERS_PAGE_ROOMS,	/* {"room","sessions"} each; as above, without
				 * the sids */
	BUS_MEMBERS_PAGE_ROOM,	/* {"sid","user","host"} each, of one room */
	BUS_MEMBERS_PAGE_USER	/* {"sid","namespace","host","rooms"} each, of
				 * one user; no namespace: of all */
};
#define BUS_PAGE_MAX	1001	/* elements: one more than a page shows, to know
				 * of the next */

/*
 * For whom it is: the union of rooms, users and sids; all empty: the whole
 * namespace.  Then without the sessions whose sid or room is in except.
 */
struct bus_audience {
	struct slice	 rooms[BUS_LIST_MAX], users[BUS_LIST_MAX];
	struct slice	 sids[BUS_LIST_MAX], except[BUS_LIST_MAX];
	size_t		 nrooms, nusers, nsids, nexcept;
};

/* --- what each kind says; nsp is a namespace with its slash --------------- */

/* A publication with a key, in a room that keeps the newest of each: what is asked
 * of it before it is appended, and what it is. */
enum {
	KEYED_BASE = 1,		/* the key's revision is base, 0: it has none */
	KEYED_VERSION = 2,	/* its version is less than base, which is the
				 * version of this one */
	KEYED_GONE = 4,		/* nothing is there from now on */
	KEYED_REV = 8		/* its place is written into its first argument,
				 * an object, as "rev" */
};

struct bus_publish {
	struct slice	 nsp;
	struct slice	 event;		/* raw JSON string */
	struct slice	 args;		/* JSON elements without brackets */
	struct slice	 meta;		/* raw JSON object or empty */
	struct slice	 trace;		/* the same: BUS_FORWARD: names of the
					 * request by which the client came */
	struct slice	 offset;	/* raw JSON string or empty */
	struct slice	 once;		/* id that a back end gave: delivered
					 * once on each host; or empty */
	struct slice	 attachments[BUS_ATTACHMENTS_MAX];
	size_t		 nattach;
	struct slice	 epoch;		/* of the history that it is kept in; or
					 * empty: it is not kept */
	uint64_t	 kept;		/* its place there, from 1 on */
	uint64_t	 edits;		/* BUS_EDIT, numbered: the place there of
					 * what has been changed */
	struct slice	 instead;	/* BUS_EDIT, not numbered yet: the frame,
					 * numbered, that is kept at its own place
					 * from now on */
	struct slice	 key;		/* plain text, or empty: it has none */
	uint64_t	 keyed;		/* KEYED_ bits; base: see there */
	uint64_t	 base;
	struct slice	 based;		/* KEYED_BASE: epoch in which that was seen;
					 * or empty: whichever it is */
	struct slice	 conflate;	/* BUS_VOLATILE: key by which a newer one
					 * takes its place, or empty */
	uint64_t	 timeout_ms;	/* BUS_WANT_ANSWERS: for the clients */
	uint64_t	 sent_us;	/* CLOCK_MONOTONIC of the host, for the
					 * delivery histogram; 0: unknown */
	struct bus_audience to;
};

struct bus_count {
	uint64_t	 receivers;
};

struct bus_disconnect {
	struct slice	 nsp;		/* empty: of all namespaces */
	struct slice	 reason;	/* raw JSON string or empty */
	struct bus_audience to;
};

struct bus_rooms {
	struct slice	 nsp;
	struct slice	 join[BUS_LIST_MAX], leave[BUS_LIST_MAX];
	size_t		 njoin, nleave;
	struct bus_audience to;
};

struct bus_members {
	struct slice	 nsp;
	uint64_t	 what;		/* enum bus_members_what */
	struct slice	 after;		/* pages */
	uint64_t	 limit;
	struct bus_audience to;
};

struct bus_answers {
	uint32_t	 asked;		/* sessions; of an order: changed; of
					 * BUS_MEMBERS: elements */
	uint32_t	 answered;	/* of them, in this piece; of the relay
					 * to BUS_REVOKE: other hosts that know */
	struct slice	 elements;	/* JSON, without brackets */
};

struct bus_recover_ask {
	struct slice	 nsp, pid;
	struct slice	 offset;	/* raw JSON string or empty */
	bool		 has_user;	/* false: anonymous */
	struct slice	 user;
};

struct bus_recover_state {
	struct slice	 records;	/* workers/hub/recover/recover.h */
};

struct bus_recover_joined {
	uint64_t	 others[2];	/* workers that will have PASSED */
};

struct bus_recover_barrier {
	uint16_t	 holder;	/* the slot that waits for the word */
};

struct bus_recover_passed {
	uint16_t	 asker;		/* the slot to which the session goes */
};

struct bus_recover_late {
	uint64_t	 number;	/* from 1 on */
	struct slice	 records;
};

struct bus_recover_done {
	uint64_t	 nlate;		/* how many LATE there were */
};

struct bus_publish_body {
	struct slice	 body;		/* as of POST publish; not looked at */
};

/* What the store says. */
enum bus_store {
	BUS_STORE_OK = 1,
	BUS_STORE_GAP,		/* ... but some of what was asked for is not
				 * kept any more: the page begins later */
	BUS_STORE_EPOCH,	/* there is no such epoch, or place in it: the
				 * room has begun anew, and the page with it */
	BUS_STORE_TOO_LARGE,	/* for the room's bound */
	BUS_STORE_FINISHED,	/* nothing comes behind its end */
	BUS_STORE_UNAVAILABLE,	/* not now */
	BUS_STORE_CONFLICT,	/* the key is not as it was to be */
	BUS_STORE_FULL		/* of keys, or their bytes */
};

struct bus_kept {
	uint64_t	 result;	/* enum bus_store */
	struct slice	 epoch;		/* OK: where it is */
	uint64_t	 kept;		/* CONFLICT: where the key is, 0: it is not;
					 * and its version */
	uint64_t	 version;
	uint64_t	 slots[2];	/* OK: who gets it, this worker too */
};

/* Which part of a history. */
enum bus_history_from {
	BUS_HISTORY_TOP = 1,	/* none: where it stands */
	BUS_HISTORY_AFTER,	/* what comes behind epoch and since */
	BUS_HISTORY_LAST,	/* the newest ones */
	BUS_HISTORY_FIRST,	/* from the oldest one on */
	/* of rooms that keep the newest of each key; there what AFTER asks for and
	 * is kept no more is the newest of each key behind it */
	BUS_HISTORY_STATE,	/* the newest of each, by their places */
	BUS_HISTORY_KEY		/* of one */
};

struct bus_history {
	struct slice	 nsp, room;
	uint64_t	 from;		/* enum bus_history_from */
	struct slice	 epoch;		/* AFTER */
	uint64_t	 since;
	struct slice	 key;		/* KEY */
	uint64_t	 limit;		/* of events, */
	uint64_t	 bytes;		/* and of their frames; one comes
					 * whatever its size */
};

struct bus_page {		/* BUS_MORE: there is more behind it */
	uint64_t	 result;	/* enum bus_store */
	struct slice	 epoch;		/* of now; empty: nothing was ever kept */
	uint64_t	 top;		/* the newest place; 0: none */
	uint64_t	 first;		/* the oldest that is kept; 0: none */
	bool		 finished;	/* top is the last */
	struct slice	 frames;	/* BUS_PUBLISH each, in order */
};

enum bus_session_is {
	BUS_SESSION_BEGUN = 1,	/* sid, user, offset; since: how */
	BUS_SESSION_ROOMS,	/* records */
	BUS_SESSION_AWAY,	/* without its client, who may come back */
	BUS_SESSION_ENDED,
	BUS_SESSION_HERE,	/* with its client, to who says so; since: the
				 * slot of who had it */
	BUS_SESSION_PROVEN,	/* no one's: clients of this namespace that are
				 * here have all up to offset */
	/* BUS_SESSION_TAKEN: */
	BUS_SESSION_YOURS,	/* sid, offset, since, records */
	BUS_SESSION_NOBODYS	/* or another user's: a new one is to begin */
};

/* How it has begun. */
enum bus_session_begun {
	BUS_SESSION_NEW,
	BUS_SESSION_KNOWN,	/* if it is not known any more */
	BUS_SESSION_LOST	/* what is known of it is wrong */
};

struct bus_session {
	uint64_t	 is;		/* enum bus_session_is */
	struct slice	 nsp, pid, sid;
	bool		 has_user;	/* false: anonymous */
	struct slice	 user;
	struct slice	 offset;	/* raw JSON string: all in the journal up
					 * to there has come to the worker; or
					 * empty: none has yet.  YOURS: of the
					 * journal's newest */
	uint64_t	 since;		/* YOURS: it has nothing before; BEGUN,
					 * HERE: see there */
	struct slice	 records;	/* workers/relay/store/keep_sessions.h */
};

enum bus_hooks_what {
	BUS_HOOKS_LIST = 1,	/* of all */
	BUS_HOOKS_PAGE,		/* of what was given up: behind since */
	BUS_HOOKS_RETRY,	/* some of it is to be sent again, */
	BUS_HOOKS_FORGET	/* or nobody wants it */
};

struct bus_hooks {
	uint64_t	 what;		/* enum bus_hooks_what */
	struct slice	 hook;		/* its name */
	uint64_t	 since, limit;	/* PAGE */
	struct slice	 ids;		/* RETRY, FORGET: u64 each, of this host;
					 * none: all */
};

struct bus_box {
	uint64_t	 what;		/* BOX: enum box_op; BOXED: enum
					 * bus_store */
	struct slice	 nsp, user;	/* BOX */
	struct slice	 body;
};

struct bus_cut {
	uint16_t	 giver, heir;	/* slots; one of them says it */
	uint64_t	 batch;		/* the same in both CUTs */
};

struct bus_mark {
	uint64_t	 batch;
	bool		 refused;	/* there is no cut */
};

struct bus_revoke {
	uint64_t	 what;		/* enum revoked_kind, of shm/table_revoked.h */
	struct slice	 name;
	uint64_t	 moment, until;	/* unix seconds */
	uint64_t	 grace;		/* USER: who is here may show a later token
					 * until then, unix seconds; 0: goes now */
	struct slice	 reason;	/* raw JSON string or empty */
};

struct bus_envelope {
	enum bus_kind	 kind;
	uint16_t	 flags;
	uint64_t	 slots[2];
	uint16_t	 from;		/* slot */
	uint16_t	 generation;
	uint32_t	 ref;
	uint64_t	 had[2];	/* COUNT, ANSWERS: see BUS_SHADOW; else, or
					 * empty: nothing is said */
	union {			/* by kind; the others say nothing more */
		struct bus_publish publish;	/* and BUS_KEEP, BUS_FORWARD,
						 * BUS_QUEUE, BUS_INBOX,
						 * BUS_JOURNAL, BUS_REPLY,
						 * BUS_TRIM */
		struct bus_count count;
		struct bus_disconnect disconnect;
		struct bus_rooms rooms;
		struct bus_answers answers;
		struct bus_recover_ask recover_ask;
		struct bus_recover_state recover_state;
		struct bus_recover_joined recover_joined;
		struct bus_recover_barrier recover_barrier;
		struct bus_recover_passed recover_passed;
		struct bus_recover_late recover_late;
		struct bus_recover_done recover_done;
		struct bus_publish_body publish_body;
		struct bus_members members;
		struct bus_kept	 kept;
		struct bus_history history;
		struct bus_page	 page;	/* and BUS_STREAMED */
		struct bus_session session;	/* of four kinds */
		struct bus_box	 box;	/* and BUS_BOXED */
		struct bus_cut	 cut;
		struct bus_mark	 mark;
		struct bus_revoke revoke;
		struct bus_hooks hooks;
	};
};

/*
 * An envelope of each kind: without flags, and what is not an argument is
 * empty.  (Lists are large; not more of them is written than their counts.)
 * Whom it is for and who sends it comes later: hub/post.h.
 */
struct bus_publish *bus_publish(struct bus_envelope *);
void	bus_count(struct bus_envelope *, uint64_t receivers);
struct bus_disconnect *bus_disconnect(struct bus_envelope *);
struct bus_rooms *bus_rooms(struct bus_envelope *);
struct bus_answers *bus_answers(struct bus_envelope *);
void	bus_answers_end(struct bus_envelope *);
struct bus_recover_ask *bus_recover_ask(struct bus_envelope *);
void	bus_recover_none(struct bus_envelope *);
void	bus_recover_state(struct bus_envelope *, struct slice records);
void	bus_recover_joined(struct bus_envelope *, const uint64_t others[2]);
void	bus_recover_barrier(struct bus_envelope *, unsigned holder);
void	bus_recover_passed(struct bus_envelope *, unsigned asker);
void	bus_recover_late(struct bus_envelope *, uint64_t number,
	    struct slice records);
void	bus_recover_done(struct bus_envelope *, uint64_t nlate);
void	bus_publish_body(struct bus_envelope *, struct slice body);
struct bus_members *bus_members(struct bus_envelope *, enum bus_members_what);
struct bus_publish *bus_keep(struct bus_envelope *);
struct bus_publish *bus_trim(struct bus_envelope *);
struct bus_publish *bus_forward(struct bus_envelope *);
/* It is a question, and no event on its way. */
static inline bool
bus_forward_asks(const struct bus_publish *p)
{
	return (p->kept != 0 && p->kept < FORWARD__MAX);
}
struct bus_publish *bus_queue(struct bus_envelope *);
struct bus_publish *bus_inbox(struct bus_envelope *);
struct bus_publish *bus_reply(struct bus_envelope *);
struct bus_page *bus_streamed(struct bus_envelope *, enum bus_store);
struct bus_publish *bus_journal(struct bus_envelope *);
struct bus_kept *bus_kept(struct bus_envelope *, enum bus_store);
/* kind: SESSION ...; is: 0 where it says nothing. */
struct bus_session *bus_session(struct bus_envelope *, enum bus_kind,
	    enum bus_session_is);
struct bus_history *bus_history(struct bus_envelope *,
	    enum bus_history_from);
struct bus_page *bus_page(struct bus_envelope *, enum bus_store);
struct bus_box *bus_box(struct bus_envelope *, uint64_t op);
struct bus_box *bus_boxed(struct bus_envelope *, enum bus_store);
void	bus_cut(struct bus_envelope *, unsigned giver, unsigned heir,
	    uint64_t batch);
void	bus_leave(struct bus_envelope *);
struct bus_revoke *bus_revoke(struct bus_envelope *);
void	bus_mark(struct bus_envelope *, uint64_t batch, bool refused);
struct bus_hooks *bus_hooks(struct bus_envelope *, enum bus_hooks_what);

/* An answer to a frame that these have got; nothing if that is nobody. */
void	bus_had(struct bus_envelope *, const uint64_t slots[2]);

/* The frame's size once the whole of it is there, CODEC_MORE until then,
 * CODEC_BAD when absurd (told by the first bytes). */
ssize_t	bus_frame(struct slice in, uint64_t slots[2], uint16_t *flags)
	    MUST_USE;
/* Of a whole frame: it is for these, who have got it (BUS_SHADOW). */
void	bus_frame_spread(uint8_t *frame, const uint64_t slots[2]);
/* The frame that b holds from `at` on was encoded when nobody was to get it yet,
 * without times: it gets the header of e, and its timeout_ms and sent_us.  False:
 * no memory, nothing is changed. */
bool	bus_frame_address(struct buf *, size_t at, const struct bus_envelope *)
	    MUST_USE;
/* Of a whole frame: its kind, perhaps unknown, who has sent it, its ref. */
enum bus_kind bus_frame_kind(struct slice);
unsigned bus_frame_from(struct slice);
uint32_t bus_frame_ref(struct slice);
/* Decode one whole frame; slices point into in.  kind may be one that this
 * version does not know.  from is a slot, or 0: the relay, which can be answered
 * as well (BUS_RELAY). */
ssize_t	bus_decode(struct slice in, struct bus_envelope *) MUST_USE;
/* The same, of what is one frame: nothing is missing, or behind it. */
bool	bus_whole(struct slice in, struct bus_envelope *) MUST_USE;
/* Append one frame. false: too large (nothing appended). */
bool	bus_encode(struct buf *, const struct bus_envelope *) MUST_USE;

#endif
