/*
 * Things that shall be done once on a host, whichever worker is asked: names
 * that a back end gives its publications, remembered for five minutes by all
 * workers.  A set-associative table of 64-bit words, tag and time in one, so
 * a name is claimed by one compare-and-swap and a death leaves nothing to
 * reclaim.  Allocation-free.
 */
#ifndef SHM_ONCE_H
#define SHM_ONCE_H

#include "base/slice.h"
#include "shm/segment.h"

#define ONCE_SECONDS	300	/* remembered for at least so long */
#define ONCE_ID_MAX	64	/* bytes of a publication's id */

enum once {
	ONCE_FIRST,	/* nobody else has had it, and nobody will */
	ONCE_AGAIN	/* somebody had it within ONCE_SECONDS */
};

/*
 * Claim name.  When more names come than the table holds, the oldest are
 * forgotten early (COUNTER_api_ids_forgotten).  Different names are taken for
 * the same once in 2^37 claims.
 */
enum once once_claim(struct segment *, struct slice name, struct mono now)
	    MUST_USE;

/* The same for a publication's id in a namespace. */
enum once once_claim_id(struct segment *, uint32_t ns, struct slice id,
	    struct mono now) MUST_USE;
/* It came to nothing: who brings it again is the first. */
void	once_forget_id(struct segment *, uint32_t ns, struct slice id);

#endif
