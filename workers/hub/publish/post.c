/*
 * Envelopes to other workers; see post.h.
 */
#include "hub/publish/post.h"

#include "base/slotset.h"
#include "hub/hub_int.h"
#include "hub/publish/lost.h"
#include "proto/bus.h"
#include "shm/interest.h"

bool
post_send(struct hub *h, const uint64_t slots[2], uint32_t ref,
    struct bus_envelope *e)
{
	slotset_copy(e->slots, slots);
	e->from = h->slot;
	e->generation = h->generation;
	e->ref = ref;
	if (h->ports.bus_send(h->ports.host, e))
		return (true);
	lost_note(h, e);
	return (false);
}

bool
post_to(struct hub *h, unsigned slot, uint32_t ref, struct bus_envelope *e)
{
	uint64_t slots[2];

	if (slot == 0) {
		slotset_clear(slots);
		e->flags |= BUS_RELAY;
	} else
		slotset_only(slots, slot);
	return (post_send(h, slots, ref, e));
}

void
post_others(struct hub *h, uint64_t slots[2])
{
	interest_peek(h->interest, 0, slots);	/* every worker there is */
	slotset_drop(slots, h->slot);
}

size_t
post_list(struct slice *to, const struct slice *from, size_t n)
{
	MUST(n <= BUS_LIST_MAX);
	if (n != 0)
		memcpy(to, from, n * sizeof *to);
	return (n);
}

void
post_audience(struct bus_audience *to, const struct audience *a)
{
	to->nrooms = post_list(to->rooms, a->rooms, a->nrooms);
	to->nusers = post_list(to->users, a->users, a->nusers);
	to->nsids = post_list(to->sids, a->sids, a->nsids);
	to->nexcept = post_list(to->except, a->except, a->nexcept);
}

struct audience
post_whom(const struct bus_audience *to)
{
	return ((struct audience){ to->rooms, to->users, to->sids,
	    to->except, to->nrooms, to->nusers, to->nsids, to->nexcept });
}
