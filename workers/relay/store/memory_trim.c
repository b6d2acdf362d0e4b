/*
 * What is not needed any more of a room: a later event says the same.  See
 * memory.h.  Called by what is asked, and where events are dropped.
 */
#include "relay/store/memory_int.h"

#include "shm/counters.h"

#define TRIM_STEP	1024u	/* events dropped at once; the rest by and by */

uint32_t
memory_trimmed(const struct memory_room *r)
{
	uint64_t first = r->top - r->n + 1;

	if (likely(r->floor < first))
		return (0);
	return ((uint32_t)(r->floor - first + 1));
}

void
memory_trim_to(void *engine, const struct store_trim *t)
{
	struct memory *m = engine;
	struct memory_room *r = memory_find(m, &t->key);
	unsigned budget = TRIM_STEP;

	CHECK_MAGIC(m, MEMORY_MAGIC);
	if (r == NULL || !slice_eq(memory_epoch(r), t->epoch) ||
	    t->place >= r->top || t->place <= r->floor)
		return;
	counter_add(COUNTER_store_trims, 1);
	r->floor = t->place;
	memory_trim(r, 0, 0, &budget);
}
