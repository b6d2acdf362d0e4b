/*
 * Clients of the fleet that begin with polling and go over to WebSocket, with
 * a rest when the WebSocket has been probed and is not used yet.  All the time
 * they are fed, and ask.  At the end each leaves and begins anew.  Every fourth
 * is fed more than the kernel holds and is slow to read: the response to its
 * GET is being written for a while.  See fleet.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet.h"

#define TARGET		"/socket.io/?EIO=4&transport="
#define FEED_MS		100
#define HEAVY		12	/* at once */
#define PADDING		2000	/* bytes */
#define PATIENCE_MS	20000
#define LOST_MS		5000	/* where something may be lost */

enum stage { AWAY, OPENING, POLLING, PROBING, DESCENDING, RESTING, UP,
	LEAVING };
struct climber {
	struct visitor	 v;		/* its link: the WebSocket */
	struct link	 get, post;
	enum stage	 stage;
	char		 sid[120];
	char		*posts;		/* a packet that waits; only one */
	bool		 posting, getting;
	uint32_t	 fed, next, asked;
	bool		 waits;		/* for the ack of `asked' */
	uint64_t	 since_us;	/* of LEAVING */
	struct timer	 feed, step, ear;
};
static struct climber *climbers;
static unsigned nclimbers;

static const struct link_ops get_ops, post_ops, ws_ops;
static void climber_begin(void *);

static void
climber_end(struct climber *c)
{
	visitor_end(&c->v);
	link_end(&c->get);
	link_end(&c->post);
	timer_stop(&c->feed);
	timer_stop(&c->step);
	timer_stop(&c->ear);
	free(c->posts);
	c->posts = NULL;
	c->stage = AWAY;
	if (board->order < ORDER_HUSH)
		timer_set(&c->step, any(1000), climber_begin, c);
}

static void
climber_failed(struct climber *c, const char *what, const char *why)
{
	enum stage stage = c->stage;

	if (stage == AWAY || board->order == ORDER_END)
		return;
	climber_end(c);
	if (board->opt.lossy)
		count(COUNT_ended);
	else
		wrong(stage <= OPENING ? WRONG_refused : WRONG_closed,
		    "climber", c->v.id, "%s in stage %d: %s", what, stage, why);
}

static void
target_of(const struct climber *c, const char *transport, char out[200])
{
	(void)snprintf(out, 200, TARGET "%s%s%s", transport,
	    c->sid[0] == '\0' ? "" : "&sid=", c->sid);
}

/* --- out ---------------------------------------------------------------------- */

static void
post_flush(struct climber *c)
{
	char target[200];

	if (c->posts == NULL || c->posting)
		return;
	if (c->post.state == LINK_NONE) {
		link_call(&c->post, &post_ops, c);
		return;
	}
	if (c->post.state != LINK_HTTP)
		return;
	c->posting = true;
	target_of(c, "polling", target);
	link_post(&c->post, target, c->posts, strlen(c->posts), 0);
	free(c->posts);
	c->posts = NULL;
}

static void
climber_say(struct visitor *v, const char *text)
{
	struct climber *c = (struct climber *)v;
	char *both;

	if (c->stage >= UP) {
		link_text(&v->link, text);
		return;
	}
	if (asprintf(&both, "%s%s%s", c->posts == NULL ? "" : c->posts,
	    c->posts == NULL ? "" : "\x1e", text) == -1)
		die("memory");
	free(c->posts);
	c->posts = both;
	if (c->stage != RESTING)
		post_flush(c);
}

/* --- the way up ------------------------------------------------------------------ */

static void
climber_look(void *arg)
{
	struct climber *c = arg;

	if (c->next == c->fed && !c->waits) {
		visitor_leave(&c->v);
		timer_set(&c->step, PATIENCE_MS, climber_look, c);
	} else if (now_us() - c->since_us > (board->opt.lossy ? LOST_MS :
	    PATIENCE_MS) * UINT64_C(1000)) {
		if (c->waits)
			wrong(WRONG_unanswered, "climber", c->v.id, "ask %u",
			    c->asked);
		c->next = visitor_number(&c->v, c->fed, c->next, c->fed + 1);
		climber_end(c);
	} else
		timer_set(&c->step, 50, climber_look, c);
}

static void
climber_leave(void *arg)
{
	struct climber *c = arg;

	c->stage = LEAVING;
	timer_stop(&c->feed);
	c->since_us = now_us();
	climber_look(c);
}

static void
climber_up(void *arg)
{
	struct climber *c = arg;

	link_text(&c->v.link, "5");
	c->stage = UP;
	link_end(&c->get);
	link_end(&c->post);
	if (c->posts != NULL) {
		link_text(&c->v.link, c->posts);
		free(c->posts);
		c->posts = NULL;
	}
	timer_set(&c->step, 500 + any(2000), climber_leave, c);
}

/* Once no request is under way. */
static void
climber_rest(struct climber *c)
{
	if (c->stage != DESCENDING || c->getting || c->posting)
		return;
	if (c->posts != NULL) {
		post_flush(c);
		return;
	}
	c->stage = RESTING;
	count(COUNT_resting);
	timer_set(&c->step, 300 + any(3000), climber_up, c);
}

static void
climber_probe(void *arg)
{
	struct climber *c = arg;

	c->stage = PROBING;
	c->v.leaves = false;
	link_call(&c->v.link, &ws_ops, c);
}

/* --- what all do ------------------------------------------------------------------ */

static void
climber_feed(void *arg)
{
	struct climber *c = arg;
	char text[80];
	unsigned i;

	timer_set(&c->feed, FEED_MS, climber_feed, c);
	c->fed += feeder_feed(c->v.id, c->fed, 0);
	for (i = 0; i < HEAVY && c->get.narrow && c->stage == POLLING &&
	    c->fed % 4 == 0; i++)
		c->fed += feeder_feed(c->v.id, c->fed, PADDING);
	if (c->waits || (c->stage != POLLING && c->stage != UP))
		return;
	c->waits = true;
	c->asked++;
	(void)snprintf(text, sizeof text, "42/x,%u[\"q\",%u]", c->asked,
	    c->asked);
	climber_say(&c->v, text);
}

static void
climber_here(struct visitor *v)
{
	char text[80];

	(void)snprintf(text, sizeof text,
	    "42/x,0[\"room:join\",{\"room\":\"r%u-%u\"}]", my_index, v->id);
	climber_say(v, text);
}

static void
climber_ack(struct visitor *v, int64_t id, const char *p, size_t n)
{
	struct climber *c = (struct climber *)v;

	if (c->stage == OPENING) {
		c->stage = POLLING;
		climber_feed(c);
		timer_set(&c->step, 300 + any(1500), climber_probe, c);
		return;
	}
	if (!c->waits || id != c->asked || number_of(p, n, "[") != c->asked)
		wrong(WRONG_ack, "climber", v->id, "%u: %lld %.*s", c->asked,
		    (long long)id, (int)n, p);
	c->waits = false;
}

static void
climber_event(struct visitor *v, const char *p, size_t n)
{
	struct climber *c = (struct climber *)v;
	int64_t i = number_of(p, n, "\"i\":");

	c->next = visitor_number(v, i, c->next, c->fed);
	count(COUNT_fed);
}

static const struct visitor_ops climber_ops = { .name = "climber",
	.here = climber_here, .event = climber_event, .ack = climber_ack,
	.say = climber_say };

/* --- its connections ------------------------------------------------------------------ */

static void
get_listen(void *arg)
{
	struct climber *c = arg;

	if (c->get.state == LINK_HTTP)
		link_listen(&c->get, true);
}

static void
get_again(struct climber *c)
{
	char target[200];

	if (c->stage >= DESCENDING) {
		climber_rest(c);
		return;
	}
	if (c->get.state == LINK_NONE) {
		link_call(&c->get, &get_ops, c);
		return;
	}
	target_of(c, "polling", target);
	c->getting = true;
	link_get(&c->get, target);
	if (c->get.narrow && c->stage == POLLING) {
		link_listen(&c->get, false);
		timer_set(&c->ear, any(600), get_listen, c);
	}
}

static void
get_open(struct link *l)
{
	get_again(l->arg);
}

static void
climber_opened(struct climber *c, const char *p, size_t n)
{
	const char *sid = memmem(p, n, "\"sid\":\"", 7), *end;

	end = sid == NULL ? NULL : memchr(sid + 7, '"', n - 7);
	if (end == NULL) {
		climber_failed(c, "GET", "no sid");
		return;
	}
	(void)snprintf(c->sid, sizeof c->sid, "%.*s", (int)(end - sid - 7),
	    sid + 7);
	climber_say(&c->v, "40/x,");
}

static void
get_http(struct link *l, unsigned status, const char *head, char *body,
    size_t n)
{
	struct climber *c = l->arg;
	char *p = body, *end = body + n, *stop;

	c->getting = false;
	if (status != 200) {
		climber_failed(c, "GET", head);
		return;
	}
	for (; p < end && c->stage != AWAY; p = stop + 1) {
		stop = memchr(p, '\x1e', (size_t)(end - p));
		if (stop == NULL)
			stop = end;
		if (*p == '0')
			climber_opened(c, p, (size_t)(stop - p));
		else if (*p != '6')
			visitor_take(&c->v, p, (size_t)(stop - p));
	}
	if (c->stage != AWAY && !l->last)
		get_again(c);
}

static void
get_closed(struct link *l, const char *why)
{
	struct climber *c = l->arg;

	if (!l->last || c->getting)
		climber_failed(c, "GET", why);
	else {
		count(COUNT_reopened);
		get_again(c);
	}
}

static void
post_open(struct link *l)
{
	post_flush(l->arg);
}

static void
post_http(struct link *l, unsigned status, const char *head, char *body,
    size_t n)
{
	struct climber *c = l->arg;

	c->posting = false;
	if (status != 200 || n != 2 || memcmp(body, "ok", 2) != 0) {
		climber_failed(c, "POST", head);
		return;
	}
	if (l->last)
		return;
	post_flush(c);
	climber_rest(c);
}

static void
post_closed(struct link *l, const char *why)
{
	struct climber *c = l->arg;

	if (!l->last || c->posting) {
		climber_failed(c, "POST", why);
		return;
	}
	count(COUNT_reopened);
	post_flush(c);
	climber_rest(c);
}

static void
ws_open(struct link *l)
{
	char target[200];

	target_of(l->arg, "websocket", target);
	link_open_ws(l, target, NULL);
}

static void
ws_http(struct link *l, unsigned status, const char *head, char *body,
    size_t n)
{
	(void)body;
	(void)n;
	if (status != 101)
		climber_failed(l->arg, "upgrade", head);
	else
		link_text(l, "2probe");
}

static void
ws_text(struct link *l, char *p, size_t n)
{
	struct climber *c = l->arg;

	if (n == 6 && memcmp(p, "3probe", 6) == 0 && c->stage == PROBING) {
		c->stage = DESCENDING;
		climber_rest(c);
	} else if (n == 1 && *p == '6')
		return;
	else
		visitor_take(&c->v, p, n);
}

static void
ws_binary(struct link *l, const uint8_t *p, size_t n)
{
	(void)p;
	(void)n;
	climber_failed(l->arg, "WebSocket", "bytes");
}

static void
ws_ping(struct link *l)
{
	(void)l;
}

static void
ws_closed(struct link *l, const char *why)
{
	struct climber *c = l->arg;

	if (!c->v.leaves) {
		climber_failed(c, "WebSocket", why);
		return;
	}
	count(COUNT_climbed);
	climber_end(c);
}

static void
climber_begin(void *arg)
{
	struct climber *c = arg;

	if (board->order >= ORDER_HUSH)
		return;
	if (!feeder_is_here() || board->order == ORDER_JOIN) {
		timer_set(&c->step, 200, climber_begin, c);
		return;
	}
	c->sid[0] = '\0';
	c->stage = OPENING;
	c->fed = c->next = c->asked = 0;
	c->waits = c->posting = c->getting = false;
	link_call(&c->get, &get_ops, c);
}

static const struct link_ops get_ops = { .open = get_open, .http = get_http,
	.closed = get_closed };
static const struct link_ops post_ops = { .open = post_open,
	.http = post_http, .closed = post_closed };
static const struct link_ops ws_ops = { .open = ws_open, .http = ws_http,
	.text = ws_text, .binary = ws_binary, .ping = ws_ping,
	.closed = ws_closed };

void
climbers_start(unsigned n)
{
	unsigned i;

	climbers = calloc(n + 1, sizeof *climbers);
	if (climbers == NULL)
		die("memory");
	nclimbers = n;
	for (i = 0; i < n; i++) {
		climbers[i].v.id = i;
		climbers[i].v.ops = &climber_ops;
		climbers[i].get.narrow = i % 4 == 0;
		climber_begin(&climbers[i]);
	}
}

/* They end their round, and all that they were fed has come. */
bool
climbers_hushed(void)
{
	unsigned i;

	for (i = 0; i < nclimbers; i++)
		if (climbers[i].stage != AWAY)
			return (false);
	return (true);
}
