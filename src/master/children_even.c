/*
 * Workers get as many connections as each other: after one more has come, or one
 * had died and began with none; see children.h.
 */
#include "master/children_int.h"

#include <inttypes.h>

#include "master/pairs.h"
#include "shm/counters.h"
#include "shm/stats.h"
#include "sys/log.h"

#define EVEN_TIME_MS	30000
#define EVEN_SHARES	4	/* of one worker: what cannot go does not */

static uint64_t
even_has(const struct seat *s)
{
	return (__atomic_load_n(stats_column(s->all->children->p.stats,
	    s->slot) + COUNTER_connections_open, __ATOMIC_RELAXED));
}

static bool
even_counts(const struct seat *s)
{
	return (s->standing == SEAT_SERVING && s->state == SEAT_READY);
}

static bool
even_takes(const struct seat *s)
{
	const struct seat *g;

	SEATS_FOREACH_WORKER(g, s->all)
		if (g->gives && g->heir == s)
			return (true);
	return (false);
}

/* What it will have when those have given who do. */
static uint64_t
even_will_have(const struct seat *s)
{
	uint64_t n = even_has(s);
	const struct seat *g;

	if (s->gives)
		n -= s->amount < n ? s->amount : n;
	SEATS_FOREACH_WORKER(g, s->all)
		if (g->gives && g->heir == s)
			n += g->amount;
	return (n);
}

/* Who could give most, and who lacks most. */
struct even_ends {
	struct seat	*most, *least;
	uint64_t	 has, lacks;	/* what they will have */
	uint64_t	 mean;
};

static void
even_look(struct seat *s, struct even_ends *e)
{
	uint64_t n = even_will_have(s);

	if (!s->gives && s->shares < EVEN_SHARES && !even_takes(s) &&
	    (e->most == NULL || n > e->has)) {
		e->most = s;
		e->has = n;
	}
	if (!s->gives && (e->least == NULL || n < e->lacks)) {
		e->least = s;
		e->lacks = n;
	}
}

static bool
even_find(struct children *c, struct even_ends *e)
{
	uint64_t all = 0, n = 0;
	struct seat *s;

	*e = (struct even_ends){ .mean = 0 };
	SEATS_FOREACH_WORKER(s, c->seats) {
		if (!even_counts(s))
			continue;
		all += even_will_have(s);
		n++;
		even_look(s, e);
	}
	if (e->most == NULL || e->least == NULL || e->most == e->least)
		return (false);
	e->mean = all / n;
	return (e->has > e->mean && e->lacks < e->mean &&
	    e->has - e->lacks > 1 + e->mean / 16);
}

static bool
even_pair(struct children *c, const struct even_ends *e)
{
	uint64_t much = e->has - e->mean, lack = e->mean - e->lacks,
	    has = even_has(e->most);
	struct pair_terms t = { .flags = 0 };

	e->most->amount = much < lack ? much : lack;
	t.share = (uint32_t)(has <= e->most->amount ? CONTROL_SHARE_ALL :
	    e->most->amount * CONTROL_SHARE_ALL / has);
	if (t.share == 0 || !pairs_make(c->p.segment, e->most, e->least, &t))
		return (false);
	e->most->shares++;
	return (true);
}

void
children_even(struct children *c, struct mono now)
{
	struct seat *s;

	CHECK_MAGIC(c, CHILDREN_MAGIC);
	SEATS_FOREACH_WORKER(s, c->seats)
		s->shares = 0;
	c->even = true;
	c->even_over = mono_add_ms(now, EVEN_TIME_MS);
	children_even_step(c, now);
}

bool
children_evens(const struct children *c)
{
	return (c->even);
}

void
children_even_step(struct children *c, struct mono now)
{
	bool gives = false;
	struct even_ends e;
	struct seat *s;

	SEATS_FOREACH_WORKER(s, c->seats) {
		if (!pairs_last(s))
			s->gives = false;	/* one of them has gone */
		gives |= s->gives;
	}
	while (now.us < c->even_over.us && even_find(c, &e) &&
	    even_pair(c, &e))
		gives = true;
	c->even = gives && now.us < c->even_over.us;
	if (!c->even)
		log_info("evened in_time=%s", gives ? "no" : "yes");
}
