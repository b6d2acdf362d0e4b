/*
 * The master's round: reclaim after a death, and a sweep every 100 ms.  Only
 * the order of the parts is here; each part repairs itself.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "shm/bucket.h"
#include "shm/count.h"
#include "shm/counters.h"
#include "shm/table.h"

#define RELAY_GONE_US	30000000u	/* then its mirrors are dropped */

static struct table *
sweeper(struct segment *seg, enum table_id id)
{
	if (seg->sweeper[id] == NULL)
		seg->sweeper[id] = table_open(seg, id, SLOT_NONE);
	return (seg->sweeper[id]);
}

/* Gives the pages of a column back; they read as 0, as they must by now. */
static void
drop_column(struct segment *seg, enum table_id id, unsigned slot)
{
	const struct shm_table *l = segment_table(seg, id);

	(void)madvise(seg->base + l->col + slot * l->col_stride,
	    l->col_stride, MADV_REMOVE);
}

/* Handles of all tables; false: no memory. */
static bool
sweepers(struct segment *seg)
{
	unsigned id;

	for (id = 0; id < SHM_TABLES; id++)
		if (sweeper(seg, (enum table_id)id) == NULL)
			return (false);
	return (true);
}

/*
 * C1 to C4.  A master without memory for its handles leaves the slot in
 * RECLAIM: the sweep tries again.  Until nothing of the dead is left, what
 * was unlinked in its time is not used again: its qs stands.
 */
void
segment_reclaim(struct segment *seg, unsigned slot)
{
	struct slot_row *row = segment_slot(seg, slot);
	unsigned id;

	segment_check(seg);
	MUST(slot_state(seg, slot) == SLOT_DEAD ||
	    slot_state(seg, slot) == SLOT_RECLAIM);
	atomic_store_explicit(&row->state, SLOT_RECLAIM,
	    memory_order_release);
	if (!sweepers(seg))
		return;
	for (id = 0; id < SHM_TABLES; id++) {
		table_reclaim(seg->sweeper[id], slot);
		if (slot != 0)
			drop_column(seg, (enum table_id)id, slot);
	}
	count_reclaim(seg, slot);
	atomic_store_explicit(&row->qs, 0, memory_order_seq_cst);
	atomic_store_explicit(&row->state, SLOT_FREE, memory_order_release);
}

static void
sweep_relay(struct segment *seg, struct mono now)
{
	unsigned id;

	if (slot_state(seg, 0) != SLOT_FREE) {
		seg->relay_dead_us = 0;
		return;
	}
	if (seg->relay_dead_us == 0)
		seg->relay_dead_us = now.us;
	if (now.us - seg->relay_dead_us < RELAY_GONE_US)
		return;
	for (id = 0; id < 2; id++)
		if (sweeper(seg, (enum table_id)id) != NULL)
			table_reclaim_mirrors(seg->sweeper[id]);
	seg->relay_dead_us = now.us;
}

static void
sweep_slots(struct segment *seg)
{
	unsigned s;

	for (s = 0; s < seg->hdr->nslots; s++)
		if (slot_state(seg, s) == SLOT_RECLAIM)
			segment_reclaim(seg, s);
}

static uint64_t
in_limbo(const struct segment *seg)
{
	uint64_t n = 0;
	unsigned id;

	for (id = 0; id < SHM_TABLES; id++)
		if (seg->sweeper[id] != NULL)
			n += table_limbo(seg->sweeper[id]);
	return (n);
}

void
segment_sweep(struct segment *seg, struct mono now)
{
	bool relay_lives, again;
	uint64_t rung;
	unsigned id;
	ssize_t n;

	segment_check(seg);
	n = read(seg->master_fd, &rung, sizeof rung);
	(void)n;
	sweep_slots(seg);
	relay_lives = slot_state(seg, 0) == SLOT_LIVE;
	again = atomic_load(&seg->hdr->need_sweep) != 0;
	for (id = 0; id < SHM_TABLES; id++)
		if (sweeper(seg, (enum table_id)id) != NULL)
			table_sweep(seg->sweeper[id], now, relay_lives);
	if (again)
		atomic_store_explicit(&seg->hdr->need_sweep, 0,
		    memory_order_seq_cst);
	sweep_relay(seg, now);
	bucket_age(seg, now, seg->hdr->rate_nsets / 640 + 1);
	counter_set(COUNTER_shm_limbo, in_limbo(seg));
}
