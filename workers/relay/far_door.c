/*
 * What back ends publish through Redis goes to one worker, which publishes it:
 * always the same as long as it is there, so that what comes in order stays in
 * order; see far.h.  When that worker is to leave, another one is next: what
 * comes meanwhile waits here until the first has said that all it was given is
 * published.
 */
#include "relay/far_int.h"

#include "base/slotset.h"
#include "base/state.h"
#include "proto/bus.h"
#include "relay/bridge/questions.h"
#include "relay/local/exchange.h"
#include "shm/counters.h"
#include "shm/slots.h"

#define DOOR_MS		1000u	/* it hangs; then order counts less */

/* The first that is there to stay; else the first that is there; 0: none. */
static unsigned
door_choose(const struct far *f)
{
	unsigned first = 0, slot;

	for (slot = 1; slot < ROLE_SLOTS_MAX; slot++) {
		if (exchange_peer(f->exchange, slot) == NULL)
			continue;
		if (!slot_leaves(f->h->segment, slot))
			return (slot);
		if (first == 0)
			first = slot;
	}
	return (first);
}

static bool
door_give(struct far *f, struct bus_envelope *e)
{
	uint64_t slots[2];

	if (f->door == 0)
		return (false);
	slotset_only(slots, f->door);
	e->ref = 0;
	return (far_inject(f, slots, e));
}

/* What has waited. */
static void
door_open(struct far *f)
{
	struct state_in in = state_in(buf_unread(&f->waits));
	struct bus_envelope e;
	bool all = true;

	while (in.p != in.end && !in.bad) {
		bus_publish_body(&e, state_get_slice(&in));
		all &= door_give(f, &e);
	}
	buf_fini(&f->waits);
	buf_init(&f->waits);
	if (!all) {		/* whose they were nobody knows */
		counter_add(COUNTER_redis_refused_other, 1);
		exchange_gap_all(f->exchange, f->exchange->now_ms - DOOR_MS);
	}
}

static void
door_on_answers(void *arg, struct slice elements)
{
	(void)arg;
	(void)elements;
}

/* It has, or it is gone, or hangs. */
static void
door_on_done(void *arg, const struct question_end *end)
{
	struct far *f = arg;

	(void)end;
	f->asked = false;
	f->door = door_choose(f);
	door_open(f);
}

void
far_door_open(struct far *f)
{
	if (f->asked)
		door_on_done(f, NULL);
}

static void
door_change(struct far *f)
{
	static const struct question_calls calls = {
		.answers = door_on_answers, .done = door_on_done };
	struct bus_envelope e;
	uint64_t slots[2];

	bus_publish_body(&e, slice_of(NULL, 0));
	slotset_only(slots, f->door);
	f->asked = true;
	questions_ask(f->questions, &e, slots, DOOR_MS, &calls, f);
}

static void
door_look(struct far *f)
{
	unsigned next;

	if (f->asked)
		return;
	if (exchange_peer(f->exchange, f->door) == NULL)
		f->door = 0;
	else if (!slot_leaves(f->h->segment, f->door))
		return;
	next = door_choose(f);
	if (f->door == 0)
		f->door = next;
	else if (next != f->door)
		door_change(f);
}

bool
far_to_worker(void *arg, struct bus_envelope *e)
{
	struct slice body = e->publish_body.body;
	struct far *f = arg;

	door_look(f);
	if (!f->asked)
		return (door_give(f, e));
	if (f->waits.wpos + body.n > f->home.conf->bus_queue_bytes) {
		counter_add(COUNTER_bus_dropped, 1);
		return (false);
	}
	state_put_slice(&f->waits, body);
	if (!f->waits.oom)
		return (true);
	f->waits.oom = false;
	counter_add(COUNTER_memory_failures, 1);
	return (false);
}

bool
far_has_room(void *arg)
{
	struct far *f = arg;

	door_look(f);
	return (!f->asked && f->door != 0 &&
	    !exchange_crowded(f->exchange, f->door));
}
