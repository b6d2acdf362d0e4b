/*
 * The inside of memory.h, between memory.c (what is asked of it, and the bounds
 * of all rooms) and memory_room.c (one room and its events).
 */
#ifndef STORE_MEMORY_INT_H
#define STORE_MEMORY_INT_H

#include <sys/queue.h>

#include "base/hash.h"
#include "base/hashtab.h"
#include "relay/store/memory.h"
#include "sys/timer.h"

struct memory_event {
	uint64_t	 at_ms;		/* monotonic */
	uint32_t	 n;
	uint8_t		 frame[];
};

struct memory_room {
	struct hashtab_link link;
	uint64_t	 hash;
	TAILQ_ENTRY(memory_room) used;	/* in memory_line(); when it is no more:
					 * in memory.gone */
	TAILQ_ENTRY(memory_room) all;	/* in the order of their begin */
	TAILQ_ENTRY(memory_room) due;	/* more is to be dropped */
	struct timer	 age;		/* the oldest is too old; empty: the
					 * room itself */
	struct memory	*m;
	struct store_bounds bounds;
	struct memory_keyed *keyed;	/* memory_keyed.h; NULL: there are none */
	struct memory_event **v;	/* a ring */
	uint32_t	 cap;		/* of it: a power of two, or 0 */
	uint32_t	 at;		/* of the oldest, in it */
	uint32_t	 n;		/* events */
	bool		 is_due;
	bool		 finished;	/* the newest is the last */
	uint8_t		 epoch_n;
	uint16_t	 nsp_n, name_n;
	uint64_t	 top;		/* place of the newest, ever */
	uint64_t	 floor;		/* all up to there goes */
	uint64_t	 bytes;		/* of its events, with their cost */
	char		 epoch[STORE_EPOCH_MAX];
	uint8_t		 text[];	/* nsp, name */
};

TAILQ_HEAD(memory_rooms, memory_room);

struct memory {
	unsigned	 magic;
#define MEMORY_MAGIC	0x3e3057e5
	struct store	 store;
	struct memory_params p;
	struct hash_key	 key;
	struct hashtab	 table;
	struct memory_rooms empty, full, stay; /* used least lately first */
	struct memory_rooms all, due, gone;
	struct memory_room *look;	/* judge this next; NULL: all are */
	uint64_t	 bytes;		/* of all rooms that are there */
	uint64_t	 gone_bytes;	/* ... that are to be freed */
	uint64_t	 events, nrooms, nkeys;
	uint64_t	 begun;		/* rooms, ever: no epoch comes again */
	char		 origin[STORE_EPOCH_MAX / 2];	/* of its epochs */
	struct buf	 meta, frame, page;	/* scratch */
};

/* --- memory_room.c --------------------------------------------------------*/

static inline struct slice
memory_nsp(const struct memory_room *r)
{
	return (slice_of(r->text, r->nsp_n));
}

static inline struct slice
memory_name(const struct memory_room *r)
{
	return (slice_of(r->text + r->nsp_n, r->name_n));
}

static inline struct slice
memory_epoch(const struct memory_room *r)
{
	return (slice_of(r->epoch, r->epoch_n));
}

/* Among which it stands: from the first two rooms go when there are too many. */
static inline struct memory_rooms *
memory_line(const struct memory_room *r)
{
	return (r->n == 0 ? &r->m->empty : r->bounds.stays ? &r->m->stay :
	    &r->m->full);
}

/* i is below n; 0 is the oldest. */
static inline struct memory_event *
memory_at(const struct memory_room *r, uint32_t i)
{
	return (r->v[(r->at + i) & (r->cap - 1)]);
}

/* Sets the gauges. */
void	memory_show(const struct memory *);
/* NULL: there is none. */
struct memory_room *memory_find(const struct memory *,
	    const struct store_key *);
/* Without events, and with an epoch of its own; NULL: no memory. */
struct memory_room *memory_begin(struct memory *, const struct store_key *,
	    const struct store_bounds *);
/* Nobody finds it any more; it is freed by and by. */
void	memory_end(struct memory_room *);
/* Free what is gone: so many events, and rooms.  How many are left of that. */
unsigned memory_sweep(struct memory *, unsigned budget);
/* It was used just now. */
void	memory_touch(struct memory_room *);

/* As the newest, whose place is top + 1 then; of that time, which is not before
 * that of the one before; in a room that is not finished, unless it tells of a
 * change.  false: no memory. */
bool	memory_push(struct memory_room *, struct slice frame, uint64_t at_ms)
	    MUST_USE;
/* Instead of what is at this place, if that is there.  false: no memory. */
bool	memory_replace(struct memory_room *, uint64_t place, struct slice frame)
	    MUST_USE;
uint64_t memory_now(const struct memory *);
/* As the room may have them here. */
void	memory_narrow(const struct memory *, const struct store_key *,
	    struct store_bounds *);
/* Other bounds than it had. */
void	memory_bound(struct memory_room *, const struct store_bounds *);
/*
 * Drop what is beyond the room's bounds, when so much more is to come: not more
 * than budget, of which that is taken.  What is left to drop is due.  A finished
 * room in which nothing is left ends.
 */
void	memory_trim(struct memory_room *, uint64_t events, uint64_t bytes,
	    unsigned *budget);
/* So many of its events, the oldest, are beyond its bounds. */
uint32_t memory_beyond(const struct memory_room *);

/* --- memory_trim.c --------------------------------------------------------*/

void	memory_trim_to(void *engine, const struct store_trim *);
/* So many, the oldest, are trimmed and still there. */
uint32_t memory_trimmed(const struct memory_room *);

/* --- memory_save.c, memory_load.c -----------------------------------------*/

/* Sections (base/state.h); rooms used last come first:
 *
 *	SAVE_HEAD
 *	SAVE_ROOM	namespace, name, epoch, u64 place of its oldest event
 *	  SAVE_EVENT	u64 monotonic ms, frame
 *	  ...
 *	SAVE_TOP	u64 place of its newest, or of the last it had
 *	SAVE_KEYS	of one with keys: u64 their horizon, u64 how many
 *	  SAVE_KEY	as SAVE_EVENT
 *	  ...
 *	...
 *	SAVE_END
 */
#define SAVE_VERSION	1
enum save_tag { SAVE_HEAD = 0x5701, SAVE_ROOM, SAVE_EVENT, SAVE_TOP, SAVE_END,
	SAVE_KEYS, SAVE_KEY };

int	memory_save(void *engine, struct slice begin, bool *bad);
bool	memory_load(void *engine, struct slice saved);

#endif
