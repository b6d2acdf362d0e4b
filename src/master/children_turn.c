/*
 * Other workers than those that serve: they come, all of them, before anybody
 * leaves; see children.h.
 */
#include "master/children_int.h"

#include <inttypes.h>

#include "master/listen.h"
#include "master/pairs.h"
#include "shm/counters.h"
#include "shm/slots.h"
#include "shm/slots_before.h"
#include "sys/log.h"

#define TURN_HOLD_MS	3000	/* who has connected to one that will be no
				 * more is in its queue by then, */
#define TURN_IDLE_MS	10000	/*   and is out of it */
#define TURN_END_MS	1000	/* between the order to end and the kill */

/* --- coming ---------------------------------------------------------------- */

static void
turn_one_comes(struct children *c, unsigned worker, struct mono now)
{
	struct seat *s;

	if (!c->next.renew &&
	    seats_find(c->seats, worker, SEAT_SERVING) != NULL)
		return;
	s = seats_find(c->seats, worker, SEAT_SPARE);
	MUST(s != NULL && s->state == SEAT_EMPTY);
	s->standing = SEAT_COMING;
	s->edition = c->next.edition;
	s->listens = c->next.listens;
	s->issue = c->issue + (c->next.renew ? 1 : 0);
	children_spawn(s, now);
}

void
children_come(struct children *c, const struct children_plan *plan,
    struct mono now)
{
	unsigned i;

	CHECK_MAGIC(c, CHILDREN_MAGIC);
	MUST(children_turned(c) && plan->nworkers > 0 &&
	    plan->nworkers <= seats_max_workers(c->seats));
	c->next = *plan;
	seats_relay(c->seats)->edition = plan->edition;
	c->coming_failed = false;
	for (i = 0; i < plan->nworkers && !c->coming_failed; i++)
		turn_one_comes(c, i, now);
	children_recount(c);
}

enum children_coming
children_coming(const struct children *c)
{
	const struct seat *s;

	if (c->coming_failed)
		return (COMING_FAILED);
	SEATS_FOREACH_WORKER(s, c->seats)
		if (s->standing == SEAT_COMING && s->state != SEAT_READY)
			return (COMING_NOT_YET);
	return (COMING_READY);
}

/* --- leaving ---------------------------------------------------------------*/

static void
turn_leaves(struct seat *s, uint64_t drain_ms, uint64_t stop_ms,
    struct mono from)
{
	s->standing = SEAT_LEAVING;
	if (s->state != SEAT_EMPTY)
		slot_leave(s->all->children->p.segment, s->slot);
	s->hold = from;
	s->over = mono_add_ms(from, drain_ms + TURN_END_MS);
	s->kill_at = mono_add_ms(s->over, stop_ms);
	s->heir = NULL;
	s->gives = false;
	s->shares = 0;
	s->spreads = s->last_heir = s->hurried = false;
	s->edition = NULL;	/* nobody is born here any more */
	s->listens = NULL;
	if (s->state == SEAT_EMPTY)
		children_left(s);
}

void
children_turn(struct children *c, uint64_t drain_ms, uint64_t stop_ms,
    struct mono now)
{
	struct mono later = mono_add_ms(now, TURN_HOLD_MS);
	struct seat *s;

	CHECK_MAGIC(c, CHILDREN_MAGIC);
	SEATS_FOREACH_WORKER(s, c->seats) {
		if (s->standing != SEAT_SERVING || (!c->next.renew &&
		    s->worker < c->next.nworkers))
			continue;
		turn_leaves(s, drain_ms, stop_ms,
		    s->worker < c->next.nworkers ? now : later);
		s->spreads = !c->next.renew;
	}
	SEATS_FOREACH_WORKER(s, c->seats)
		if (s->standing == SEAT_COMING)
			s->standing = SEAT_SERVING;
	if (c->next.renew)
		c->issue++;
	c->now = c->next;
	children_seat_all(c);
	/* not at the next tick: it is said that they have come, and those who
	 * connect then are not for the ones before */
	SEATS_FOREACH_WORKER(s, c->seats)
		if (s->standing == SEAT_LEAVING)
			children_leave_step(s, now);
	counter_set(COUNTER_generation, c->issue);
	children_recount(c);
}

void
children_turn_back(struct children *c, uint64_t drain_ms, uint64_t stop_ms,
    struct mono now)
{
	struct seat *s;

	CHECK_MAGIC(c, CHILDREN_MAGIC);
	SEATS_FOREACH_WORKER(s, c->seats) {
		if (s->standing != SEAT_COMING)
			continue;
		turn_leaves(s, drain_ms, stop_ms, now);
		if (s->state == SEAT_STARTING)
			children_kill_one(s, now); /* who knows why */
	}
	c->coming_failed = false;
	seats_relay(c->seats)->edition = c->now.edition;
	children_recount(c);
}

bool
children_turned(const struct children *c)
{
	return (seats_standing(c->seats, SEAT_COMING) +
	    seats_standing(c->seats, SEAT_LEAVING) == 0);
}

/* What has connected to it is still to be accepted by it. */
static bool
turn_holds(const struct seat *s, struct mono now)
{
	const struct children *c = s->all->children;

	if (now.us < s->hold.us || s->state != SEAT_READY)
		return (true);
	if (slots_before_has(c->p.segment, s->slot) &&
	    (children_relay_is_former(c) ||
	    seats_relay(c->seats)->state != SEAT_READY))
		return (true);	/* two that share no memory need a relay that
				 * has ours */
	return (s->worker >= c->now.nworkers && !listen_idle(c->now.listens) &&
	    now.us < mono_add_ms(s->hold, TURN_IDLE_MS).us);
}

static void
turn_hurry(struct seat *s, struct mono now)
{
	struct ipc_msg m;

	if (!s->hurried) {
		ipc_init(&m, CONTROL_STOP);
		ipc_put_u32(&m, STOP_PROMPT);
		ipc_put_u64(&m, (s->kill_at.us - s->over.us) / 1000 / 4 * 3);
		s->hurried = seat_tell(s, &m);
	}
	if (now.us < s->kill_at.us || s->killed.us != 0)
		return;
	log_warnx("leave_time_over role=%s slot=%u pid=%d", s->role->title,
	    s->slot, (int)s->pid);
	children_kill_one(s, now);
}

/* --- heirs ----------------------------------------------------------------*/

static bool
turn_may_inherit(const struct seat *s)
{
	return (s->standing == SEAT_SERVING && s->state == SEAT_READY);
}

/* Who has the same sockets, or another one. */
static struct seat *
turn_successor(struct children *c, const struct seat *s)
{
	struct seat *h, *any = NULL;

	SEATS_FOREACH_WORKER(h, c->seats) {
		if (!turn_may_inherit(h))
			continue;
		if (h->worker == s->worker % c->now.nworkers)
			return (h);
		if (any == NULL)
			any = h;
	}
	return (any);
}

/* The one with so many before it, and how many there are. */
static struct seat *
turn_nth(struct children *c, unsigned nth, unsigned *all)
{
	struct seat *h, *found = NULL;

	*all = 0;
	SEATS_FOREACH_WORKER(h, c->seats)
		if (turn_may_inherit(h) && (*all)++ == nth)
			found = h;
	return (found);
}

/* What it has goes to another one; or a part, if it is too much for one. */
static void
turn_give(struct seat *s, struct mono now)
{
	struct children *c = s->all->children;
	struct pair_terms t = { .share = CONTROL_SHARE_ALL,
		.flags = HEIR_ALL_SESSIONS | HEIR_LEAVE,
		.ms = (s->over.us - now.us) / 1000 };
	struct seat *heir = NULL;
	unsigned all;

	t.ms = t.ms > TURN_END_MS ? t.ms - TURN_END_MS : 0;
	if (s->spreads && !s->last_heir) {
		heir = turn_nth(c, s->shares + 1, &all);
		if (heir != NULL)
			t = (struct pair_terms){ .share = CONTROL_SHARE_ALL /
				(all - s->shares) };
	}
	s->last_heir |= heir == NULL;
	if (heir == NULL)
		heir = turn_successor(c, s);
	if (heir != NULL && pairs_make(c->p.segment, s, heir, &t))
		s->shares++;
}

void
children_leave_step(struct seat *s, struct mono now)
{
	if (s->state == SEAT_EMPTY)
		return;
	if (now.us >= s->over.us) {
		turn_hurry(s, now);
		return;
	}
	if (pairs_last(s) && (s->gives || s->last_heir))
		return;		/* it does, or drains what it could not */
	s->gives = false;
	if (!turn_holds(s, now))
		turn_give(s, now);
}
