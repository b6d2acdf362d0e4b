/*
 * Routing by slot; see exchange.h.
 */
#include "relay/local/exchange.h"

#include <string.h>

#include "proto/bus.h"
#include "relay/local/peer.h"
#include "shm/counters.h"

void
exchange_init(struct exchange *x)
{
	memset(x, 0, sizeof *x);
	x->magic = EXCHANGE_MAGIC;
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

void
exchange_remove(struct exchange *x, struct peer *p)
{
	unsigned i, n;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	MUST(x->peers[p->slot] == p && x->npeers > 0);
	x->peers[p->slot] = NULL;
	x->npeers--;
	for (i = n = 0; i < x->ndirty; i++) {
		if (x->dirty[i] != p)
			x->dirty[n++] = x->dirty[i];
	}
	x->ndirty = n;
}

static void
exchange_give(struct exchange *x, unsigned slot, struct slice frame,
    uint16_t flags)
{
	struct peer *p;

	p = exchange_peer(x, slot);
	if (p == NULL) {
		counter_add(COUNTER_bus_unroutable, 1);
		return;
	}
	if (!peer_queue(p, frame, (flags & BUS_VOLATILE) != 0) || p->dirty)
		return;
	p->dirty = true;
	x->dirty[x->ndirty++] = p;
}

void
exchange_route(struct exchange *x, struct slice frame, const uint64_t slots[2],
    uint16_t flags)
{
	uint64_t left[2] = { slots[0], slots[1] };
	unsigned slot;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	while ((slot = slotset_take(left)) != 0)
		exchange_give(x, slot, frame, flags);
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
		exchange_route(x, slice_of(in.p + at, (size_t)n), slots, flags);
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
