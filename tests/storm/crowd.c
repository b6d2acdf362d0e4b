/*
 * A process of clients: each of its users' connections is made, comes back
 * when it is lost, and now and then leaves by itself (half of them say
 * goodbye).  While the gate is closed nobody sets out, and the process says
 * so when the last one has arrived.
 */
#include <sys/epoll.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storm.h"

#define IN_MAX		1024
#define FLYING_MAX	96	/* under way at the same time */
#define TICK_MS		5
#define EVENTS		256

struct client {
	struct link	 link;
	uint32_t	 id;		/* 2 * user + kind */
	bool		 up;
	bool		 bad;		/* was refused */
	uint64_t	 due_ms;	/* LINK_NONE: sets out */
};

struct place {
	struct board	*b;
	struct crowd	*me;
	unsigned	 which;
	int		 epoll;
	unsigned	 nclients, cursor;
	uint32_t	 sources;
	struct client	*client;
	char		*token;		/* TOKEN_MAX for each user */
	unsigned	 first;		/* user */
	double		 owed;		/* leaves of the churn */
};

static uint32_t
any(uint32_t below)
{
	static uint64_t x = 88172645463325252u;

	if (below == 0)
		return (0);
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return ((uint32_t)(x >> 32) % below);
}

static bool
is_sio(const struct client *c)
{
	return (c->id % 2 == 1);
}

static const char *
token_of(const struct place *p, const struct client *c)
{
	return (p->token + (size_t)(c->id / 2 - p->first) * TOKEN_MAX);
}

/* --- coming --------------------------------------------------------------- */

static void
arrived(struct place *p, struct client *c)
{
	c->up = true;
	atomic_store(&p->b->up_ms[c->id], (uint32_t)now_ms());
	atomic_fetch_sub(&p->me->flying, 1);
	atomic_fetch_add(&p->me->up, 1);
	atomic_fetch_add(&p->me->made, 1);
}

static void
refused(struct place *p, struct client *c, const char *text)
{
	if (atomic_fetch_add(&p->me->refused, 1) == 0)
		(void)snprintf(p->me->why, sizeof p->me->why, "%.200s", text);
	c->bad = true;
}

/* It is away; it sets out again when its time has come. */
static void
away(struct place *p, struct client *c)
{
	atomic_store(&p->b->held[c->id], 0);
	atomic_fetch_sub(c->up ? &p->me->up : &p->me->flying, 1);
	c->up = false;
	link_close(&c->link);
	c->due_ms = now_ms() + any(atomic_load(&p->b->jitter_ms));
}

static void
set_out(struct place *p, struct client *c)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
		.data.ptr = c };

	if (link_connect(&c->link, p->b->port, p->which + CROWDS_MAX *
	    (p->sources++ % 8)) == -1)
		die("connect: %s", strerror(errno));
	if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, c->link.fd, &e) == -1)
		die("epoll_ctl: %s", strerror(errno));
	c->bad = false;
	atomic_fetch_add(&p->me->flying, 1);
}

struct hearing {
	struct place	*p;
	struct client	*c;
};

static void
join_both(struct place *p, struct client *c)
{
	char text[TOKEN_MAX + 64];
	int n;

	n = snprintf(text, sizeof text, "40/storm,{\"token\":\"%s\"}",
	    token_of(p, c));
	(void)link_send(&c->link, text, (size_t)n);
	n = snprintf(text, sizeof text, "40/side,{\"token\":\"%s\"}",
	    token_of(p, c));
	(void)link_send(&c->link, text, (size_t)n);
}

static void
holds(struct place *p, struct client *c, unsigned bit)
{
	unsigned all = is_sio(c) ? HOLDS_STORM | HOLDS_SIDE : HOLDS_STORM;

	if ((atomic_fetch_or(&p->b->held[c->id], (uint8_t)bit) | bit) == all)
		arrived(p, c);
}

static void
heard(void *arg, char *text, size_t n)
{
	struct hearing *h = arg;
	struct client *c = h->c;

	if (!is_sio(c)) {
		if (text == NULL)
			holds(h->p, c, HOLDS_STORM);
		return;
	}
	if (text == NULL || n == 0)
		return;
	if (text[0] == '0')
		join_both(h->p, c);
	else if (text[0] == '2')
		(void)link_send(&c->link, "3", 1);
	else if (strncmp(text, "40/storm,", 9) == 0)
		holds(h->p, c, HOLDS_STORM);
	else if (strncmp(text, "40/side,", 8) == 0)
		holds(h->p, c, HOLDS_SIDE);
	else if (strncmp(text, "44/", 3) == 0)
		refused(h->p, c, text);
}

/* --- going ---------------------------------------------------------------- */

static void
leaves(struct place *p, struct client *c)
{
	atomic_fetch_add(&p->me->churned, 1);
	if (any(2) == 0) {
		away(p, c);
		return;
	}
	atomic_store(&p->b->held[c->id], 0);
	c->up = false;
	atomic_fetch_sub(&p->me->up, 1);
	atomic_fetch_add(&p->me->flying, 1);
	if (link_send_close(&c->link) == -1)
		away(p, c);
}

static void
churn(struct place *p)
{
	struct client *c;
	unsigned tries;

	p->owed += atomic_load(&p->b->churn) * (TICK_MS / 1000.0);
	for (tries = 0; p->owed >= 1 && tries < 1000; tries++) {
		c = &p->client[any(p->nclients)];
		if (!c->up)
			continue;
		leaves(p, c);
		p->owed--;
	}
}

/* --- the loop ------------------------------------------------------------- */

static void
event(struct place *p, struct client *c, uint32_t events)
{
	struct hearing h = { p, c };
	int r = 0;

	if (c->link.state == LINK_NONE)
		return;
	if (c->link.state == LINK_CONNECTING && (events & EPOLLOUT) != 0 &&
	    (events & (EPOLLERR | EPOLLHUP)) == 0)
		r = link_ask(&c->link, is_sio(c) ?
		    "/socket.io/?EIO=4&transport=websocket" : "/ws/storm",
		    is_sio(c) ? NULL : token_of(p, c));
	if (r == 0 && (events & ~(uint32_t)EPOLLOUT) != 0)
		r = link_read(&c->link, heard, &h);
	if (r == -2)
		refused(p, c, c->link.in);
	if (r < 0 || c->bad) {
		if (c->up || c->link.state != LINK_CLOSING)
			atomic_fetch_add(&p->me->cut, 1);
		away(p, c);
	}
}

static void
some_set_out(struct place *p)
{
	uint64_t now = now_ms();
	struct client *c;
	unsigned i;

	for (i = 0; i < p->nclients &&
	    atomic_load(&p->me->flying) < FLYING_MAX; i++) {
		c = &p->client[p->cursor];
		p->cursor = (p->cursor + 1) % p->nclients;
		if (c->link.state == LINK_NONE && c->due_ms <= now)
			set_out(p, c);
	}
}

static void
all_leave(struct place *p)
{
	unsigned i;

	for (i = 0; i < p->nclients; i++) {
		if (p->client[i].up)
			leaves(p, &p->client[i]);
	}
}

static void
turn(struct place *p, uint64_t *tick)
{
	struct epoll_event e[EVENTS];
	uint32_t gate = atomic_load(&p->b->gate);
	bool left = atomic_load(&p->b->leave);
	int i, n;

	n = epoll_wait(p->epoll, e, EVENTS, TICK_MS);
	for (i = 0; i < n; i++)
		event(p, e[i].data.ptr, e[i].events);
	if (left)
		all_leave(p);
	else if (gate % 2 == 1) {
		some_set_out(p);
		if (now_ms() >= *tick + TICK_MS) {
			*tick = now_ms();
			churn(p);
		}
	}
	if (n == 0 && atomic_load(&p->me->flying) == 0)
		atomic_store(&p->me->settled, gate);
}

static void
settle_in(struct place *p)
{
	unsigned i, last;
	char name[16], *in;

	p->first = p->b->users * p->which / p->b->ncrowds;
	last = p->b->users * (p->which + 1) / p->b->ncrowds;
	p->nclients = 2 * (last - p->first);
	p->client = calloc(p->nclients, sizeof *p->client);
	p->token = calloc(last - p->first, TOKEN_MAX);
	in = calloc(p->nclients, IN_MAX);
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (p->client == NULL || p->token == NULL || in == NULL ||
	    p->epoll == -1)
		die("crowd: out of memory");
	for (i = 0; i < p->nclients; i++) {
		p->client[i].id = 2 * p->first + i;
		link_init(&p->client[i].link, in + (size_t)i * IN_MAX,
		    IN_MAX);
	}
	for (i = 0; i < last - p->first; i++) {
		(void)snprintf(name, sizeof name, "u%05u", p->first + i);
		token_mint(name, p->token + (size_t)i * TOKEN_MAX);
	}
}

void
crowd_run(struct board *b, unsigned which)
{
	struct place p = { .b = b, .me = &b->crowd[which], .which = which };
	uint64_t tick = now_ms();

	for (unsigned i = 0; i < which * 7; i++)
		(void)any(2);
	settle_in(&p);
	for (;;)
		turn(&p, &tick);
}
