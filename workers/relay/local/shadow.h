/*
 * Who has taken live sessions over from whom.  A publisher looks for workers
 * in the interest directory and then sends: what it has addressed to the giver
 * alone may come here when the sessions are with the heir already.  So for a
 * while, from the first cut on (cut.h), an heir gets what names its giver.  To
 * a worker without such members that is nothing.  Called by exchange.c; memory
 * only.
 */
#ifndef LOCAL_SHADOW_H
#define LOCAL_SHADOW_H

#include "proto/bus.h"
#include "role.h"

/* Longer than a publication is on its way: a worker that hangs for longer is
 * killed.  A giver that stays has no shadow for ever. */
#define SHADOW_MS	30000u

struct shadow {
	uint64_t	 givers[SLOTSET_WORDS];	/* those that have heirs */
	uint64_t	 heirs[ROLE_SLOTS_MAX][SLOTSET_WORDS];
	uint64_t	 until_ms[ROLE_SLOTS_MAX];	/* monotonic, by giver */
};

/* There was a cut. */
void	shadow_cast(struct shadow *, unsigned giver, unsigned heir,
	    uint64_t now_ms);
/* Another worker is in that slot: it is nobody's heir. */
void	shadow_reused(struct shadow *, unsigned slot);
/* Of that kind: does it concern the sessions that a worker has? */
bool	shadow_follows(enum bus_kind);
/* The heirs of these slots, and theirs, that are not among them; false: there
 * are none. */
bool	shadow_find(struct shadow *, const uint64_t slots[SLOTSET_WORDS],
	    uint64_t now_ms, uint64_t heirs[SLOTSET_WORDS]);

#endif
