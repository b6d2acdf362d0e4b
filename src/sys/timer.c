/*
 * Timers of one loop, hashed by the tick at which they are due.  The loop
 * advances the wheel once a turn; roles embed struct timer in what they time.
 * Knows no clock: the time is always an argument.
 */
#include "sys/timer.h"

#include <string.h>

#define TICK_US		((uint64_t)TIMER_TICK_MS * 1000)

static struct wheel_slot *
timer_slot_of(struct wheel *w, uint64_t tick)
{
	return (&w->slots[tick % TIMER_SLOTS]);
}

void
wheel_init(struct wheel *w, struct mono now)
{
	memset(w, 0, sizeof *w);
	w->magic = WHEEL_MAGIC;
	w->tick = now.us / TICK_US;
}

void
timer_start(struct wheel *w, struct timer *t, struct mono at, timer_cb *cb)
{
	CHECK_MAGIC(w, WHEEL_MAGIC);
	MUST(cb != NULL);
	timer_stop(w, t);
	/* rounded up: never early; a tick that is done does not come again */
	t->tick = at.us / TICK_US + (at.us % TICK_US != 0);
	if (t->tick <= w->tick)
		t->tick = w->tick + 1;
	t->on_fire = cb;
	t->running = true;
	LIST_INSERT_HEAD(timer_slot_of(w, t->tick), t, link);
	w->count++;
}

void
timer_stop(struct wheel *w, struct timer *t)
{
	CHECK_MAGIC(w, WHEEL_MAGIC);
	if (!t->running)
		return;
	MUST(w->count > 0);
	LIST_REMOVE(t, link);
	t->running = false;
	w->count--;
}

struct mono
timer_at(const struct timer *t)
{
	return ((struct mono){ t->tick * TICK_US });
}

/*
 * Move what is due by `upto` to a list of its own, earliest first: the slots
 * are walked backwards and each insertion goes to the front.
 */
static void
timer_collect(struct wheel *w, uint64_t upto, struct wheel_slot *due)
{
	struct timer *t, *next;
	uint64_t n, tick;

	n = upto - w->tick;
	if (n > TIMER_SLOTS)
		n = TIMER_SLOTS; /* every slot once is all there is */
	for (tick = upto; n > 0; tick--, n--) {
		for (t = LIST_FIRST(timer_slot_of(w, tick)); t != NULL;
		    t = next) {
			next = LIST_NEXT(t, link);
			if (t->tick > upto)
				continue; /* another round */
			LIST_REMOVE(t, link);
			LIST_INSERT_HEAD(due, t, link);
		}
	}
}

void
wheel_advance(struct wheel *w, struct mono now)
{
	struct wheel_slot due = LIST_HEAD_INITIALIZER(due);
	struct timer *t;
	uint64_t upto;

	CHECK_MAGIC(w, WHEEL_MAGIC);
	upto = now.us / TICK_US;
	if (upto <= w->tick)
		return;
	if (w->count > 0)
		timer_collect(w, upto, &due);
	/* before any callback, which may start timers: those come later */
	w->tick = upto;
	while ((t = LIST_FIRST(&due)) != NULL) {
		timer_stop(w, t);
		t->on_fire(t, now); /* may free t, may stop others in due */
	}
}

int
wheel_wait_ms(const struct wheel *w, struct mono now, int limit)
{
	uint64_t at_us, tick, last;

	CHECK_MAGIC(w, WHEEL_MAGIC);
	if (limit <= 0 || w->count == 0)
		return (limit < 0 ? 0 : limit);
	last = (now.us + (uint64_t)limit * 1000) / TICK_US;
	if (last > w->tick + TIMER_SLOTS)
		last = w->tick + TIMER_SLOTS;
	for (tick = w->tick + 1; tick <= last; tick++) {
		if (LIST_EMPTY(&w->slots[tick % TIMER_SLOTS]))
			continue;
		at_us = tick * TICK_US;
		if (at_us <= now.us)
			return (0);
		return ((int)((at_us - now.us + 999) / 1000));
	}
	return (limit);
}
