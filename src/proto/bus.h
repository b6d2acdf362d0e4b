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
				 * published through Redis */
	BUS_MEMBERS		/* of the relay: who is in an audience?
				 * Answered with BUS_ANSWERS */
};

enum {
	BUS_VOLATILE = 1,	/* may be dropped under pressure */
	BUS_WANT_COUNT = 2,	/* BUS_PUBLISH: answer with BUS_COUNT;
				 * BUS_DISCONNECT, BUS_ROOMS: BUS_ANSWERS */
	BUS_WATCHERS = 4,	/* users: those who watch their presence */
	/* BUS_DISCONNECT: not the session alone; workers/hub/backend/members.h */
	BUS_CLOSE = 8, BUS_RECONNECT = 16,
	BUS_WANT_ANSWERS = 32,	/* BUS_PUBLISH: answer with BUS_ANSWERS within
				 * timeout_ms */
	BUS_MORE = 64,		/* BUS_ANSWERS: not the last of them */
	BUS_TRUNCATED = 128,	/* BUS_ANSWERS: some were left out; of an order:
				 * some sessions were */
	BUS_FAR = 256,		/* for other hosts as well */
	BUS_RELAY = 512,	/* for the relay itself, which has asked */
	BUS_NAMED = 1024	/* BUS_PUBLISH: of no use to clients that see no
				 * names of events */
};

/* What BUS_MEMBERS asks for; the answers' elements are JSON: */
enum bus_members_what {
	BUS_MEMBERS_WHOLE = 1,	/* {"id","handshake","rooms","data"} each */
	BUS_MEMBERS_SIDS,	/* "sid" each */
	BUS_MEMBERS_ROOMS	/* "name" of each room of the namespace, the
				 * sids among them; the audience is empty */
};

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

struct bus_publish {
	struct slice	 nsp;
	struct slice	 event;		/* raw JSON string */
	struct slice	 args;		/* JSON elements without brackets */
	struct slice	 meta;		/* raw JSON object or empty */
	struct slice	 offset;	/* raw JSON string or empty */
	struct slice	 once;		/* id that a back end gave: delivered
					 * once on each host; or empty */
	struct slice	 attachments[BUS_ATTACHMENTS_MAX];
	size_t		 nattach;
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
	struct bus_audience to;
};

struct bus_answers {
	uint32_t	 asked;		/* sessions; of an order: changed; of
					 * BUS_MEMBERS: elements */
	uint32_t	 answered;	/* of them, in this piece */
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

struct bus_envelope {
	enum bus_kind	 kind;
	uint16_t	 flags;
	uint64_t	 slots[2];
	uint16_t	 from;		/* slot */
	uint16_t	 generation;
	uint32_t	 ref;
	union {			/* by kind; the others say nothing more */
		struct bus_publish publish;
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

/* The frame's size once the whole of it is there, CODEC_MORE until then,
 * CODEC_BAD when absurd (told by the first bytes). */
ssize_t	bus_frame(struct slice in, uint64_t slots[2], uint16_t *flags)
	    MUST_USE;
/* Decode one whole frame; slices point into in.  kind may be one that this
 * version does not know.  from is a slot, or 0: the relay, which can be answered
 * as well (BUS_RELAY). */
ssize_t	bus_decode(struct slice in, struct bus_envelope *) MUST_USE;
/* Append one frame. false: too large (nothing appended). */
bool	bus_encode(struct buf *, const struct bus_envelope *) MUST_USE;

#endif
