/*
 * Commands of a Cluster, until they are answered; see cluster_route.h.
 */
#include "relay/redis/cluster_route.h"

#include <sys/queue.h>

#include <stdlib.h>

#include "shm/counters.h"

#define ROUTE_MOVED_MS	100	/* who listens does so anew by then */
#define ROUTE_AGAIN_MS	100	/* a slot that is not served: doubled ... */
#define ROUTE_DOUBLINGS	3	/* ... so often */

struct route_call {
	TAILQ_ENTRY(route_call) next;	/* in its slot, in order; or sent */
	struct route	*route;
	struct site	*site;		/* sent there */
	commands_cb	*cb;
	void		*arg;
	uint64_t	 number;	/* order */
	struct mono	 first;
	uint16_t	 slot;
	uint8_t		 tries;
	size_t		 bytes;		/* of the text behind argv */
	size_t		 n;
	struct slice	 argv[];
};

TAILQ_HEAD(route_calls, route_call);

/* A slot of which something waits. */
struct route_slot {
	TAILQ_ENTRY(route_slot) next;
	unsigned	 slot;
	struct mono	 due;
	struct route_calls calls;
};

struct route {
	unsigned	 magic;
#define ROUTE_MAGIC	0x4073ca11
	struct route_params p;
	struct timer	 timer;
	uint64_t	 number;
	size_t		 bytes;		/* of all calls */
	struct route_calls sent;	/* not answered yet */
	TAILQ_HEAD(, route_slot) waiting;
	struct route_slot *slots[SPREAD_SLOTS];	/* NULL: nothing waits */
	uint32_t	 out[SPREAD_SLOTS];	/* of sent */
	struct mono	 until[SPREAD_SLOTS];	/* it moved, and waits */
};

/* --- calls ----------------------------------------------------------------*/

static struct route_call *
route_call_new(struct route *r, unsigned slot, const struct slice *argv,
    size_t n)
{
	struct route_call *c;
	size_t bytes = 0, i;
	uint8_t *text;

	for (i = 0; i < n; i++)
		bytes += argv[i].n;
	if (r->bytes + bytes > r->p.bytes)
		return (NULL);
	c = malloc(sizeof *c + n * sizeof *argv + bytes);
	if (c == NULL)
		return (NULL);
	*c = (struct route_call){ .route = r, .number = ++r->number,
		.first = loop_now(r->p.loop), .slot = (uint16_t)slot,
		.bytes = bytes, .n = n };
	text = (uint8_t *)&c->argv[n];
	for (i = 0; i < n; i++) {
		c->argv[i] = slice_of(text, argv[i].n);
		if (argv[i].n > 0)
			memcpy(text, argv[i].p, argv[i].n);
		text += argv[i].n;
	}
	r->bytes += bytes;
	return (c);
}

static void
route_call_free(struct route_call *c)
{
	c->route->bytes -= c->bytes;
	free(c);
}

static void
route_answer(struct route_call *c, const struct reply *o)
{
	if (c->cb != NULL)
		c->cb(c->arg, o);
	route_call_free(c);
}

static void	route_on_reply(void *arg, const struct reply *);

static bool
route_say(struct route_call *c, struct site *to)
{
	if (!site_send(to, c->argv, c->n, route_on_reply, c))
		return (false);
	c->site = to;
	c->route->out[c->slot]++;
	TAILQ_INSERT_TAIL(&c->route->sent, c, next);
	return (true);
}

/* --- slots of which something waits ---------------------------------------*/

static void	route_on_timer(struct timer *, struct mono);

static void
route_wake(struct route *r)
{
	struct route_slot *s;
	struct mono due = { UINT64_MAX };

	TAILQ_FOREACH(s, &r->waiting, next)
		if (s->due.us < due.us)
			due = s->due;
	if (due.us == UINT64_MAX)
		timer_stop(loop_wheel(r->p.loop), &r->timer);
	else
		timer_start(loop_wheel(r->p.loop), &r->timer, due,
		    route_on_timer);
}

/* Behind those that were asked for before it. */
static void
route_wait(struct route_slot *s, struct route_call *c)
{
	struct route_call *before;

	TAILQ_FOREACH_REVERSE(before, &s->calls, route_calls, next)
		if (before->number < c->number)
			break;
	if (before == NULL)
		TAILQ_INSERT_HEAD(&s->calls, c, next);
	else
		TAILQ_INSERT_AFTER(&s->calls, before, c, next);
}

/* The slot waits from now on; false: no memory. */
static bool
route_hold(struct route *r, unsigned slot, uint64_t ms)
{
	struct route_slot *s = r->slots[slot];
	struct mono due = mono_add_ms(loop_now(r->p.loop), ms);

	if (s == NULL) {
		s = calloc(1, sizeof *s);
		if (s == NULL)
			return (false);
		s->slot = slot;
		TAILQ_INIT(&s->calls);
		TAILQ_INSERT_TAIL(&r->waiting, s, next);
		r->slots[slot] = s;
	}
	if (s->due.us < due.us)
		s->due = due;
	route_wake(r);
	return (true);
}

static void
route_let_go(struct route *r, struct route_slot *s)
{
	TAILQ_REMOVE(&r->waiting, s, next);
	r->slots[s->slot] = NULL;
	free(s);
}

static bool
route_is_late(const struct route *r, const struct route_call *c)
{
	return (loop_now(r->p.loop).us - c->first.us >
	    ROUTE_PATIENCE_MS * 1000);
}

/* All that waits, in order, as far as it goes. */
static void
route_release(struct route *r, struct route_slot *s)
{
	struct route_call *c;
	struct site *to;
	unsigned slot = s->slot;

	s->due = mono_add_ms(loop_now(r->p.loop), ROUTE_AGAIN_MS);
	/* some may come back, and belong in front */
	if (r->out[slot] > 0)
		return;
	while ((c = TAILQ_FIRST(&s->calls)) != NULL) {
		TAILQ_REMOVE(&s->calls, c, next);
		to = r->p.place(r->p.arg, slot);
		if (to != NULL && site_up(to) && route_say(c, to))
			continue;
		if (!route_is_late(r, c)) {
			TAILQ_INSERT_HEAD(&s->calls, c, next);
			return;
		}
		counter_add(COUNTER_redis_dropped, 1);
		route_answer(c, NULL);
	}
	route_let_go(r, s);
}

static void
route_on_timer(struct timer *t, struct mono now)
{
	struct route *r = container_of(t, struct route, timer);
	struct route_slot *s, *next;

	for (s = TAILQ_FIRST(&r->waiting); s != NULL; s = next) {
		next = TAILQ_NEXT(s, next);
		if (s->due.us <= now.us)
			route_release(r, s);
	}
	route_wake(r);
}

/* --- answers --------------------------------------------------------------*/

/* Just this one is to be asked elsewhere: its slot is on its way. */
static bool
route_ask(struct route_call *c, struct site *to)
{
	static const struct slice asking[] = { SLICE("ASKING") };

	return (to != NULL && site_up(to) &&
	    c->route->slots[c->slot] == NULL &&
	    site_send(to, asking, nitems(asking), NULL, NULL) &&
	    route_say(c, to));
}

/* Will it be sent again?  Nothing was done. */
static bool
route_again(struct route_call *c, const struct reply *o)
{
	struct route *r = c->route;
	struct slotmap_redirect where;
	struct site *to;
	uint64_t ms = ROUTE_MOVED_MS;
	unsigned n = c->tries < ROUTE_DOUBLINGS ? c->tries : ROUTE_DOUBLINGS;

	if (slotmap_redirect(o, &where)) {
		to = r->p.moved(r->p.arg, c->site, &where);
		if (route_is_late(r, c))
			return (false);
		if (where.ask && c->tries < ROUTE_DOUBLINGS) {
			c->tries++;
			if (route_ask(c, to))
				return (true);
		}
	} else if (slotmap_is_passing(o)) {
		r->p.refused(r->p.arg, c->site);
		ms = (uint64_t)ROUTE_AGAIN_MS << n;
	} else
		return (false);
	if (route_is_late(r, c) || !route_hold(r, c->slot, ms))
		return (false);
	if (c->tries < UINT8_MAX)
		c->tries++;
	route_wait(r->slots[c->slot], c);
	return (true);
}

static void
route_on_reply(void *arg, const struct reply *o)
{
	struct route_call *c = arg;

	CHECK_MAGIC(c->route, ROUTE_MAGIC);
	c->route->out[c->slot]--;
	TAILQ_REMOVE(&c->route->sent, c, next);
	if (o != NULL && o->type == REPLY_ERROR && route_again(c, o))
		counter_add(COUNTER_redis_routed, 1);
	else
		route_answer(c, o);
}

void
route_moved(struct route *r, unsigned slot)
{
	CHECK_MAGIC(r, ROUTE_MAGIC);
	r->until[slot] = mono_add_ms(loop_now(r->p.loop), ROUTE_MOVED_MS);
}

/* Whether what is sent has to wait for what is in front of it. */
static bool
route_waits(struct route *r, unsigned slot)
{
	uint64_t now = loop_now(r->p.loop).us;

	if (r->slots[slot] != NULL)
		return (true);
	if (r->until[slot].us <= now)
		return (false);
	return (route_hold(r, slot, (r->until[slot].us - now) / 1000 + 1));
}

bool
route_send(struct route *r, unsigned slot, const struct slice *argv, size_t n,
    commands_cb *cb, void *arg)
{
	struct route_call *c;
	struct site *to;

	CHECK_MAGIC(r, ROUTE_MAGIC);
	c = route_call_new(r, slot, argv, n);
	if (c == NULL) {
		counter_add(COUNTER_redis_dropped, 1);
		return (false);
	}
	c->cb = cb;
	c->arg = arg;
	if (route_waits(r, slot)) {
		TAILQ_INSERT_TAIL(&r->slots[slot]->calls, c, next);
		return (true);
	}
	to = r->p.place(r->p.arg, slot);
	if (to != NULL && route_say(c, to))
		return (true);
	if (to == NULL)
		counter_add(COUNTER_redis_dropped, 1);
	route_call_free(c);
	return (false);
}

/* --- birth and death ------------------------------------------------------*/

void
route_give_up(struct route *r)
{
	struct route_slot *s;
	struct route_call *c;

	CHECK_MAGIC(r, ROUTE_MAGIC);
	while ((s = TAILQ_FIRST(&r->waiting)) != NULL) {
		while ((c = TAILQ_FIRST(&s->calls)) != NULL) {
			TAILQ_REMOVE(&s->calls, c, next);
			route_answer(c, NULL);
		}
		route_let_go(r, s);
	}
	route_wake(r);
}

struct route *
route_new(const struct route_params *p)
{
	struct route *r = calloc(1, sizeof *r);

	if (r == NULL)
		return (NULL);
	r->magic = ROUTE_MAGIC;
	r->p = *p;
	TAILQ_INIT(&r->waiting);
	TAILQ_INIT(&r->sent);
	return (r);
}

void
route_free(struct route **rp)
{
	struct route *r = *rp;
	struct route_slot *s;
	struct route_call *c;

	if (r == NULL)
		return;
	*rp = NULL;
	CHECK_MAGIC(r, ROUTE_MAGIC);
	while ((s = TAILQ_FIRST(&r->waiting)) != NULL) {
		while ((c = TAILQ_FIRST(&s->calls)) != NULL) {
			TAILQ_REMOVE(&s->calls, c, next);
			route_call_free(c);
		}
		route_let_go(r, s);
	}
	while ((c = TAILQ_FIRST(&r->sent)) != NULL) {
		TAILQ_REMOVE(&r->sent, c, next);
		route_call_free(c);
	}
	timer_stop(loop_wheel(r->p.loop), &r->timer);
	r->magic = 0;
	free(r);
}
