/*
 * Two workers, of which one gives its connections to the other: the socket
 * between them is made by the master, one end each.  Called by children.h.
 */
#ifndef MASTER_PAIRS_H
#define MASTER_PAIRS_H

#include "base/bug.h"
#include "master/seat.h"

struct segment;

struct pair_terms {
	uint32_t	 share;		/* of CONTROL_SHARE_ALL */
	uint32_t	 flags;		/* HEIR_ */
	uint64_t	 ms;		/* HEIR_LEAVE */
};

/* Both are READY.  false: not now; then nobody was told, or who was sees the
 * other gone. */
bool	pairs_make(struct segment *, struct seat *giver, struct seat *heir,
	    const struct pair_terms *) MUST_USE;
/* The heir that it was paired with last is still there. */
bool	pairs_last(const struct seat *giver) MUST_USE;
/* That one says: the share is given. */
void	pairs_given(struct seat *giver, unsigned heir);

#endif
