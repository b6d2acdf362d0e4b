/*
 * The inside of remote.h: remote.c (what is asked of it; links), remote_room.c
 * (rooms, and what is at hand of them), remote_out.c (appends), remote_entry.c (as
 * they are kept), remote_keyed.c (those that keep the newest of each key),
 * remote_in.c (what
 * comes, in its order), remote_twin.c (by a journal), remote_number.c (as frames),
 * remote_read.c (questions), remote_ask.c (commands),
 * remote_save.c, remote_load.c.
 */
#ifndef STORE_REMOTE_INT_H
#define STORE_REMOTE_INT_H

#include <sys/queue.h>

#include "base/hash.h"
#include "base/hashtab.h"
#include "relay/store/remote.h"
#include "relay/store/remote_reply.h"
#include "relay/store/remote_script.h"
#include "role.h"
#include "sys/timer.h"

#define REMOTE_BATCH	32u		/* appends in one script */
#define REMOTE_BATCH_BYTES (256u << 10)
#define REMOTE_BATCH_ROOMS 32u		/* that keep some of them as well */
#define REMOTE_PAGE	1000u		/* events asked for at once */
#define REMOTE_PAGE_BYTES (256u << 10)
#define REMOTE_AHEAD_BYTES (256u << 10)	/* of a room, that came too early */
#define REMOTE_READS	65536u		/* questions that wait */
#define REMOTE_TICK_MS	50
#define REMOTE_HOLE_MS	100	/* what is missing may come by itself */
#define REMOTE_ACK_MS	1500	/* who has appended is answered by then */
#define REMOTE_READ_MS	1500	/* who asks waits no longer */
#define REMOTE_PAUSE_MS	500	/* behind an error */
#define REMOTE_DEAF_MS	1000	/* a room that is not heard is read so often */

struct remote_append {
	STAILQ_ENTRY(remote_append) next;
	struct store_asker asker;
	void		(*done)(void *arg, const struct store_kept *);
	void		*arg;
	uint64_t	 at_ms;		/* when it came */
	bool		 told;		/* that it waits, or is to be dropped;
					 * done() is over */
	bool		 near;		/* every host brings it */
	bool		 asked;		/* remote_keyed_is_asked() */
	uint8_t		 id_n;
	uint16_t	 room_n;	/* 0: no room keeps it as well */
	uint32_t	 n;		/* of the entry */
	struct store_bounds bounds;	/* of that room */
	uint64_t	 edits;		/* the place of what is changed; 0: nothing
					 * is */
	uint8_t		 edit_epoch_n;
	char		 edit_epoch[STORE_EPOCH_MAX];
	uint32_t	 instead_n;	/* of the entry that is kept there */
	uint8_t		 text[];	/* id, entry, room, instead */
};
STAILQ_HEAD(remote_appends, remote_append);

static inline struct slice
remote_append_id(const struct remote_append *p)
{
	return (slice_of(p->text, p->id_n));
}

static inline struct slice
remote_append_entry(const struct remote_append *p)
{
	return (slice_of(p->text + p->id_n, p->n));
}

static inline struct slice
remote_append_room(const struct remote_append *p)
{
	return (slice_of(p->text + p->id_n + p->n, p->room_n));
}

static inline struct slice
remote_append_instead(const struct remote_append *p)
{
	return (slice_of(p->text + p->id_n + p->n + p->room_n, p->instead_n));
}

static inline struct slice
remote_append_edit_epoch(const struct remote_append *p)
{
	return (slice_of(p->edit_epoch, p->edit_epoch_n));
}

/* What is kept instead of something, and of what. */
struct remote_edit {
	uint64_t	 place;		/* 0: nothing is changed */
	struct slice	 epoch;
	struct slice	 entry;
};

struct remote_read {
	STAILQ_ENTRY(remote_read) next;
	struct remote_room *room;	/* it waits for, or: */
	struct store_read q;		/* epoch: in text */
	uint64_t	 at_ms;
	bool		 primed;	/* the newest were asked for, for it */
	struct remote_held *held;	/* remote_keyed.c: its answer, or NULL */
	char		 epoch[STORE_EPOCH_MAX];
	uint8_t		 of[];		/* q.of */
};
STAILQ_HEAD(remote_reads, remote_read);

/* One that is at hand. */
struct remote_event {
	uint64_t	 at_ms;		/* monotonic, when it was kept */
	uint32_t	 n;
	uint8_t		 frame[];
};

/* What has come before those in front of it. */
struct remote_early {
	TAILQ_ENTRY(remote_early) next;
	uint64_t	 place;
	bool		 ours;
	bool		 given;		/* to the workers, by the journal */
	bool		 twice;		/* of a journal: a room keeps it as well */
	struct store_asker asker;	/* ours */
	uint32_t	 n;
	uint8_t		 frame[];	/* numbered */
};
TAILQ_HEAD(remote_earlies, remote_early);

/*
 * IDLE: nobody here is in it.  Else what is published there is to be heard: DEAF,
 * it is not known to be; ASKED: it is, and what came before was asked for; LIVE:
 * all up to `top' has been given to the workers, and what comes is behind it.
 */
enum remote_state { REMOTE_IDLE, REMOTE_DEAF, REMOTE_ASKED, REMOTE_LIVE };

struct remote_room {
	struct hashtab_link link;
	uint64_t	 hash;
	TAILQ_ENTRY(remote_room) used;	/* in remote.used, the latest last */
	TAILQ_ENTRY(remote_room) full;	/* likewise in remote.full, if n > 0 */
	TAILQ_ENTRY(remote_room) all;	/* in the order of their begin */
	TAILQ_ENTRY(remote_room) work;	/* in remote.work */
	struct remote	*m;
	bool		 works;		/* in remote.work */
	bool		 leaving;	/* nothing of it is kept any more */
	bool		 journal;	/* JOURNAL_ROOM */
	bool		 ended;		/* all of its epoch was heard, until there
					 * was another one */
	bool		 twin;		/* the namespace has one, by which it is
					 * heard */
	/* ASKED: it waits until the journal is there */
	bool		 levels;
	uint8_t		 level_epoch_n;
	char		 level_epoch[STORE_EPOCH_MAX];
	uint64_t	 level;
	enum remote_state state;
	struct store_bounds bounds;
	/* where it stands: known: `epoch' and `top', and the n events before
	 * it are at hand */
	bool		 known;
	uint8_t		 epoch_n;
	uint16_t	 nsp_n, name_n;
	char		 epoch[STORE_EPOCH_MAX];
	uint64_t	 top, first;	/* first: at least that old are gone */
	uint64_t	 base;		/* the epoch began behind it */
	/* a journal's epoch before: a server that is the master no more may have
	 * it, and all up to there was given */
	uint8_t		 left_epoch_n;
	char		 left_epoch[STORE_EPOCH_MAX];
	uint64_t	 left_top;
	bool		 finished;	/* nothing comes behind top */
	struct remote_event **v;	/* a ring */
	uint32_t	 cap, at, n;
	uint64_t	 bytes;
	/* before it is LIVE: the first place that somebody here was told */
	bool		 told, told_odd;
	bool		 fresh;		/* nothing of it was known here */
	uint64_t	 fresh_top;	/* where it stood then */
	uint8_t		 told_epoch_n;
	char		 told_epoch[STORE_EPOCH_MAX];
	uint64_t	 told_top;
	/* what came too early */
	struct remote_earlies early;	/* by place */
	uint64_t	 early_bytes;
	uint64_t	 hole_ms;	/* since then; 0: there is none */
	bool		 missed;	/* something more was not taken */
	uint64_t	 look_ms;	/* DEAF: when it was read */
	/* appends: the first nsent are with Redis, or may be */
	struct remote_appends out;
	uint64_t	 out_bytes;
	bool		 ends;		/* with the last of them */
	uint32_t	 nsent;
	uint32_t	 nlast;		/* that end another room */
	bool		 sending;	/* its answer is to come */
	bool		 again;		/* it may have been done */
	bool		 refusing;	/* the last answer was an error */
	uint64_t	 pause_ms;	/* nothing before then */
	uint64_t	 seq;		/* of that batch */
	uint64_t	 checked;	/* of remote.links: server known there */
	/* questions */
	struct remote_reads reads;
	struct remote_reads held;	/* remote_keyed.c: those that have an answer,
					 * which is ahead of what workers have */
	bool		 reading;	/* an answer is to come */
	uint32_t	 nready;	/* in remote.ready */
	uint8_t		 text[];	/* nsp, name */
};
TAILQ_HEAD(remote_rooms, remote_room);

/* A command that has no answer yet. */
struct remote_ask {
	TAILQ_ENTRY(remote_ask) next;
	struct remote	*m;
	struct remote_room *room;	/* NULL: nobody waits any more */
	struct redis	*redis;
	enum remote_script script;
	bool		 whole;		/* the script's text went along */
	bool		 verify;	/* READ: for the room itself, */
	bool		 prime;		/* the newest, for many that wait, */
	uint64_t	 until;		/* or the first: how many were there */
	uint64_t	 place;		/* TRIM: up to there, */
	uint8_t		 epoch_n;	/* ... of this epoch */
	char		 epoch[STORE_EPOCH_MAX];
};

struct remote {
	unsigned	 magic;
#define REMOTE_MAGIC	0x3e307eed
	struct store	 store;
	struct remote_params p;
	struct remote_link link;	/* redis is NULL: there is none */
	uint64_t	 links;		/* grows when the server may be another */
	struct remote_scripts scripts;
	struct hash_key	 key;
	struct hashtab	 table;
	struct remote_rooms used, full, all, work;
	struct remote_room *look;	/* judge this next; NULL: all are */
	bool		 saved;		/* what waits goes on elsewhere */
	uint64_t	 lost;		/* events; not said yet */
	uint64_t	 waits_ms, waited;	/* some do since then: so many */
	uint64_t	 refused_ms;	/* Redis does since then; 0: no */
	struct timer	 tick;
	uint64_t	 nrooms, bytes, events;	/* at hand */
	uint64_t	 out_bytes, out_events;	/* appends that wait */
	uint64_t	 nreads;
	struct remote_reads ready[ROLE_SLOTS_MAX];	/* may be answered */
	uint64_t	 ready_slots[2];
	unsigned	 last;		/* was served last */
	TAILQ_HEAD(, remote_ask) asks;
	uint64_t	 nasks;
	uint64_t	 begun;		/* epochs that were offered */
	bool		 twice;		/* what is in frame a room keeps as well */
	char		 origin[STORE_EPOCH_MAX / 2];	/* of this process */
	struct buf	 entry, meta, frame, twin, page, channel, offer;
	struct buf	 keys[6 + 3 * REMOTE_BATCH_ROOMS];
};

static inline struct slice
remote_nsp(const struct remote_room *r)
{
	return (slice_of(r->text, r->nsp_n));
}

static inline struct slice
remote_name(const struct remote_room *r)
{
	return (slice_of(r->text + r->nsp_n, r->name_n));
}

static inline struct store_key
remote_key(const struct remote_room *r)
{
	return ((struct store_key){ remote_nsp(r), remote_name(r) });
}

static inline struct slice
remote_epoch(const struct remote_room *r)
{
	return (slice_of(r->epoch, r->epoch_n));
}

static inline struct store_key
remote_journal_key(const struct remote_room *r)
{
	return ((struct store_key){ remote_nsp(r), JOURNAL_ROOM });
}

static inline uint64_t
remote_now(const struct remote *m)
{
	return (m->p.now_ms(m->p.arg));
}

/* --- remote_room.c --------------------------------------------------------*/

struct remote_room *remote_find(const struct remote *,
	    const struct store_key *);
/* The one there is, or a new one; NULL: no memory. */
struct remote_room *remote_get(struct remote *, const struct store_key *,
	    const struct store_bounds *);
/* It goes if nothing needs it. */
void	remote_drop(struct remote_room *);
void	remote_end(struct remote_room *);
/* By the configuration: its bounds; or it ends, when who waits is answered. */
void	remote_judge(struct remote *, struct remote_room *);
/* It has something to do: it is looked at with the next tick. */
void	remote_work(struct remote_room *);
/* It stands there, and nothing of it is at hand. */
void	remote_stand(struct remote_room *, struct slice epoch, uint64_t top);
void	remote_empty(struct remote_room *);
/* The next one, at top + 1, is at hand; without memory it alone is not. */
void	remote_push(struct remote_room *, struct slice frame, uint64_t age_ms);
/* i is below n; 0 is the oldest. */
static inline struct remote_event *
remote_at(const struct remote_room *r, uint32_t i)
{
	return (r->v[(r->at + i) & (r->cap - 1)]);
}
/* Of what is at hand the oldest are kept no longer. */
void	remote_age(struct remote_room *);
/* The oldest that is kept, as far as is known here; top + 1: none. */
uint64_t remote_first(const struct remote_room *);
/* All up to there is kept no more. */
void	remote_trimmed(struct remote_room *, uint64_t place);
/* It has ended, or will when what waits is kept, as far as is known here. */
bool	remote_is_over(struct remote_room *);
void	remote_show(const struct remote *);

/* --- remote_ask.c ---------------------------------------------------------*/

/* There is a Redis that takes commands. */
bool	remote_up(const struct remote *);
/* The room's channel is listened to. */
bool	remote_hears(struct remote_room *);
/* Run it; the ask has what for.  false: freed; it could not be sent. */
bool	remote_ask_append(struct remote_ask *) MUST_USE;
bool	remote_ask_read(struct remote_ask *, const struct store_read *)
	    MUST_USE;
bool	remote_ask_trim(struct remote_ask *) MUST_USE;
struct remote_ask *remote_ask_new(struct remote_room *, enum remote_script);
void	remote_ask_free(struct remote_ask *);
/* Nobody waits for these answers. */
void	remote_ask_orphan(struct remote *);

/* --- remote_out.c ---------------------------------------------------------*/

void	remote_append(void *engine, const struct store_append *);
/* What can be sent is, what has waited too long is answered.  true: there is
 * more to do later. */
bool	remote_out_look(struct remote_room *);
void	remote_out_answer(struct remote_ask *, const struct reply *);
/* What there is to be said in the log. */
void	remote_out_note(struct remote *);
/* None of it will be kept. */
void	remote_out_drop(struct remote_room *);
/* For who loads: as it was saved, at the end of the line.  NULL: no memory. */
struct remote_append *remote_out_add(struct remote_room *,
	    const struct store_asker *, struct slice id, struct slice entry,
	    struct slice room, const struct store_bounds *,
	    const struct remote_edit *);

/* --- remote_entry.c -------------------------------------------------------*/

/* Without a place, in m->entry; edits: the place of what it tells of, or 0. */
bool	remote_entry_encode(struct remote *, const struct store_append *,
	    uint64_t edits) MUST_USE;
/* What it wants kept instead of something: an entry, in m->page.  Not OK: it
 * cannot be. */
enum bus_store remote_entry_edit(struct remote *, const struct store_append *,
	    struct remote_edit *) MUST_USE;

/* --- remote_trim.c --------------------------------------------------------*/

void	remote_trim(void *engine, const struct store_trim *);
void	remote_trim_answer(struct remote_ask *, const struct reply *);

/* --- remote_in.c ----------------------------------------------------------*/

/* One of ours that has its place: numbered in m->frame.  true: it was given to
 * the workers now. */
bool	remote_in_ours(struct remote_room *, uint64_t place,
	    const struct store_asker *, struct slice epoch);
/* What was before its time, and is not any more. */
void	remote_in_drain(struct remote_room *);
bool	remote_in_look(struct remote_room *);
void	remote_in_page(struct remote_room *, const struct remote_page *);
/* Somebody has seen more of it: it is looked at. */
void	remote_in_behind(struct remote_room *);
/* It may not be heard from now on; its answer will not come. */
void	remote_in_deaf(struct remote_room *);
/* A frame of it that has this place.  true: it is to be given to the workers now,
 * unless that is done (given). */
bool	remote_in_accept(struct remote_room *, struct slice frame,
	    struct slice epoch, uint64_t place, const struct store_asker *ours,
	    bool given);

/* --- remote_number.c ------------------------------------------------------*/

/* An entry as a numbered frame, in m->frame; strange: of another host, and of
 * this room, or (r is NULL) of the one that it says; twin: where the other room has
 * it, if the entry does not say so itself.  false: it makes no sense. */
bool	remote_number(struct remote *, const struct remote_room *,
	    struct slice entry, struct slice epoch, uint64_t place, bool strange,
	    const struct remote_twin *twin, struct store_key *);

/* --- remote_twin.c --------------------------------------------------------*/

/* By the configuration: whether it is heard by a journal. */
void	remote_pair(struct remote_room *);
/* As remote_is_over(), of a room of which what waits is in its journal's line. */
bool	remote_is_twin_over(struct remote_room *journal, struct slice room);
/* What is in m->frame is given to the workers now, as the journal has it: what is
 * at hand of the room that keeps it as well follows. */
void	remote_follow(struct remote_room *journal);
/* A page of it was read when the journal stood there. */
void	remote_note_level(struct remote_room *, const struct remote_page *);
/* The journal is there, or behind. */
bool	remote_is_level(const struct remote_room *);
/* It is heard in another epoch, which was not there yet, or is over: true, and it is
 * looked at. */
bool	remote_look_odd(const struct remote_room *);
/* The rooms of this journal may have missed something. */
void	remote_miss_twins(struct remote_room *journal);

/* --- remote_read.c --------------------------------------------------------*/

void	remote_read(void *engine, const struct store_read *);
bool	remote_read_look(struct remote_room *);
void	remote_read_answer(struct remote_ask *, const struct reply *);
/* Those that can be answered now: as many as there is room for. */
void	remote_read_turn(struct remote *);
bool	remote_read_busy(const struct remote *);
/* All that wait for this room are refused. */
void	remote_read_drop(struct remote_room *);
/* It has become known: those that it can answer are ready. */
void	remote_read_ready(struct remote_room *);

/* For who waits; out says all of it. */
void	remote_read_say(struct remote_room *, const struct store_read *,
	    struct store_page *out);
void	remote_read_refuse(const struct store_read *);
void	remote_read_free(struct remote_read *);

/* --- remote_keyed.c -------------------------------------------------------*/

/* It keeps the newest of each key. */
static inline bool
remote_is_keyed(const struct remote_room *r)
{
	return (r->bounds.keys != 0);
}

/* It is asked of Redis by REMOTE_KEYED_READ; ... of AFTER: what is at hand is the
 * answer. */
bool	remote_keyed_asks(const struct remote_room *, const struct store_read *);
bool	remote_keyed_at_hand(const struct remote_room *,
	    const struct store_read *);
/* An answer of REMOTE_KEYED_READ, to the first that waits. */
void	remote_keyed_give(struct remote_room *, const struct remote_page *);
/* Answers that were ahead go to who waits, when the workers are there. */
void	remote_keyed_look(struct remote_room *);
/* What is asked of the key of one that is to be appended: it is not to be done much
 * later than it was asked. */
bool	remote_keyed_is_asked(const struct bus_publish *);

/* --- remote_save.c, remote_load.c -----------------------------------------*/

/* Sections (base/state.h):
 *
 *	REMOTE_SAVE_HEAD	origin, how many names were given
 *	REMOTE_SAVE_ROOM	namespace, room, batch, how many are in it, or 0
 *	  REMOTE_SAVE_APPEND	flags, near, id, entry, room that keeps it as
 *				well (version 1: without), place, epoch and entry
 *				of what is changed (up to version 2: without)
 *	  ...
 *	...
 *	REMOTE_SAVE_END
 */
#define REMOTE_SAVE_VERSION	3
enum remote_save_tag {
	REMOTE_SAVE_HEAD = 0x5711, REMOTE_SAVE_ROOM, REMOTE_SAVE_APPEND,
	REMOTE_SAVE_END
};

int	remote_save(void *engine, struct slice begin, bool *bad);
bool	remote_load(void *engine, struct slice saved);

#endif
