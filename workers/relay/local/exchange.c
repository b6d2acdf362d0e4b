/*
 * Routing by slot; see exchange.h.
 */
#include "relay/local/exchange.h"

#include <stdlib.h>

#include "gaps/gaps.h"
#include "proto/bus.h"
#include "relay/local/peer.h"
#include "shm/counters.h"

void
exchange_init(struct exchange *x, const struct conf *conf)
{
	memset(x, 0, sizeof *x);
	x->magic = EXCHANGE_MAGIC;
	x->conf = conf;
	buf_init(&x->words);
	buf_init(&x->frame);
}

void
exchange_fini(struct exchange *x)
{
	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	MUST(x->npeers == 0);
	buf_fini(&x->words);
	buf_fini(&x->frame);
	x->magic = 0;
}

struct peer *
exchange_peer(const struct exchange *x, unsigned slot)
{
	return (slot < ROLE_SLOTS_MAX ? x->peers[slot] : NULL);
}

void
exchange_add(struct exchange *x, struct peer *p)
{
	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	MUST(p->slot > 0 && p->slot < ROLE_SLOTS_MAX);
	MUST(x->peers[p->slot] == NULL);
	x->peers[p->slot] = p;
	x->npeers++;
}

/* Who ends is told nothing; a worker that gets another stream tells its clients
 * itself. */
static void
exchange_forget_gaps(struct exchange *x, unsigned slot)
{
	slotset_drop(x->gapped, slot);
	if (x->gaps[slot] == NULL)
		return;
	gaps_fini(x->gaps[slot]);
	free(x->gaps[slot]);
	x->gaps[slot] = NULL;
}

void
exchange_remove(struct exchange *x, struct peer *p)
{
	unsigned i, n;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	MUST(x->peers[p->slot] == p && x->npeers > 0);
	x->peers[p->slot] = NULL;
	x->npeers--;
	exchange_forget_gaps(x, p->slot);
	for (i = n = 0; i < x->ndirty; i++) {
		if (x->dirty[i] != p)
			x->dirty[n++] = x->dirty[i];
	}
	x->ndirty = n;
}

/* --- gaps -----------------------------------------------------------------*/

/* The set of a worker, which is to be told; NULL: no memory, counted. */
static struct gaps *
exchange_gaps_of(struct exchange *x, unsigned slot)
{
	struct gaps *g = x->gaps[slot];

	if (g == NULL) {
		g = malloc(sizeof *g);
		if (g == NULL) {
			counter_add(COUNTER_memory_failures, 1);
			return (NULL);
		}
		gaps_init(g, x->conf);
		x->gaps[slot] = g;
	}
	slotset_add(x->gapped, slot);
	return (g);
}

/* A frame that had no room: the only one that is looked into. */
static void
exchange_lost(struct exchange *x, unsigned slot, struct slice frame)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct gaps *g;

	if (bus_decode(frame, &e) != (ssize_t)frame.n ||
	    !gaps_are_told_of(&e))
		return;
	g = exchange_gaps_of(x, slot);
	if (g != NULL)
		gaps_note_lost(g, &e, x->now_ms);
}

void
exchange_gap(struct exchange *x, struct slice nsp,
    const struct bus_audience *to, uint64_t from_ms)
{
	struct gaps *g;
	unsigned slot;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	for (slot = 1; slot < ROLE_SLOTS_MAX; slot++)
		if (x->peers[slot] != NULL &&
		    (g = exchange_gaps_of(x, slot)) != NULL)
			gaps_note(g, nsp, to, from_ms, x->now_ms);
}

void
exchange_gap_all(struct exchange *x, uint64_t from_ms)
{
	struct gaps *g;
	unsigned slot;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	for (slot = 1; slot < ROLE_SLOTS_MAX; slot++)
		if (x->peers[slot] != NULL &&
		    (g = exchange_gaps_of(x, slot)) != NULL)
			gaps_note_all(g, from_ms, x->now_ms);
}

/* --- routing --------------------------------------------------------------*/

static bool
exchange_give(struct exchange *x, unsigned slot, struct slice frame,
    uint16_t flags)
{
	struct peer *p;

	p = exchange_peer(x, slot);
	if (p == NULL) {
		counter_add(COUNTER_bus_unroutable, 1);
		return (false);
	}
	if (!peer_queue(p, frame, (flags & BUS_VOLATILE) != 0)) {
		if ((flags & BUS_VOLATILE) == 0)
			exchange_lost(x, slot, frame);
		return (false);
	}
	if (!p->dirty) {
		p->dirty = true;
		x->dirty[x->ndirty++] = p;
	}
	return (true);
}

bool
exchange_route(struct exchange *x, struct slice frame, const uint64_t slots[2],
    uint16_t flags)
{
	uint64_t left[2] = { slots[0], slots[1] };
	unsigned slot;
	bool all = true;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	while ((slot = slotset_take(left)) != 0)
		if (!exchange_give(x, slot, frame, flags))
			all = false;
	return (all);
}

/* One event, to this worker; false: no memory now. */
static bool
exchange_tell_gap(struct exchange *x, unsigned slot, const struct gap *g)
{
	static struct bus_envelope e;	/* large; one at a time */

	if (!gaps_publication(g, &x->words, &e))
		return (false);
	slotset_only(e.slots, slot);
	e.from = e.generation = 0;
	e.ref = 0;
	buf_reset(&x->frame);
	if (!bus_encode(&x->frame, &e)) {
		x->frame.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	if (!exchange_give(x, slot, buf_unread(&x->frame), 0))
		return (false);
	counter_add(COUNTER_gaps_told, 1);
	return (true);
}

void
exchange_tell_gaps(struct exchange *x)
{
	uint64_t left[2] = { x->gapped[0], x->gapped[1] };
	const struct gap *g;
	unsigned slot;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	while ((slot = slotset_take(left)) != 0) {
		while (!exchange_crowded(x, slot) &&
		    (g = gaps_first(x->gaps[slot])) != NULL &&
		    exchange_tell_gap(x, slot, g))
			gaps_drop_first(x->gaps[slot]);
		if (gaps_first(x->gaps[slot]) == NULL)
			slotset_drop(x->gapped, slot);
	}
}

ssize_t
exchange_feed(struct exchange *x, struct slice in)
{
	uint64_t slots[2];
	uint16_t flags;
	size_t at = 0;
	ssize_t n;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	while (at < in.n) {
		n = bus_frame(slice_from(in, at), slots, &flags);
		if (n == CODEC_MORE)
			break;
		if (n < 0)
			return (CODEC_BAD);
		counter_add(COUNTER_bus_envelopes_in, 1);
		(void)exchange_route(x, slice_of(in.p + at, (size_t)n), slots,
		    flags);
		if ((flags & BUS_FAR) && x->far != NULL)
			x->far(x->arg, slice_of(in.p + at, (size_t)n));
		if ((flags & BUS_RELAY) && x->answer != NULL)
			x->answer(x->arg, slice_of(in.p + at, (size_t)n));
		at += (size_t)n;
	}
	return ((ssize_t)at);
}

bool
exchange_crowded(const struct exchange *x, unsigned slot)
{
	const struct peer *p = exchange_peer(x, slot);

	return (p != NULL && buf_unread(&p->out).n > p->limit / 2);
}

void
exchange_mark(struct exchange *x)
{
	unsigned i;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	for (i = 1; i < ROLE_SLOTS_MAX; i++)
		if (x->peers[i] != NULL)
			x->peers[i]->mark = x->peers[i]->queued;
}

bool
exchange_mark_reached(const struct exchange *x)
{
	unsigned i;

	for (i = 1; i < ROLE_SLOTS_MAX; i++)
		if (x->peers[i] != NULL &&
		    x->peers[i]->sent < x->peers[i]->mark)
			return (false);
	return (true);
}

struct peer *
exchange_next_dirty(struct exchange *x)
{
	struct peer *p;

	if (x->ndirty == 0)
		return (NULL);
	p = x->dirty[--x->ndirty];
	p->dirty = false;
	return (p);
}
