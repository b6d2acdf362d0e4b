/*
 * What the hub asks of its host: a client is on a connection, or on a session
 * over HTTP.  See hub/ports.h.
 */
#include "worker/roof.h"

#include <sys/random.h>

#include <errno.h>
#include <string.h>

#include "hub/client.h"
#include "worker/endpoint/api.h"
#include "worker/endpoint/status.h"
#include "worker/engineio/polling.h"
#include "worker/http/refusal.h"
#include "worker/longpoll/longpoll.h"
#include "worker/net/bus_port.h"
#include "worker/net/conn.h"
#include "worker/sockjs/sockjs.h"

/* A client lives on a connection, or on a session over polling. */
static void *
port_host_of(const struct client *cl)
{
	return (container_of(client_out(cl), struct host, outq));
}

/* What its client is, is told now: its session may go in a moment. */
static void
port_close_conn(struct conn *c, const struct client *cl, enum reason r)
{
	conn_close(c, r);
	if (c->parting && !c->frozen && !c->recorded)
		conn_record_end(c, cl);
}

static void
port_close(void *host, struct client *cl, enum reason r)
{
	struct host *h = port_host_of(cl);

	(void)host;
	if (h->magic == POLLER_MAGIC)
		polling_close(port_host_of(cl), r);
	else if (h->magic == SOCKJS_MAGIC)
		sockjs_close(port_host_of(cl), r);
	else
		port_close_conn(port_host_of(cl), cl, r);
}

static void
port_rearm(void *host, struct client *cl)
{
	struct host *h = port_host_of(cl);

	(void)host;
	if (h->magic == POLLER_MAGIC)
		polling_rearm(port_host_of(cl));
	else if (h->magic == SOCKJS_MAGIC)
		sockjs_rearm(port_host_of(cl));
	else
		conn_rearm(port_host_of(cl));
}

static bool
port_bus_send(void *host, const struct bus_envelope *e)
{
	struct worker *w = host;

	return (bus_port_send(w->bus, e));
}

static bool
port_bus_is_behind(void *host)
{
	const struct worker *w = host;

	return (bus_port_is_behind(w->bus));
}

static bool
port_redis_is_away(void *host)
{
	return (status_redis_is_away(host));
}

static void
port_flush(void *host, struct outq *q)
{
	const unsigned magic = container_of(q, struct host, outq)->magic;

	(void)host;
	if (magic == POLLER_MAGIC)
		polling_flush(q);
	else if (magic == SOCKJS_MAGIC)
		sockjs_flush(q);
	else
		conn_flush(q);
}

/* One that has no number has not been told of: it opens in a moment, with all
 * this. */
static void
port_noted(void *host, struct client *cl, const struct client_noted *n)
{
	struct host *h = port_host_of(cl);

	(void)host;
	if (h->magic == POLLER_MAGIC)
		polling_note(port_host_of(cl), n);
	else if (h->magic == SOCKJS_MAGIC)
		sockjs_note(port_host_of(cl), n);
	else
		conn_record_note(port_host_of(cl), n);
}

static void
port_refill(uint8_t *p, size_t n)
{
	ssize_t r;

	while (n > 0) {
		r = getrandom(p, n, 0);
		if (r == -1 && errno == EINTR)
			continue;
		MUST(r > 0);
		p += r;
		n -= (size_t)r;
	}
}

/* Bytes of the kernel's generator, buffered. */
static void
port_random(void *host, void *p, size_t n)
{
	struct worker *w = host;
	uint8_t *from;

	if (n > sizeof w->random) {
		port_refill(p, n);
		return;
	}
	if (n > w->nrandom) {
		port_refill(w->random, sizeof w->random);
		w->nrandom = sizeof w->random;
	}
	w->nrandom -= n;
	from = w->random + w->nrandom;
	memcpy(p, from, n);
	explicit_bzero(from, n);	/* each byte once */
}

struct hub_ports
worker_ports(struct worker *w)
{
	return ((struct hub_ports){ .host = w, .close = port_close,
		.rearm = port_rearm,
		.bus_send = port_bus_send,
		.bus_is_behind = port_bus_is_behind,
		.redis_is_away = port_redis_is_away,
		.flush = port_flush,
		.answered = api_answered,
		.polled = longpoll_answered,
		.heard = request_heard,
		.refused = refusal_token,
		.unpublished = refusal_publish,
		.noted = port_noted,
		.random = port_random });
}
