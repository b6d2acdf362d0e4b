/*
 * Finding a free node: I1 of a join, and what happens when there is none.
 *
 * A search goes on where the last one ended, so each node is looked at
 * sooner or later whoever fills the table, and however.  Where a whole run is
 * taken it looks at places all over the map as well: a fifth of the nodes is
 * spare, but it may be anywhere, for slots fill what stands before them.
 */
#include "shm/table_int.h"

#include "shm/counters.h"
#include "shm/segment.h"

#define CLAIM_RUN	32768u	/* bytes of map looked at in a row, */
#define CLAIM_PLACES	512u	/* ... and lines of it elsewhere; then "full" */
#define CLAIM_LINE	64u
#define GOLDEN		2654435769u	/* 2^32 / 1.618: spreads evenly */
#define FULL_PAUSE_US	10000u	/* no search for so long afterwards */
#define RING_PAUSE_US	100000u	/* the master sweeps as often by itself */

/*
 * The bits of the slot in reverse: as slots are given from 1 on, the starting
 * points of those in use are about equally far from each other.
 */
uint32_t
table_claim_start(uint32_t cap, unsigned slot)
{
	unsigned bit, place = 0;

	static_assert(SHM_SLOTS_MAX <= 256, "eight bits");
	for (bit = 0; bit < 8; bit++)
		place |= (slot >> bit & 1) << (7 - bit);
	return ((uint32_t)((uint64_t)cap * place / 256));
}

/* The master sweeps; one ring says so for all slots. */
static void
claim_ring_master(struct table *t, uint64_t now_us)
{
	uint64_t rung;

	if (atomic_exchange_explicit(&t->hdr->need_sweep, 1,
	    memory_order_seq_cst) != 0)
		return;
	rung = atomic_load_explicit(&t->hdr->rung_us, memory_order_relaxed);
	/* of those who fail at once, one rings; dying here it does not: then
	 * the master comes by itself */
	if (now_us - rung >= RING_PAUSE_US &&
	    atomic_compare_exchange_strong_explicit(&t->hdr->rung_us, &rung,
	    now_us, memory_order_relaxed, memory_order_relaxed))
		segment_ring(t->seg->master_fd);
}

/* No node was free: for a while do not even look. */
static uint32_t
claim_failed(struct table *t)
{
	static const enum counter full[] = { COUNTER_presence_full,
		COUNTER_interest_full, COUNTER_count_full };
	uint64_t now_us = mono_now().us;

	t->full_until_us = now_us + FULL_PAUSE_US;
	counter_add(full[t->id], 1);
	claim_ring_master(t, now_us);
	return (0);
}

/* The first free node from *at on, a multiple of 8, within so many. */
static uint32_t
claim_run(struct table *t, uint32_t *at, uint32_t bytes)
{
	uint64_t zero;
	uint32_t n;
	uint8_t was;

	for (; bytes > 0; bytes -= 8) {
		if (*at >= t->cap)
			*at = 0;
		for (zero = zero_bytes(wide_u8(&t->map[*at])); zero != 0;
		    zero &= zero - 1) {
			n = *at + (uint32_t)__builtin_ctzll(zero) / 8;
			was = MAP_FREE;
			HOOK();
			if (atomic_compare_exchange_strong_explicit(
			    &t->map[n], &was, (uint8_t)(t->slot + 1),
			    memory_order_acquire, memory_order_relaxed))
				return (n);
		}
		*at += 8;
	}
	return (0);
}

/* Here and there, as far from each other as can be, and from other slots'. */
static uint32_t
claim_anywhere(struct table *t, uint32_t from)
{
	uint32_t i, n, at;

	for (i = 1; i <= CLAIM_PLACES; i++) {
		at = (uint32_t)(((uint64_t)(i * GOLDEN) * t->cap) >> 32);
		at = (uint32_t)(((uint64_t)at + from) % t->cap) &
		    ~(CLAIM_LINE - 1);
		n = claim_run(t, &at, CLAIM_LINE);
		if (n != 0)
			return (n);
	}
	return (0);
}

uint32_t
table_claim(struct table *t)
{
	uint32_t at = t->cursor & ~7u, run, n;

	if (t->full_until_us != 0) {
		if (mono_now().us < t->full_until_us)
			return (0);
		t->full_until_us = 0;
	}
	run = t->cap < CLAIM_RUN ? (t->cap + 15) & ~7u : CLAIM_RUN;
	n = claim_run(t, &at, run);
	if (n == 0) {
		t->cursor = at;
		if (t->cap > run)
			n = claim_anywhere(t, at);
	}
	if (n == 0)
		return (claim_failed(t));
	t->cursor = n;
	return (n);
}
