/*
 * Targets of hooks; see target.h.  Called by hooks.c and post.c.
 */
#include "relay/hooks/target.h"

#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "relay/hooks/address.h"
#include "relay/hooks/target_int.h"
#include "shm/counters.h"

#define TARGET_FOUND_MS	30000u	/* so long addresses are believed */
#define TARGET_CONNECTIONS 64L	/* kept open */

/* One of libcurl's sockets. */
struct target_socket {
	struct loop_fd	 io;
	struct target	*target;
};

/* --- addresses --------------------------------------------------------------*/

bool
target_allows(const struct target *t, const struct sockaddr *sa, socklen_t len)
{
	return (t->allow_private || address_is_public(sa, len));
}

void
target_doubt(struct target *t)
{
	t->found_ms = 0;
}

/* What may be connected to. */
static const char *
target_keep(struct target *t, const struct resolved *r)
{
	unsigned i;

	t->found.n = 0;
	for (i = 0; i < r->n; i++)
		if (target_allows(t, (const struct sockaddr *)&r->addrs[i].sa,
		    r->addrs[i].len))
			t->found.addrs[t->found.n++] = r->addrs[i];
	if (r->n == 0)
		return (r->why);
	if (t->found.n > 0)
		return (NULL);
	counter_add(COUNTER_hook_private, 1);
	return ("its address is private, and allow_private is false");
}

static void
target_on_resolved(struct resolve *v, const struct resolved *r)
{
	struct target *t = container_of(v, struct target, resolve);
	const char *why = target_keep(t, r);
	struct post *p;

	t->resolving = false;
	t->found_ms = why == NULL ? loop_now(t->loop).us / 1000 : 0;
	/* nobody is started again by what becomes of it */
	while ((p = TAILQ_FIRST(&t->waiting)) != NULL)
		if (why == NULL)
			p->calls->run(p);
		else
			p->calls->end(p, 0, why);
}

bool
target_find(struct target *t)
{
	if (t->found_ms != 0 && loop_now(t->loop).us / 1000 - t->found_ms <
	    TARGET_FOUND_MS)
		return (true);
	if (!t->resolving) {
		t->resolving = true;
		resolve_start(&t->resolve, t->host, t->port);
	}
	return (false);
}

/* --- libcurl ----------------------------------------------------------------*/

static void
target_read(struct target *t)
{
	struct CURLMsg *m;
	struct post *p;
	CURLcode code;
	int left;

	while ((m = curl_multi_info_read(t->multi, &left)) != NULL) {
		if (m->msg != CURLMSG_DONE)
			continue;
		code = m->data.result;
		p = NULL;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &p);
		MUST(p != NULL);
		p->calls->over(p, code);
	}
}

static void
target_act(struct target *t, curl_socket_t fd, int what)
{
	int running;

	(void)curl_multi_socket_action(t->multi, fd, what, &running);
	target_read(t);
}

static void
target_on_socket(struct loop_fd *f, unsigned events)
{
	struct target_socket *s = container_of(f, struct target_socket, io);
	int what = 0;

	if (events & (LOOP_IN | LOOP_HUP))
		what |= CURL_CSELECT_IN;
	if (events & LOOP_OUT)
		what |= CURL_CSELECT_OUT;
	if ((events & LOOP_HUP) != 0)
		what |= CURL_CSELECT_ERR;
	target_act(s->target, f->fd, what);	/* and s may be gone */
}

static void
target_on_timer(struct timer *timer, struct mono now)
{
	struct target *t = container_of(timer, struct target, timer);

	(void)now;
	target_act(t, CURL_SOCKET_TIMEOUT, 0);
}

/* Not from within libcurl, which calls this. */
static int
target_set_timer(CURLM *multi, long ms, void *arg)
{
	struct target *t = arg;

	(void)multi;
	t->kick = ms == 0;
	if (ms <= 0)
		timer_stop(loop_wheel(t->loop), &t->timer);
	else
		timer_start(loop_wheel(t->loop), &t->timer,
		    mono_add_ms(loop_now(t->loop), (uint64_t)ms),
		    target_on_timer);
	return (0);
}

static unsigned
target_events(int what)
{
	return ((what & CURL_POLL_IN ? LOOP_IN : 0u) |
	    (what & CURL_POLL_OUT ? LOOP_OUT : 0u));
}

/* -1: it cannot be watched, and the transfer fails. */
static int
target_watch(struct target *t, curl_socket_t fd, unsigned events)
{
	struct target_socket *s = calloc(1, sizeof *s);

	if (s == NULL || loop_add(t->loop, &s->io, fd, events,
	    target_on_socket) == -1) {
		counter_add(COUNTER_memory_failures, 1);
		free(s);
		return (-1);
	}
	s->target = t;
	(void)curl_multi_assign(t->multi, fd, s);
	return (0);
}

static int
target_set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *own)
{
	struct target_socket *s = own;
	struct target *t = arg;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s != NULL)
			loop_del(t->loop, &s->io);
		free(s);
		(void)curl_multi_assign(t->multi, fd, NULL);
		return (0);
	}
	if (s == NULL)
		return (target_watch(t, fd, target_events(what)));
	return (loop_mod(t->loop, &s->io, target_events(what)));
}

/* --- turns ------------------------------------------------------------------*/

bool
target_busy(const struct target *t)
{
	return (t->kick);
}

void
target_turn(struct target *t)
{
	CHECK_MAGIC(t, TARGET_MAGIC);
	if (!t->kick)
		return;
	t->kick = false;
	target_act(t, CURL_SOCKET_TIMEOUT, 0);
}

void
target_limit(struct target *t, unsigned connections)
{
	long n = (long)connections;

	CHECK_MAGIC(t, TARGET_MAGIC);
	if (t->connections == connections)
		return;
	t->connections = connections;
	(void)curl_multi_setopt(t->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, n);
	(void)curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS,
	    n < TARGET_CONNECTIONS ? n : TARGET_CONNECTIONS);
}

/* --- birth and death --------------------------------------------------------*/

bool
target_is(const struct target *t, const struct conf_hook *hook)
{
	return (strcmp(t->url, hook->url) == 0 &&
	    strcmp(t->ca, hook->ca) == 0 &&
	    t->allow_private == hook->allow_private);
}

static bool
target_open(struct target *t)
{
	static bool begun;	/* for this process */

	if (!begun && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return (false);
	begun = true;
	t->multi = curl_multi_init();
	return (t->multi != NULL &&
	    curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION,
	    target_set_socket) == CURLM_OK &&
	    curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t) == CURLM_OK &&
	    curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION,
	    target_set_timer) == CURLM_OK &&
	    curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t) == CURLM_OK);
}

struct target *
target_new(struct loop *loop, const struct conf_hook *hook)
{
	struct target *t = calloc(1, sizeof *t);

	if (t == NULL)
		return (NULL);
	t->magic = TARGET_MAGIC;
	t->loop = loop;
	t->url = strdup(hook->url);
	t->host = strdup(hook->host);
	t->ca = strdup(hook->ca);
	t->port = hook->port;
	t->allow_private = hook->allow_private;
	TAILQ_INIT(&t->waiting);
	TAILQ_INIT(&t->running);
	resolve_init(&t->resolve, loop, target_on_resolved);
	if (t->url == NULL || t->host == NULL || t->ca == NULL ||
	    !target_open(t))
		target_free(&t);
	return (t);
}

void
target_free(struct target **tp)
{
	struct target *t = *tp;

	if (t == NULL)
		return;
	*tp = NULL;
	CHECK_MAGIC(t, TARGET_MAGIC);
	MUST(TAILQ_EMPTY(&t->waiting) && TAILQ_EMPTY(&t->running));
	resolve_stop(&t->resolve);
	if (t->multi != NULL)
		(void)curl_multi_cleanup(t->multi);
	timer_stop(loop_wheel(t->loop), &t->timer);
	free(t->url);
	free(t->host);
	free(t->ca);
	t->magic = 0;
	free(t);
}
