/*
 * What workers have for other hosts goes by the link that serves, by two while
 * another one goes, or waits; see links.h.  Called by the exchange, and by
 * links.c when the wait is over.
 */
#include "relay/links_int.h"

#include "base/slotset.h"
#include "base/state.h"
#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/far.h"
#include "relay/local/exchange.h"
#include "shm/counters.h"

/* It asks other hosts, or orders them and counts: see inquiries_is_one(). */
static bool
links_asks(struct slice frame, uint16_t flags)
{
	enum bus_kind kind = bus_frame_kind(frame);

	return (kind == BUS_MEMBERS || (kind == BUS_PUBLISH ?
	    (flags & BUS_WANT_ANSWERS) != 0 :
	    (flags & BUS_WANT_COUNT) != 0));
}

/* Without a link there is nobody else to be ordered: a worker that does not
 * know that yet is not to wait. */
static void
links_answer(struct links *l, struct slice frame)
{
	static struct bus_envelope e;	/* large; one at a time */
	unsigned asker = bus_frame_from(frame);
	uint64_t slots[2];
	uint16_t flags;

	if (bus_frame(frame, slots, &flags) <= 0 ||
	    !links_asks(frame, flags))
		return;
	(void)bus_answers(&e);
	slotset_only(slots, asker);
	slotset_copy(e.slots, slots);
	e.from = 0;
	e.generation = 0;
	e.ref = bus_frame_ref(frame);
	buf_reset(&l->frame);
	if (exchange_peer(l->exchange, asker) != NULL &&
	    bus_encode(&l->frame, &e))
		(void)exchange_route(l->exchange, buf_unread(&l->frame),
		    slots, 0);
	if (l->frame.oom)
		counter_add(COUNTER_memory_failures, 1);
	l->frame.oom = false;	/* it is told after its time */
}

static void
links_publish(struct links *l, struct slice frame)
{
	far_publish(l->now, frame, false);
	if (l->last == NULL || l->leaves)
		return;
	l->ledger.again = true;
	far_publish(l->last, frame, true);
	l->ledger.again = false;
}

void
links_release(struct links *l)
{
	struct state_in in = state_in(buf_unread(&l->held));

	l->holds = false;
	while (in.p != in.end && !in.bad)
		links_publish(l, state_get_slice(&in));
	buf_fini(&l->held);
	buf_init(&l->held);
}

static void
links_hold(struct links *l, struct slice frame)
{
	size_t at = l->held.wpos;
	bool kept;

	state_put_slice(&l->held, frame);
	kept = !l->held.oom;
	if (!kept)
		l->held.wpos = at;
	l->held.oom = false;
	if (!kept || l->held.wpos > l->conf->bus_queue_bytes)
		links_release(l);
	if (!kept)
		links_publish(l, frame);
}

void
links_frame(void *arg, struct slice frame)
{
	struct links *l = arg;

	if (l->now == NULL) {
		links_answer(l, frame);
		return;
	}
	if (l->holds)
		links_hold(l, frame);
	else
		links_publish(l, frame);
}

void
links_answers(void *arg, struct slice frame)
{
	struct links *l = arg;

	far_answer(l->now, frame);
	far_answer(l->last, frame);
}
