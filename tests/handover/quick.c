/*
 * Clients of the fleet that ask and are answered, forty times a second, each
 * of which sees how long the daemon makes it wait; newcomers, who must always
 * be let in; and the one that feeds others.  See fleet.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet.h"

#define PERIOD_MS	25
#define FLYING		1024	/* newcomers at once */
#define PATIENCE_MS	15000
#define POLL_TARGET	"/socket.io/?EIO=4&transport=polling"

/* --- quick ------------------------------------------------------------------ */

struct quick {
	struct visitor	 v;
	struct timer	 timer;
	uint32_t	 asked;
	uint64_t	 asked_us;	/* 0: is answered */
	uint32_t	 worst_us;
	bool		 warned;
};
static struct quick *quicks;
static unsigned nquicks;

static void
quick_ask(void *arg)
{
	struct quick *q = arg;
	char text[80];

	if (!q->v.is_here || board->order >= ORDER_HUSH)
		return;
	timer_set(&q->timer, PERIOD_MS, quick_ask, q);
	if (q->asked_us != 0) {
		if (!q->warned && now_us() - q->asked_us >
		    PATIENCE_MS * UINT64_C(1000)) {
			wrong(WRONG_unanswered, "quick", q->v.id, "%u",
			    q->asked);
			q->warned = true;
		}
		return;
	}
	q->asked_us = now_us();
	q->asked++;
	(void)snprintf(text, sizeof text, "42/x,%u[\"q\",%u]", q->asked,
	    q->asked);
	link_text(&q->v.link, text);
}

static void
quick_here(struct visitor *v)
{
	struct quick *q = (struct quick *)v;

	timer_set(&q->timer, any(PERIOD_MS * 4), quick_ask, q);
}

static void
quick_event(struct visitor *v, const char *p, size_t n)
{
	wrong(WRONG_damaged, v->ops->name, v->id, "%.*s", (int)n, p);
}

static void
quick_ack(struct visitor *v, int64_t id, const char *p, size_t n)
{
	struct quick *q = (struct quick *)v;
	uint64_t us = now_us() - q->asked_us;

	if (q->asked_us == 0 || id != q->asked ||
	    number_of(p, n, "[") != q->asked) {
		wrong(WRONG_ack, v->ops->name, v->id, "%u: %lld %.*s",
		    q->asked, (long long)id, (int)n, p);
		return;
	}
	count(COUNT_quick);
	hist_add(me->quick, us);
	if (us > q->worst_us)
		q->worst_us = (uint32_t)us;
	q->asked_us = 0;
}

/* Of those that are to stay. */
static void
gone(struct visitor *v, const char *why)
{
	if (board->order == ORDER_END)
		return;
	if (board->opt.lossy)
		count(COUNT_ended);
	else
		wrong(WRONG_closed, v->ops->name, v->id, "%s", why);
}

static const struct visitor_ops quick_ops = { .name = "quick",
	.here = quick_here, .event = quick_event, .ack = quick_ack,
	.gone = gone };

void
quick_start(unsigned n)
{
	unsigned i;

	quicks = calloc(n + 1, sizeof *quicks);
	if (quicks == NULL)
		die("memory");
	nquicks = n;
	visitors_wanted += n;
	for (i = 0; i < n; i++)
		visitor_call(&quicks[i].v, &quick_ops, i);
}

void
quick_mark(void)
{
	unsigned i;

	for (i = 0; i < nquicks; i++) {
		if (quicks[i].worst_us > 0)
			hist_add(me->quick_worst, quicks[i].worst_us);
		quicks[i].worst_us = 0;
	}
}

/* --- newcomers ---------------------------------------------------------------- */

enum newcomer_way { BY_WEBSOCKET, BY_POLLING };
struct newcomer {
	struct visitor	 v;
	struct link	 http;
	struct timer	 timer;		/* patience */
	enum newcomer_way way;
	bool		 flying;
	uint64_t	 called_us;
	char		 target[200];
};
static struct newcomer *newcomers;
static struct timer newcomer_timer;
static unsigned nflying, ncalled;

static void
newcomer_done(struct newcomer *c, const char *why)
{
	timer_stop(&c->timer);
	visitor_end(&c->v);
	link_end(&c->http);
	c->flying = false;
	nflying--;
	if (why == NULL)
		count(COUNT_newcomers);
	else if (board->opt.lossy)
		count(COUNT_ended);
	else if (board->order != ORDER_END)
		wrong(WRONG_refused, "newcomer", c->v.id, "way %d, after %llu "
		    "ms: %s", c->way, (unsigned long long)(now_us() -
		    c->called_us) / 1000, why);
}

static void
newcomer_late(void *arg)
{
	newcomer_done(arg, "is not answered");
}

static void
newcomer_in(struct newcomer *c)
{
	hist_add(me->fresh, now_us() - c->called_us);
}

static void
newcomer_here(struct visitor *v)
{
	link_text(&v->link, "42/x,7[\"q\",7]");
}

static void
newcomer_ack(struct visitor *v, int64_t id, const char *p, size_t n)
{
	if (id != 7 || number_of(p, n, "[") != 7)
		wrong(WRONG_ack, v->ops->name, v->id, "%.*s", (int)n, p);
	newcomer_in((struct newcomer *)v);
	visitor_leave(v);
}

static void
newcomer_gone(struct visitor *v, const char *why)
{
	newcomer_done((struct newcomer *)v, why);
}

static void
http_open(struct link *l)
{
	link_get(l, POLL_TARGET);
}

static void
http_answer(struct link *l, unsigned status, const char *head, char *body,
    size_t n)
{
	struct newcomer *c = l->arg;
	const char *sid, *end;

	if (status != 200) {
		newcomer_done(c, head);
		return;
	}
	if (c->target[0] != '\0') {
		newcomer_done(c, n == 2 ? NULL : body);
		return;
	}
	sid = memmem(body, n, "\"sid\":\"", 7);
	end = sid == NULL ? NULL : memchr(sid + 7, '"', n - 7);
	if (end == NULL || l->last) {
		newcomer_done(c, end == NULL ? "no sid" : NULL);
		return;
	}
	newcomer_in(c);
	(void)snprintf(c->target, sizeof c->target, POLL_TARGET "&sid=%.*s",
	    (int)(end - sid - 7), sid + 7);
	link_post(l, c->target, "1", 1, 0);
}

static void
http_closed(struct link *l, const char *why)
{
	newcomer_done(l->arg, why);
}

static const struct visitor_ops newcomer_ops = { .name = "newcomer",
	.here = newcomer_here, .event = quick_event, .ack = newcomer_ack,
	.gone = newcomer_gone };
static const struct link_ops newcomer_http = { .open = http_open,
	.http = http_answer, .closed = http_closed };

static void
newcomer_call(void *arg)
{
	struct newcomer *c = newcomers;
	unsigned i;

	if (board->order >= ORDER_HUSH)
		return;
	timer_set(&newcomer_timer, 1000 / board->opt.newcomers,
	    newcomer_call, arg);
	for (i = 0; i < FLYING && c->flying; i++)
		c++;
	if (i == FLYING) {
		wrong(WRONG_refused, "newcomers", FLYING, "all still wait");
		return;
	}
	c->flying = true;
	nflying++;
	c->way = ++ncalled % 3 == 0 ? BY_POLLING : BY_WEBSOCKET;
	c->called_us = now_us();
	c->target[0] = '\0';
	c->v.id = ncalled;
	timer_set(&c->timer, PATIENCE_MS, newcomer_late, c);
	if (c->way == BY_POLLING)
		link_call(&c->http, &newcomer_http, c);
	else
		visitor_call(&c->v, &newcomer_ops, ncalled);
}

void
newcomers_start(unsigned per_second)
{
	if (per_second == 0)
		return;
	newcomers = calloc(FLYING, sizeof *newcomers);
	if (newcomers == NULL)
		die("memory");
	newcomer_call(NULL);
}

bool
quick_hushed(void)
{
	unsigned i;

	for (i = 0; i < nquicks; i++)
		if (quicks[i].v.is_here && quicks[i].asked_us != 0)
			return (false);
	return (nflying == 0);
}

/* --- the feeder ------------------------------------------------------------------ */

static struct visitor feeder;
static struct timer feeder_timer;

static void
feeder_here(struct visitor *v)
{
	(void)v;
}

static void
feeder_ack(struct visitor *v, int64_t id, const char *p, size_t n)
{
	(void)id;
	quick_event(v, p, n);
}

static const struct visitor_ops feeder_ops;

static void
feeder_call(void *arg)
{
	(void)arg;
	if (board->order < ORDER_END)
		visitor_call(&feeder, &feeder_ops, 0);
}

/* Who feeds others is needed again. */
static void
feeder_gone(struct visitor *v, const char *why)
{
	gone(v, why);
	timer_set(&feeder_timer, 100, feeder_call, NULL);
}

static const struct visitor_ops feeder_ops = { .name = "feeder",
	.here = feeder_here, .event = quick_event, .ack = feeder_ack,
	.gone = feeder_gone };

void
feeder_start(void)
{
	visitors_wanted++;
	feeder_call(NULL);
}

bool
feeder_is_here(void)
{
	return (feeder.is_here);
}

bool
feeder_feed(unsigned id, uint32_t i, unsigned padding)
{
	static char pad[4096], text[4400];

	if (!feeder.is_here)
		return (false);
	memset(pad, 'x', padding);
	(void)snprintf(text, sizeof text, "42/x,[\"feed\",{\"room\":\"r%u-%u\","
	    "\"i\":%u,\"t\":%llu,\"p\":\"%.*s\"}]", my_index, id, i,
	    (unsigned long long)now_us(), (int)padding, pad);
	link_text(&feeder.link, text);
	return (true);
}
