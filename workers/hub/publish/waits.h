/*
 * What waits for other workers: under which name it asked (ref), whose answer
 * is still to come, and until when.  One table for each kind of question:
 * delivery counts (pending.h), questions of back ends (ask.h), sessions that
 * another worker may have (recover.h).  Bounded; who finds it full does without
 * an answer: says what is known, refuses (asks_refused), begins a new session
 * (recovery_failed).
 *
 *	by ref	ref % size is a place of its own: answers name it
 *	by time	a heap: what is over first is on top
 *
 * Memory only.  The table does not own what waits, which embeds a wait.
 */
#ifndef HUB_PUBLISH_WAITS_H
#define HUB_PUBLISH_WAITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slotset.h"

struct wait {
	uint32_t	 ref;		/* 0: in no table */
	uint32_t	 at;		/* its place in the heap */
	uint64_t	 until_us;
	uint64_t	 slots[2];	/* have not answered */
	uint64_t	 named[2];	/* were asked by one frame, and it is not
					 * known who got it; or empty */
	uint64_t	 reseated[2];	/* another one was there before, which is
					 * still to be told as gone */
	bool		 notes;		/* it says of all slots which are */
	bool		 missed;	/* one that got it had gone by then */
	uint64_t	 lost[2];	/* notes: have gone since */
};

struct waits {
	struct wait	**by_ref;
	struct wait	**heap;
	uint32_t	 size;		/* of both, a power of two; 0 at first */
	uint32_t	 n;		/* at most half of it */
	uint32_t	 max;
	uint32_t	 last;		/* ref: unlike those before it */
};

/* generation: the worker's; an answer to who was in its slot before is not taken
 * for one to it. */
void	waits_init(struct waits *, uint32_t max, uint32_t generation);
/* Nothing may be in it. */
void	waits_fini(struct waits *);

/* A name for the next one to be added; 0: full, or no memory. */
uint32_t waits_ref(struct waits *);
/* No name to come is this one, or one a little before it. */
void	waits_pass(struct waits *, uint32_t ref);
/* It waits from now on, by that name. */
void	waits_add(struct waits *, struct wait *, uint32_t ref,
	    uint64_t until_us);
/* It waits until then instead. */
void	waits_until(struct waits *, struct wait *, uint64_t until_us);
/* NULL: it has gone, or was never here. */
struct wait *waits_find(const struct waits *, uint32_t ref);
/* These were asked, by one frame; reseated: gone_asked(). */
void	waits_for(struct wait *, const uint64_t slots[2],
	    const uint64_t reseated[2]);
/* These have a part of it, too. */
void	waits_join(struct wait *, const uint64_t slots[2],
	    const uint64_t reseated[2]);
/*
 * The same for an answer of this worker, which must be awaited.  had: who got
 * the frame, if the answer says so, or empty: it is their answer that is waited
 * for (BUS_SHADOW in proto/bus.h); reseated: of those.
 */
struct wait *waits_heard(const struct waits *, uint32_t ref, unsigned slot,
	    const uint64_t had[2], const uint64_t reseated[2]);
void	waits_remove(struct waits *, struct wait *);
/* Those who were in these slots have gone.  One that waits for them, and waits
 * no more; to be called until it is NULL: there is none any more. */
struct wait *waits_gone(struct waits *, const uint64_t slots[2]);

/* The one that is over first; NULL: none. */
static inline struct wait *
waits_first(const struct waits *w)
{
	return (w->n == 0 ? NULL : w->heap[0]);
}

/* One whose time is over; NULL: none. */
static inline struct wait *
waits_over(const struct waits *w, uint64_t now_us)
{
	struct wait *first = waits_first(w);

	return (first == NULL || first->until_us > now_us ? NULL : first);
}

#endif
