/*
 * Clients of the fleet with a small window that read nothing for seconds while
 * more is sent to them than the kernel holds, and then a little at a time: the
 * daemon's queue is never empty for long.  See fleet.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fleet.h"

#define BURST		30	/* messages */
#define PADDING		2000	/* bytes of each */
#define IDS		100000	/* its rooms */
#define GIVE_UP_MS	60000
#define LOST_MS		5000	/* where that may be */

struct slow {
	struct visitor	 v;
	struct timer	 timer;
	uint32_t	 fed, next;
	uint64_t	 fed_us;
};
static struct slow *slows;
static unsigned nslows;

static void slow_begin(void *);

static void
slow_look(void *arg)
{
	struct slow *s = arg;

	if (!s->v.is_here || s->next == s->fed)
		return;
	if (now_us() - s->fed_us > (board->opt.lossy ? LOST_MS : GIVE_UP_MS) *
	    UINT64_C(1000)) {
		s->next = visitor_number(&s->v, s->fed, s->next, s->fed + 1) - 1;
		timer_set(&s->timer, any(1000), slow_begin, s);
		return;
	}
	timer_set(&s->timer, 500, slow_look, s);
}

static void
slow_read(void *arg)
{
	struct slow *s = arg;

	if (!s->v.is_here)
		return;
	link_listen(&s->v.link, true);
	slow_look(s);
}

static void
slow_begin(void *arg)
{
	struct slow *s = arg;
	unsigned i;

	if (!s->v.is_here || board->order >= ORDER_HUSH)
		return;
	if (!feeder_is_here() || board->order == ORDER_JOIN) {
		timer_set(&s->timer, 200, slow_begin, s);
		return;
	}
	link_listen(&s->v.link, false);
	s->fed_us = now_us();
	for (i = 0; i < BURST; i++)
		s->fed += feeder_feed(IDS + s->v.id, s->fed, PADDING);
	timer_set(&s->timer, 1000 + any(2000), slow_read, s);
}

static void
slow_here(struct visitor *v)
{
	char text[100];

	(void)snprintf(text, sizeof text,
	    "42/x,0[\"room:join\",{\"room\":\"r%u-%u\"}]", my_index,
	    IDS + v->id);
	link_text(&v->link, text);
}

static void
slow_ack(struct visitor *v, int64_t id, const char *p, size_t n)
{
	struct slow *s = (struct slow *)v;

	if (id != 0 || !has(p, n, "\"room\""))
		wrong(WRONG_ack, v->ops->name, v->id, "%.*s", (int)n, p);
	timer_set(&s->timer, any(2000), slow_begin, s);
}

static void
slow_event(struct visitor *v, const char *p, size_t n)
{
	struct slow *s = (struct slow *)v;
	int64_t i = number_of(p, n, "\"i\":");

	if (n < PADDING)
		wrong(WRONG_damaged, v->ops->name, v->id, "%.80s", p);
	s->next = visitor_number(v, i, s->next, s->fed);
	count(COUNT_slow);
	if (s->next == s->fed)
		timer_set(&s->timer, any(1000), slow_begin, s);
}

static void
slow_gone(struct visitor *v, const char *why)
{
	if (board->order == ORDER_END)
		return;
	if (board->opt.lossy)
		count(COUNT_ended);
	else
		wrong(WRONG_closed, v->ops->name, v->id, "%s", why);
}

static const struct visitor_ops slow_ops = { .name = "slow",
	.here = slow_here, .event = slow_event, .ack = slow_ack,
	.gone = slow_gone };

void
slow_start(unsigned n)
{
	unsigned i;

	slows = calloc(n + 1, sizeof *slows);
	if (slows == NULL)
		die("memory");
	nslows = n;
	visitors_wanted += n;
	for (i = 0; i < n; i++) {
		slows[i].v.link.narrow = true;
		visitor_call(&slows[i].v, &slow_ops, i);
	}
}

bool
slow_hushed(void)
{
	unsigned i;

	for (i = 0; i < nslows; i++)
		if (slows[i].v.is_here && slows[i].next != slows[i].fed)
			return (false);
	return (true);
}
