/*
 * New connections.  Level-triggered, a limited number per turn, so that a
 * storm of connects leaves time for those who are connected.
 */
#include "worker/accept.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include "shm/stats.h"
#include "sys/log.h"
#include "worker/conn.h"
#include "worker/tls.h"
#include "worker/worker.h"

#define ACCEPT_BUDGET	128	/* per listener and turn */
#define ACCEPT_BUDGET_TLS 16	/* each costs a handshake */
#define ACCEPT_REFUSALS	256	/* refused ones told at the same time */
#define ACCEPT_REFUSE_MS 1000	/* given to read that */
#define ACCEPT_BACKOFF_MS 100

static const char accept_full[] =
    "HTTP/1.1 503 Service Unavailable\r\n"
    "Connection: close\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 67\r\n"
    "Retry-After: 5\r\n"
    "\r\n"
    "{\"error\":{\"code\":\"unavailable\","
    "\"message\":\"too many connections\"}}\r\n";

static void
accept_watch(struct worker *w, bool on)
{
	struct listener *l;
	size_t i;

	if (w->listening == on)
		return;
	w->listening = on;
	for (i = 0; i < w->nlisteners; i++) {
		l = &w->listeners[i];
		if (loop_mod(w->loop, &l->io, on ? LOOP_IN : 0) == -1)
			log_warn("listener_watch");
	}
}

/* --- too many ------------------------------------------------------------ */

static bool
accept_over_limit(const struct worker *w)
{
	return (w->nconns + w->open_elsewhere >= w->conf->limit_connections);
}

/*
 * Tell the client, then wait a little for it to go: bytes that nobody read
 * would reset the answer away.  Over TLS that is not worth a handshake.
 */
static void
accept_refuse(struct worker *w, struct listener *l, int fd,
    const struct sockaddr_storage *ss)
{
	struct conn *c;

	counter_add(COUNTER_refused_limit, 1);
	if (l->tls != NULL || w->refusals >= ACCEPT_REFUSALS) {
		(void)close(fd);
		return;
	}
	c = conn_new(w, fd, NULL, ss);
	if (c == NULL)
		return;
	c->refused = true;
	w->refusals++;
	c->half = true;
	counter_add(COUNTER_http_5xx, 1);
	conn_say(c, slice_str(accept_full));
	conn_close(c, REASON_too_many_requests);
}

/* --- too few descriptors ------------------------------------------------- */

/* One waits and cannot be accepted: give up the reserve to tell it so. */
static void
accept_starved(struct worker *w, struct listener *l)
{
	int fd;

	counter_add(COUNTER_accept_failed, 1);
	if (!w->short_of_fds) {
		w->short_of_fds = true;
		log_warn("accept_short open=%zu", w->nconns);
	}
	if (w->reserve_fd != -1) {
		(void)close(w->reserve_fd);
		fd = accept4(l->io.fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd != -1) {
			counter_add(COUNTER_refused_memory, 1);
			if (l->tls == NULL)
				(void)send(fd, accept_full,
				    sizeof accept_full - 1,
				    MSG_DONTWAIT | MSG_NOSIGNAL);
			(void)close(fd);
		}
		w->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	w->accept_again = mono_add_ms(w->now, ACCEPT_BACKOFF_MS);
	accept_watch(w, false);
}

static void
accept_recovered(struct worker *w)
{
	if (!w->short_of_fds)
		return;
	w->short_of_fds = false;
	log_info("accept_recovered open=%zu", w->nconns);
}

/* --- one ----------------------------------------------------------------- */

/* false: nothing more to accept now. */
static bool
accept_one(struct worker *w, struct listener *l)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof ss;
	const int on = 1;
	int fd;

	fd = accept4(l->io.fd, (struct sockaddr *)&ss, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			accept_starved(w, l);
		/* the rest: none there, or it has gone already */
		return (errno == ECONNABORTED || errno == EINTR);
	}
	accept_recovered(w);
	counter_add(COUNTER_connections_accepted, 1);
	if (l->tcp)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (accept_over_limit(w)) {
		accept_refuse(w, l, fd, &ss);
		return (true);
	}
	if (conn_new(w, fd, l->tls, &ss) == NULL)
		counter_add(COUNTER_refused_memory, 1);
	return (true);
}

static void
accept_event(struct loop_fd *f, unsigned events)
{
	struct listener *l = container_of(f, struct listener, io);
	unsigned i, budget;

	(void)events;
	budget = l->tls != NULL ? ACCEPT_BUDGET_TLS : ACCEPT_BUDGET;
	for (i = 0; i < budget && l->w->listening; i++)
		if (!accept_one(l->w, l))
			break;
}

/* --- all ----------------------------------------------------------------- */

static void
accept_open_one(struct worker *w, const struct heritage_listener *hl)
{
	const struct conf_listen *cl = &w->conf->listens[hl->index];
	const struct heritage_tls *ht;
	struct listener *l = &w->listeners[w->nlisteners++];
	const char *why;

	l->w = w;
	l->io.fd = -1;
	l->tcp = cl->addr.ss_family != AF_UNIX;
	if (cl->tls) {
		MUST(w->h->tls != NULL);
		ht = &w->h->tls[hl->index];
		l->tls = tls_ctx_new(ht->certificate, ht->key,
		    w->h->tls_ticket_key, &why);
		if (l->tls == NULL)
			fatalx(EX_CONFIG, "listen address=%s tls=\"%s\"",
			    cl->text, why);
	}
	if (loop_add(w->loop, &l->io, hl->fd, LOOP_IN, accept_event) == -1)
		fatal("listen address=%s", cl->text);
}

void
accept_open(struct worker *w)
{
	size_t i;

	w->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (i = 0; i < w->h->nlisteners; i++)
		accept_open_one(w, &w->h->listeners[i]);
	w->listening = true;
	accept_tick(w);
}

void
accept_close(struct worker *w)
{
	struct listener *l;
	size_t i;

	w->listening = false;
	for (i = 0; i < w->nlisteners; i++) {
		l = &w->listeners[i];
		loop_del(w->loop, &l->io);
		(void)close(l->io.fd);
		/* the connections' TLS objects hold what they need */
		tls_ctx_free(&l->tls);
	}
	w->nlisteners = 0;
	if (w->reserve_fd != -1)
		(void)close(w->reserve_fd);
	w->reserve_fd = -1;
}

void
accept_tick(struct worker *w)
{
	uint64_t all, ours;

	all = stats_total(w->h->stats, COUNTER_connections_open);
	ours = counter_get(COUNTER_connections_open);
	w->open_elsewhere = all > ours ? all - ours : 0;
	if (w->nlisteners > 0 && !w->listening &&
	    w->accept_again.us <= w->now.us) {
		if (w->reserve_fd == -1)
			w->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		accept_watch(w, true);
	}
}
