/*
 * Two that say the same; see cut.h.
 */
#include "relay/local/cut.h"

#include "shm/counters.h"

static bool
cut_is_over(const struct cut_alone *a, uint64_t now_ms)
{
	return (now_ms - a->since_ms >= CUT_ALONE_MS);
}

void
cut_forget(struct cuts *c, unsigned slot)
{
	if (!c->alone[slot].waits)
		return;
	c->alone[slot].waits = false;
	counter_add(COUNTER_cut_timeouts, 1);
}

bool
cut_said(struct cuts *c, const struct bus_cut *cut, unsigned from,
    uint64_t now_ms)
{
	unsigned to = from == cut->giver ? cut->heir : cut->giver;
	struct cut_alone *other = &c->alone[to];

	cut_forget(c, from);	/* it has given up on another one */
	if (other->waits && !cut_is_over(other, now_ms) &&
	    other->cut.giver == cut->giver && other->cut.heir == cut->heir &&
	    other->cut.batch == cut->batch) {
		other->waits = false;
		return (true);
	}
	c->alone[from] = (struct cut_alone){ .waits = true, .cut = *cut,
		.since_ms = now_ms };
	return (false);
}

void
cut_tick(struct cuts *c, uint64_t now_ms)
{
	unsigned slot;

	for (slot = 1; slot < ROLE_SLOTS_MAX; slot++)
		if (c->alone[slot].waits && cut_is_over(&c->alone[slot],
		    now_ms))
			cut_forget(c, slot);
}
