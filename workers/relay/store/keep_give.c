/*
 * What the store says to workers, and what they publish, with its place; see
 * keep_int.h.
 */
#include "relay/store/keep_int.h"

#include "base/slotset.h"
#include "proto/bus.h"
#include "shm/counters.h"

/* Who has asked may be gone by now.  False: it has no room for it. */
bool
keep_answer(struct keep *k, const struct store_asker *to,
    struct bus_envelope *e)
{
	if (to->ref == 0 || exchange_peer(k->x, to->slot) == NULL)
		return (true);
	slotset_only(e->slots, to->slot);
	e->from = e->generation = 0;
	e->ref = to->ref;
	buf_reset(&k->frame);
	if (bus_encode(&k->frame, e))
		return (exchange_route(k->x, buf_unread(&k->frame), e->slots,
		    0));
	k->frame.oom = false;
	counter_add(COUNTER_memory_failures, 1);
	return (false);
}

void
keep_say(struct keep *k, const struct store_asker *to, enum bus_store result,
    struct slice epoch, uint64_t kept, const uint64_t slots[2])
{
	static struct bus_envelope e;	/* large; one at a time */
	struct bus_kept *a = bus_kept(&e, result);

	a->epoch = epoch;
	a->kept = kept;
	slotset_copy(a->slots, slots);
	(void)keep_answer(k, to, &e);	/* it does not wait for ever */
}

void
keep_refuse(struct keep *k, const struct store_asker *to,
    enum bus_store result)
{
	static const uint64_t nobody[2];

	keep_say(k, to, result, slice_of(NULL, 0), 0, nobody);
}

void
keep_who(struct keep *k, struct slice nsp, struct slice room,
    uint64_t slots[2])
{
	const struct conf_namespace *ns = conf_namespace_find(k->conf, nsp);
	char key[INTEREST_KEY_MAX];

	slotset_clear(slots);
	if (ns != NULL && room.n <= INTEREST_NAME_MAX)
		interest_who(k->interest, ns->index,
	    interest_key(key, INTEREST_ROOM, room), slots);
}

void
keep_give(struct keep *k, const struct store_asker *from, struct buf *b,
    const uint64_t slots[2])
{
	static struct bus_envelope e;	/* large; one at a time */
	struct bus_publish *p = bus_publish(&e);
	uint16_t flags;
	uint64_t none[2];

	if (bus_frame(buf_unread(b), none, &flags) <= 0)
		flags = 0;
	e.flags = BUS_NUMBERED | (flags & (BUS_NAMED | BUS_FINISH | BUS_EDIT)) |
	    (from->flags & (BUS_NAMED | BUS_FINISH | BUS_EDIT |
	    BUS_WANT_COUNT | BUS_WANT_ANSWERS));
	slotset_copy(e.slots, slots);
	e.from = from->slot;
	e.generation = from->generation;
	e.ref = from->ref;
	p->timeout_ms = from->timeout_ms;
	p->sent_us = from->sent_us;
	if (bus_frame_address(b, 0, &e))
		(void)exchange_route(k->x, buf_unread(b), slots, e.flags);
	else {
		b->oom = false;
		counter_add(COUNTER_memory_failures, 1);
	}
}

/* Where there are other hosts, these have it from Redis; servers of Socket.IO
 * are told. */
static bool
keep_goes_far(const struct keep *k, const struct store_asker *from)
{
	return (k->remote != NULL && (from->flags & BUS_FAR) != 0 &&
	    k->x->far != NULL);
}

void
keep_route_here(struct keep *k, const struct store_asker *from,
    struct buf *b, const uint64_t slots[2])
{
	if (keep_goes_far(k, from) || !slotset_empty(slots))
		keep_give(k, from, b, slots);
}

void
keep_route_far(struct keep *k, const struct store_asker *from, struct buf *b)
{
	if (keep_goes_far(k, from))
		k->x->far(k->x->arg, buf_unread(b));
}

void
keep_route(struct keep *k, const struct store_asker *from, struct buf *b,
    const uint64_t slots[2])
{
	keep_route_here(k, from, b, slots);
	keep_route_far(k, from, b);
}
