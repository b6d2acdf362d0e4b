/*
 * The inside of keep_sessions.h, between keep_sessions.c (which there are, and
 * who has them), keep_sessions_told.c (what is told of them),
 * keep_sessions_save.c (for another relay) and keep_session.c (one, and what it
 * is in).
 */
#ifndef STORE_KEEP_SESSION_H
#define STORE_KEEP_SESSION_H

#include <sys/queue.h>

#include "base/hash.h"
#include "base/hashtab.h"
#include "base/state.h"
#include "relay/store/keep_journal.h"
#include "relay/store/keep_sessions.h"

#define STORED_PID	20
#define STORED_SID	20
#define STORED_OFFSET	64	/* of a client: ours are shorter */
#define STORED_LEFT_MAX	32u	/* times in rooms that are remembered when they
				 * are over */

struct stored_room {
	STAILQ_ENTRY(stored_room) next;
	uint64_t	 from;		/* it was in it behind this place, */
	uint64_t	 to;		/* up to this one; 0: it is in it */
	uint16_t	 n;
	uint8_t		 kind;		/* enum session_record; not LEFT */
	char		 name[];
};

/* As journal_hole, of the workers that had one session. */
struct stored_hole {
	uint64_t	 lost, told;
};

#define STORED_HOLES	4u	/* the two oldest become one */

/* In Redis (keep_sessions_far.h): not at all; not as it is; as it is, and to be
 * said again; as it is. */
enum stored_written { STORED_NOT, STORED_DUE, STORED_LEASED, STORED_WRITTEN };

struct stored {
	struct hashtab_link link;
	TAILQ_ENTRY(stored) list;	/* sessions.away or .here */
	STAILQ_HEAD(, stored_room) rooms;	/* those left longest ago come
						 * first of those left */
	TAILQ_ENTRY(stored) far;	/* DUE, LEASED: sessions_far.due, .lease */
	enum stored_written written;
	bool		 touch;		/* DUE: it is as it was written */
	bool		 wanted;	/* another host waits until it is away */
	uint64_t	 written_ms;
	uint64_t	 until_ms;	/* monotonic; away: then it is over */
	uint64_t	 base;		/* it got nothing before */
	uint64_t	 floor;		/* who has seen less is not told all */
	uint64_t	 proven;	/* away: its client has all up to there */
	/* of another relay's workers, from which it came */
	struct stored_hole holes[STORED_HOLES];
	unsigned	 nholes;
	uint32_t	 nleft;		/* rooms with an end */
	uint32_t	 came;		/* journal.nproven of its worker then */
	uint16_t	 slot;		/* the worker that has it; 0: away */
	uint16_t	 last;		/* ... that had it */
	uint16_t	 before;	/* ... that has given it to that one */
	uint8_t		 epoch_n;	/* of the journal, in which places are */
	bool		 has_user;
	uint8_t		 taker_offset_n;
	uint16_t	 nsp_n, user_n;
	struct store_asker taker;	/* has asked for it; slot 0: nobody */
	char		 taker_offset[STORED_OFFSET];
	char		 epoch[STORE_EPOCH_MAX];
	char		 pid[STORED_PID], sid[STORED_SID];
	char		 text[];	/* nsp, user */
};

TAILQ_HEAD(stored_list, stored);

struct sessions {
	struct hash_key	 key;
	struct hashtab	 table;		/* by pid */
	struct stored_list away;	/* the longest first */
	struct stored_list here[ROLE_SLOTS_MAX];	/* by worker */
	size_t		 naway;
	uint64_t	 bytes;
	struct sessions_far *far;
};

static inline struct slice
stored_nsp(const struct stored *s)
{
	return (slice_of(s->text, s->nsp_n));
}

static inline struct slice
stored_user(const struct stored *s)
{
	return (slice_of(s->text + s->nsp_n, s->user_n));
}

static inline struct slice
stored_epoch(const struct stored *s)
{
	return (slice_of(s->epoch, s->epoch_n));
}

/* --- keep_sessions.c ------------------------------------------------------*/

/* NULL: there is none. */
struct stored *sessions_find(const struct sessions *,
	    const struct bus_session *);
/* A new one, at this worker; slot 0: away.  It fits.  NULL: no memory. */
struct stored *sessions_add(struct keep *, const struct journal *,
	    const struct bus_session *, unsigned slot) MUST_USE;
void	sessions_drop(struct sessions *, struct stored *);
/* So many more, with so many bytes: who is away longest goes, but not the one
 * that is named (NULL: none).  false: there is no room for them. */
bool	sessions_fit(struct keep *, const struct stored *stays, size_t n,
	    uint64_t bytes);
/* The journal of its namespace; NULL: that has none any more. */
struct journal *sessions_journal(struct keep *, const struct stored *);
/* It is told of in this epoch of the journal from now on. */
void	sessions_rebase(struct keep *, const struct journal *,
	    struct stored *);
/* This worker has it; none has; it is over. */
void	sessions_set_here(struct keep *, struct stored *, unsigned slot);
void	sessions_set_away(struct keep *, struct stored *);
void	sessions_end(struct keep *, struct stored *);
/* That worker is to let go of it. */
void	sessions_say_over(struct keep *, const struct stored *,
	    unsigned slot);
/* What its client has got, as far as its worker knows. */
void	sessions_note_proven(struct keep *, struct stored *);
/* A worker asks for one: it is given it, now or later, or refused. */
void	sessions_take_here(struct keep *, const struct store_asker *,
	    const struct bus_session *);
void	sessions_refuse(struct keep *, const struct store_asker *);
/* Sets the gauges. */
void	sessions_show(const struct sessions *);

/* The worker that has it, or had it last. */
static inline unsigned
sessions_had(const struct stored *s)
{
	return (s->slot != 0 ? s->slot : s->last);
}

/* --- keep_sessions_told.c -------------------------------------------------*/

/* Those of this namespace that are away do what a back end has ordered; empty:
 * of all. */
void	sessions_obey(struct keep *, struct slice nsp,
	    const struct bus_envelope *);

/* --- keep_sessions_save.c -------------------------------------------------*/

#define SESSIONS_VERSION 2	/* 1: without holes */
/* What its client may have missed without having been told, and not known from
 * what it has got since: how many. */
unsigned sessions_holes(const struct keep *, const struct stored *,
	    struct stored_hole v[STORED_HOLES]);
/* One, at the end of b; records: scratch.  And away, from that: true, and it is
 * not there: there is no room. */
void	sessions_put_one(const struct keep *, const struct stored *,
	    struct buf *records, struct buf *b);
bool	sessions_get_one(struct keep *, struct state_in *, unsigned version)
	    MUST_USE;

/* --- keep_session.c ------------------------------------------------------*/

/* As it is told of; in no list.  NULL: no memory, or names too long. */
struct stored *stored_new(const struct bus_session *) MUST_USE;
/* What it takes, without its rooms; and what a room does. */
uint64_t stored_cost(const struct stored *);
uint64_t stored_will_cost(const struct bus_session *);
uint64_t stored_room_cost(struct slice name);
/* About as long it is when it is written. */
uint64_t stored_bytes(const struct stored *);
/* It is in no room. */
void	stored_clear(struct sessions *, struct stored *);
void	stored_set_epoch(struct stored *, struct slice);
/* Of another epoch, or the first that is known, it is in its rooms from this
 * place on, and nothing is known of what was before. */
void	stored_rebase(struct sessions *, struct stored *, struct slice epoch,
	    uint64_t place);
/* It is in it, or no more, behind this place.  false: bad, or no memory. */
bool	stored_change(struct sessions *, struct stored *, uint8_t kind,
	    struct slice name, uint64_t place) MUST_USE;
/* Is it in this audience? */
bool	stored_is_in(const struct stored *, const struct bus_audience *);
/* Records of BUS_SESSION_TAKEN; and what they say, for one that is in no room.
 * false: bad, or no memory. */
void	stored_put(const struct stored *, struct buf *);
bool	stored_get(struct sessions *, struct stored *, struct slice) MUST_USE;

#endif
