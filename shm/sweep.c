/*
 * Reclaim and the round; see sweep.h.  Only the order of the parts is here;
 * each part repairs itself.
 */
#include "shm/sweep.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/bucket.h"
#include "shm/count.h"
#include "shm/counters.h"
#include "shm/table_master.h"
#include "shm/table_revoked.h"

#define RELAY_GONE_US	30000000u	/* then its mirrors are dropped */

struct sweep {
	unsigned	 magic;
#define SWEEP_MAGIC	0x53eeb53e
	struct segment	*seg;
	/* made when needed; NULL: not yet, or no memory */
	struct table_master *tables[SHM_TABLES];
	uint64_t	 relay_dead_us;	/* since when; 0 = it lives */
	uint32_t	 rate_cursor;	/* last set that was aged */
	struct revoked_pass revoked;
};

struct sweep *
sweep_new(struct segment *seg)
{
	struct sweep *w;

	segment_check(seg);
	w = calloc(1, sizeof *w);
	if (w == NULL)
		return (NULL);
	w->magic = SWEEP_MAGIC;
	w->seg = seg;
	return (w);
}

void
sweep_free(struct sweep **wp)
{
	struct sweep *w = *wp;
	unsigned id;

	*wp = NULL;
	if (w == NULL)
		return;
	CHECK_MAGIC(w, SWEEP_MAGIC);
	for (id = 0; id < SHM_TABLES; id++)
		table_master_close(&w->tables[id]);
	w->magic = 0;
	free(w);
}

static struct table_master *
sweep_table(struct sweep *w, unsigned id)
{
	if (w->tables[id] == NULL)
		w->tables[id] = table_master_open(w->seg, (enum table_id)id);
	return (w->tables[id]);
}

/* Handles of all tables; false: no memory. */
static bool
sweep_all_tables(struct sweep *w)
{
	unsigned id;

	for (id = 0; id < SHM_TABLES; id++)
		if (sweep_table(w, id) == NULL)
			return (false);
	return (true);
}

/* Gives the pages of a column back; they read as 0, as they must by now. */
static void
sweep_column(struct segment *seg, unsigned id, unsigned slot)
{
	const struct shm_table *l = segment_table(seg, id);

	(void)madvise(seg->base + l->col + slot * l->col_stride,
	    l->col_stride, MADV_REMOVE);
}

/*
 * C1 to C4.  A master without memory for its handles leaves the slot in
 * RECLAIM: the next round tries again.  Until nothing of the dead is left,
 * what was unlinked in its time is not used again: its qs stands.
 */
void
sweep_reclaim(struct sweep *w, unsigned slot)
{
	struct slot_row *row = segment_slot(w->seg, slot);
	unsigned id;

	CHECK_MAGIC(w, SWEEP_MAGIC);
	segment_check(w->seg);
	MUST(slot_state(w->seg, slot) == SLOT_DEAD ||
	    slot_state(w->seg, slot) == SLOT_RECLAIM);
	atomic_store_explicit(&row->state, SLOT_RECLAIM,
	    memory_order_release);
	if (!sweep_all_tables(w))
		return;
	for (id = 0; id < SHM_TABLES; id++) {
		table_master_reclaim(w->tables[id], slot);
		if (slot != 0)
			sweep_column(w->seg, id, slot);
	}
	count_reclaim(w->seg, slot);
	revoked_reclaim(w->seg, slot);
	atomic_store_explicit(&row->qs, 0, memory_order_seq_cst);
	atomic_store_explicit(&row->state, SLOT_FREE, memory_order_release);
}

static void
sweep_relay(struct sweep *w, struct mono now)
{
	unsigned id;

	if (slot_state(w->seg, 0) != SLOT_FREE) {
		w->relay_dead_us = 0;
		return;
	}
	if (w->relay_dead_us == 0)
		w->relay_dead_us = now.us;
	if (now.us - w->relay_dead_us < RELAY_GONE_US)
		return;
	for (id = 0; id < 2; id++)
		if (sweep_table(w, id) != NULL)
			table_master_reclaim_mirrors(w->tables[id]);
	w->relay_dead_us = now.us;
}

static void
sweep_slots(struct sweep *w)
{
	unsigned s;

	for (s = 0; s < w->seg->hdr->nslots; s++)
		if (slot_state(w->seg, s) == SLOT_RECLAIM)
			sweep_reclaim(w, s);
}

static uint64_t
sweep_limbo(const struct sweep *w)
{
	uint64_t n = 0;
	unsigned id;

	for (id = 0; id < SHM_TABLES; id++)
		if (w->tables[id] != NULL)
			n += table_master_limbo(w->tables[id]);
	return (n);
}

void
sweep_round(struct sweep *w, struct mono now)
{
	struct segment *seg = w->seg;
	bool relay_lives, again;
	uint64_t rung;
	unsigned id;
	ssize_t n;

	CHECK_MAGIC(w, SWEEP_MAGIC);
	segment_check(seg);
	n = read(seg->master_fd, &rung, sizeof rung);
	(void)n;
	sweep_slots(w);
	relay_lives = slot_state(seg, 0) == SLOT_LIVE;
	again = atomic_load(&seg->hdr->need_sweep) != 0;
	for (id = 0; id < SHM_TABLES; id++)
		if (sweep_table(w, id) != NULL)
			table_master_sweep(w->tables[id], now, relay_lives);
	if (again)
		atomic_store_explicit(&seg->hdr->need_sweep, 0,
		    memory_order_seq_cst);
	sweep_relay(w, now);
	revoked_sweep(seg, &w->revoked, again ? 2 * revoked_room(seg) :
	    revoked_room(seg) / 8 + 1, wall_now().ms / 1000);
	bucket_age(seg, &w->rate_cursor, now, seg->hdr->rate_nsets / 640 + 1);
	counter_set(COUNTER_shm_limbo, sweep_limbo(w));
}
