/*
 * Clients that watch: each block of users is watched by two, on different
 * workers, so that when one of those is killed the other has heard everything.
 * What they are told is checked as it comes: a leave never twice in a row,
 * and never of somebody who is there.  Users without any connection must be
 * believed to be offline; storm.c compares.
 */
#include <sys/epoll.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storm.h"

#define IN_MAX		(256 * 1024)
#define TICK_MS		5

enum { ASK_PING = 1, ASK_WATCH, ASK_GET };

struct watcher {
	struct watch	*all;
	struct link	 link;
	unsigned	 block, replica;
	unsigned	 worker;	/* 0: not known */
	bool		 live;
	bool		 bad;		/* to be closed */
	uint8_t		 last[BLOCK];	/* enum seen, of this connection */
};

struct watch {
	struct board	*b;
	struct watching	*me;
	int		 epoll;
	uint32_t	 asked;
	char		 token[TOKEN_MAX];
	unsigned	 nwatchers;
	struct watcher	*w;
};

static void
refused(struct watcher *w, const char *text)
{
	struct watching *me = w->all->me;

	if (atomic_fetch_add(&me->refused, 1) == 0)
		(void)snprintf(me->why, sizeof me->why, "%.200s", text);
	w->bad = true;
}

static void
ask_users(struct watcher *w, const char *event, int id)
{
	static char text[BLOCK * 16];
	unsigned i, u, last;
	int n;

	n = snprintf(text, sizeof text, "{\"event\":\"%s\",\"id\":%d,"
	    "\"data\":{\"users\":[", event, id);
	last = (w->block + 1) * BLOCK;
	if (last > w->all->b->users)
		last = w->all->b->users;
	for (i = 0, u = w->block * BLOCK; u < last; i++, u++)
		n += snprintf(text + n, sizeof text - (size_t)n,
		    "%s\"u%05u\"", i == 0 ? "" : ",", u);
	n += snprintf(text + n, sizeof text - (size_t)n, "]}}");
	if (link_send(&w->link, text, (size_t)n) == -1)
		w->bad = true;
}

/* --- what it hears -------------------------------------------------------- */

/* Is one of the user's sessions there for so long that no leave is true? */
static bool
is_there(struct board *b, unsigned user)
{
	uint32_t now = (uint32_t)now_ms(), i;

	for (i = 2 * user; i < 2 * user + 2; i++)
		if ((atomic_load(&b->held[i]) & HOLDS_STORM) != 0 &&
		    now - atomic_load(&b->up_ms[i]) > b->grace_ms + 2000)
			return (true);
	return (false);
}

static void
update(struct watcher *w, unsigned user, bool online)
{
	struct board *b = w->all->b;
	struct watching *me = w->all->me;
	uint8_t *last = &w->last[user - w->block * BLOCK];
	uint8_t is = online ? SEEN_ONLINE : SEEN_OFFLINE;
	unsigned at = w->replica * b->users + user;

	if (*last == is) {
		if (atomic_fetch_add(&me->twice, 1) == 0)
			(void)snprintf(me->why, sizeof me->why,
			    "u%05u %s twice", user, online ? "online" :
			    "offline");
	}
	*last = is;
	atomic_fetch_add(online ? &me->joins : &me->leaves, 1);
	if (!online && is_there(b, user))
		atomic_fetch_add(&me->untrue, 1);
	atomic_store(&b->belief[at], online);
}

/* {"user":"u00001","status":"online","connections":2, ...: the next one. */
static char *
entry(char *p, unsigned *user, bool *online, unsigned *connections)
{
	char *q;

	p = strstr(p, "{\"user\":\"u");
	if (p == NULL)
		return (NULL);
	*user = (unsigned)strtoul(p + 10, &q, 10);
	if (strncmp(q, "\",\"status\":\"", 12) != 0)
		die("not an entry: %.60s", p);
	*online = strncmp(q + 12, "offline\"", 8) != 0;
	q = strstr(q, "\"connections\":");
	if (q == NULL)
		die("no connections: %.60s", p);
	*connections = (unsigned)strtoul(q + 14, &q, 10);
	return (q);
}

static void
place(struct watcher *w, char *text)
{
	char *p = strstr(text, "\"worker\":");
	struct watcher *other = &w->all->w[w - w->all->w + (w->replica == 0 ?
	    1 : -1)];

	if (p == NULL) {
		refused(w, text);
		return;
	}
	w->worker = (unsigned)strtoul(p + 9, NULL, 10);
	if (other->worker == w->worker)
		w->bad = true;		/* elsewhere, please */
	else
		ask_users(w, "presence:watch", ASK_WATCH);
}

static void
answer(struct watcher *w, int id, char *text)
{
	struct board *b = w->all->b;
	unsigned user, n = 0, connections;
	bool online;
	char *p = text;

	if (strstr(text, "\"error\"") != NULL) {
		refused(w, text);
		return;
	}
	while ((p = entry(p, &user, &online, &connections)) != NULL) {
		if (user / BLOCK != w->block)
			die("watcher %u is told of u%05u", w->block, user);
		n++;
		if (id == ASK_WATCH)
			atomic_store(&b->belief[w->replica * b->users + user],
			    online);
		else
			atomic_store(&b->told[user], (uint16_t)connections);
	}
	if (id == ASK_WATCH) {
		w->live = true;
		atomic_fetch_add(&w->all->me->live, 1);
	} else
		atomic_fetch_add(&w->all->me->answered, n);
}

static void
heard(void *arg, char *text, size_t n)
{
	struct watcher *w = arg;
	static const char ping[] = "{\"event\":\"roost:ping\",\"id\":1}";
	unsigned user, connections;
	bool online;

	if (text == NULL) {
		atomic_fetch_add(&w->all->me->up, 1);
		if (link_send(&w->link, ping, sizeof ping - 1) == -1)
			w->bad = true;
	} else if (strncmp(text, "{\"ack\":1,", 9) == 0)
		place(w, text);
	else if (n > 9 && strncmp(text, "{\"ack\":", 7) == 0)
		answer(w, text[7] - '0', text);
	else if (strstr(text, "\"presence:update\"") != NULL) {
		if (entry(text, &user, &online, &connections) == NULL ||
		    user / BLOCK != w->block)
			refused(w, text);
		else
			update(w, user, online);
	} else
		refused(w, text);
}

/* --- coming and going ----------------------------------------------------- */

static void
away(struct watcher *w)
{
	if (w->link.state >= LINK_OPEN)
		atomic_fetch_sub(&w->all->me->up, 1);
	if (w->live)
		atomic_fetch_sub(&w->all->me->live, 1);
	w->live = false;
	w->bad = false;
	w->worker = 0;
	memset(w->last, SEEN_NONE, sizeof w->last);
	link_close(&w->link);
}

static void
set_out(struct watcher *w)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
		.data.ptr = w };

	if (link_connect(&w->link, w->all->b->port, CROWDS_MAX - 1) == -1)
		die("connect: %s", strerror(errno));
	if (epoll_ctl(w->all->epoll, EPOLL_CTL_ADD, w->link.fd, &e) == -1)
		die("epoll_ctl: %s", strerror(errno));
}

static void
event(struct watcher *w, uint32_t events)
{
	int r = 0;

	if (w->link.state == LINK_NONE)
		return;
	if (w->link.state == LINK_CONNECTING && (events & EPOLLOUT) != 0 &&
	    (events & (EPOLLERR | EPOLLHUP)) == 0)
		r = link_ask(&w->link, "/ws/storm", w->all->token);
	if (r == 0 && (events & ~(uint32_t)EPOLLOUT) != 0)
		r = link_read(&w->link, heard, w);
	if (r == -2)
		refused(w, w->link.in);
	if (r < 0 || w->bad)
		away(w);
}

static void
turn(struct watch *a)
{
	struct epoll_event e[64];
	uint32_t gate = atomic_load(&a->b->gate);
	uint32_t asked = atomic_load(&a->b->asked);
	unsigned i, live = 0;
	int j, n;

	n = epoll_wait(a->epoll, e, 64, TICK_MS);
	for (j = 0; j < n; j++)
		event(e[j].data.ptr, e[j].events);
	for (i = 0; i < a->nwatchers; i++) {
		struct watcher *w = &a->w[i];

		if (atomic_load(&a->b->leave)) {
			if (w->link.state != LINK_NONE)
				away(w);
		} else if (w->link.state == LINK_NONE)
			set_out(w);
		live += w->live;
	}
	if (n == 0 && (live == a->nwatchers || atomic_load(&a->b->leave)))
		atomic_store(&a->me->settled, gate);
	if (asked != a->asked && live == a->nwatchers) {
		a->asked = asked;
		/* either of the two */
		for (i = asked % REPLICAS; i < a->nwatchers; i += REPLICAS)
			ask_users(&a->w[i], "presence:get", ASK_GET);
	}
}

void
watch_run(struct board *b)
{
	struct watch a = { .b = b, .me = &b->watching };
	unsigned i;
	char *in;

	a.nwatchers = b->nblocks * REPLICAS;
	a.w = calloc(a.nwatchers, sizeof *a.w);
	in = calloc(a.nwatchers, IN_MAX);
	a.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (a.w == NULL || in == NULL || a.epoll == -1)
		die("watch: out of memory");
	token_mint("watcher", a.token);
	for (i = 0; i < a.nwatchers; i++) {
		a.w[i].all = &a;
		a.w[i].block = i / REPLICAS;
		a.w[i].replica = i % REPLICAS;
		link_init(&a.w[i].link, in + (size_t)i * IN_MAX, IN_MAX);
	}
	for (;;)
		turn(&a);
}
