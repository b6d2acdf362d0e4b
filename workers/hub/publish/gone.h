/*
 * Workers that have gone: what they were asked they will not answer, and who
 * asked need not wait for his time limit.  One that leaves reads what is in its
 * stream before it goes, but what is put in there at that very moment it does
 * not; one that is killed reads nothing.  Found by looking at the slots, every
 * now and then.  Called by pending.c; memory only.
 */
#ifndef HUB_PUBLISH_GONE_H
#define HUB_PUBLISH_GONE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"
#include "base/slotset.h"
#include "shm/segment.h"

/* Answers that it has given may be on their way, and those of its heirs, which
 * stand still when they take something over. */
#define GONE_MS		300u
#define GONE_SLOTS	(SLOTSET_MAX + 1)

struct gone {
	uint32_t	 generation[GONE_SLOTS];	/* 0: nobody */
	uint64_t	 slots[SLOTSET_WORDS];		/* have gone */
	uint64_t	 at_us;				/* by then */
};

/* These are asked now.  reseated: those of them with another worker than the one
 * that a later look will tell of. */
void	gone_asked(struct gone *, const struct segment *,
	    const uint64_t slots[SLOTSET_WORDS],
	    uint64_t reseated[SLOTSET_WORDS]);
/* true: the workers that were in these slots do not answer any more. */
bool	gone_look(struct gone *, const struct segment *, uint64_t now_us,
	    uint64_t slots[SLOTSET_WORDS]) MUST_USE;

#endif
