/*
 * Workers that have gone; see gone.h.
 */
#include "hub/publish/gone.h"

#include "shm/slots.h"

static uint32_t
gone_who(const struct segment *seg, unsigned slot)
{
	return (slot >= segment_nslots(seg) ||
	    slot_state(seg, slot) != SLOT_LIVE ? 0 :
	    slot_generation(seg, slot));
}

static bool
gone_look_at(struct gone *g, const struct segment *seg, unsigned slot)
{
	uint32_t now = gone_who(seg, slot);
	bool gone = g->generation[slot] != 0 && g->generation[slot] != now;

	g->generation[slot] = now;
	return (gone);
}

/* One that goes before anybody has looked goes as well. */
void
gone_asked(struct gone *g, const struct segment *seg,
    const uint64_t slots[SLOTSET_WORDS], uint64_t reseated[SLOTSET_WORDS])
{
	uint64_t left[SLOTSET_WORDS];
	unsigned slot;
	uint32_t now;

	slotset_clear(reseated);
	slotset_copy(left, slots);
	while ((slot = slotset_take(left)) != 0) {
		now = gone_who(seg, slot);
		if (g->generation[slot] == 0)
			g->generation[slot] = now;
		if (now != 0 && (slotset_has(g->slots, slot) ||
		    g->generation[slot] != now))
			slotset_add(reseated, slot);
	}
}

/* Those that go meanwhile are seen when the others are done with. */
bool
gone_look(struct gone *g, const struct segment *seg, uint64_t now_us,
    uint64_t slots[SLOTSET_WORDS])
{
	unsigned slot, n = segment_nslots(seg);

	if (!slotset_empty(g->slots)) {
		if (now_us < g->at_us + GONE_MS * UINT64_C(1000))
			return (false);
		slotset_copy(slots, g->slots);
		slotset_clear(g->slots);
		return (true);
	}
	for (slot = 1; slot < n && slot < GONE_SLOTS; slot++)
		if (gone_look_at(g, seg, slot))
			slotset_add(g->slots, slot);
	g->at_us = now_us;
	return (false);
}
