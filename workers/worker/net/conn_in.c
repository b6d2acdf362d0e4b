/*
 * A connection's input: the socket's bytes into the worker's one buffer, used
 * there, and only what is incomplete kept.  A connection at rest owns none.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>

#include "hub/work.h"
#include "shm/slots.h"
#include "worker/net/conn.h"
#include "worker/net/conn_int.h"
#include "worker/net/tls.h"
#include "worker/worker.h"

#define CONN_TLS_READS	8	/* reads of one connection a turn */

bool
conn_tail_keep(struct conn *c, const uint8_t *p, size_t n)
{
	struct conn_tail *t;
	size_t cap;

	MUST(n <= WORKER_RBUF);
	if (c->tail == NULL || c->tail->cap < n) {
		conn_tail_free(c);
		for (cap = 64; cap < n + sizeof *t; cap *= 2)
			continue;
		t = malloc(cap);
		if (t == NULL) {
			counter_add(COUNTER_memory_failures, 1);
			return (false);
		}
		t->cap = (uint32_t)(cap - sizeof *t);
		c->tail = t;
	}
	memcpy(c->tail->data, p, n);
	c->tail->n = (uint32_t)n;
	return (true);
}

bool
conn_read_again(struct conn *c, struct slice s)
{
	size_t kept = c->tail == NULL ? 0 : c->tail->n;
	uint8_t *both;
	bool ok;

	if (s.n + kept > WORKER_RBUF)
		return (false);
	both = malloc(s.n + kept + 1);
	if (both == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	memcpy(both, s.p, s.n);
	if (kept > 0)
		memcpy(both + s.n, c->tail->data, kept);
	ok = conn_tail_keep(c, both, s.n + kept);
	free(both);
	if (ok)
		conn_later(c, CONN_LATER_READ);
	return (ok);
}

/* Keep what could not be used yet. */
static void
conn_keep(struct conn *c, const uint8_t *p, size_t n)
{
	/* a WebSocket that is closed by us is still looked through */
	if (n == 0 || (c->parting && !conn_is_ws(c)))
		conn_tail_free(c);
	else if (!conn_tail_keep(c, p, n))
		conn_close(c, REASON_memory);
}

/* n bytes stand in the worker's buffer, the first `old` of them seen before. */
static void
conn_pump(struct conn *c, size_t n, size_t old)
{
	size_t (*input)(struct conn *, uint8_t *, size_t, size_t);
	uint8_t *p = c->w->rbuf;
	size_t used;

	do {
		input = c->w->hands[c->state].input;
		used = input != NULL ? input(c, p, n, old) : n;
		p += used;
		n -= used;
		old = old > used ? old - used : 0;
	} while (used > 0 && n > 0 && !conn_waits(c));
	conn_keep(c, p, n);
	if (n > 0 && work_done(c->w->work) && !c->parting && !c->stalled) {
		counter_add(COUNTER_input_deferred, 1);
		conn_later(c, CONN_LATER_READ);
	}
}

/* What was kept, at the front of the worker's buffer. */
static size_t
conn_unkeep(struct conn *c)
{
	if (c->tail == NULL)
		return (0);
	memcpy(c->w->rbuf, c->tail->data, c->tail->n);
	return (c->tail->n);
}

enum { CONN_EOF = -1, CONN_ERROR = -2, CONN_RESET = -3 };

/* > 0 bytes; 0 nothing now; or one of the above. */
static ssize_t
conn_read(struct conn *c, uint8_t *p, size_t room)
{
	ssize_t n;

	counter_add(COUNTER_read_calls, 1);
	if (c->tls != NULL) {
		errno = 0;
		n = tls_read(c->tls, p, room);
		if (n == TLS_WANT_READ || n == TLS_WANT_WRITE)
			return (0);
		if (n == TLS_GONE && (errno == ECONNRESET ||
		    errno == ETIMEDOUT))
			return (CONN_RESET);
		return (n > 0 ? n : n == TLS_GONE ? CONN_EOF : CONN_ERROR);
	}
	n = recv(c->io.fd, p, room, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return (0);
	return (n > 0 ? n : n == 0 ? CONN_EOF : CONN_RESET);
}

/* Nothing more will come.  Half a connection may still take an answer. */
static void
conn_gone(struct conn *c, ssize_t how)
{
	enum reason r = c->state == CONN_IDLE ? REASON_http_done :
	    how == CONN_RESET ? REASON_client_reset : REASON_client_gone;

	if (how == CONN_EOF && c->state < CONN_CLOSING) {
		conn_close(c, r);
	} else if (how == CONN_EOF && c->state == CONN_LINGER &&
	    c->outq.n > 0) {
		if (loop_mod(c->w->loop, &c->io, LOOP_OUT | CONN_TRIGGER) == -1)
			conn_abort(c, r);
	} else
		conn_abort(c, r);
}

/* One read and what follows from it; false: nothing more now. */
static bool
conn_fill(struct conn *c)
{
	struct worker *w = c->w;
	size_t old, room;
	ssize_t n;

	old = conn_unkeep(c);
	MUST(old < WORKER_RBUF);
	room = WORKER_RBUF - old; /* so what is left can always be kept */
	n = conn_read(c, w->rbuf + old, room);
	if (n == 0)
		return (false);
	if (n < 0) {
		conn_gone(c, n);
		return (false);
	}
	counter_add(COUNTER_bytes_in, (uint64_t)n);
	conn_pump(c, old + (size_t)n, old);
	/* TLS may hold more than the socket shows */
	return (c->tls != NULL ||
	    (CONN_TRIGGER != 0 && ((size_t)n == room || c->fin)));
}

static bool
conn_wants_input(const struct conn *c)
{
	return (c->state != CONN_DEAD && c->state > CONN_TLS &&
	    !conn_waits(c));
}

static void
conn_readable(struct conn *c)
{
	unsigned i;

	if (c->parting)
		return;
	if (c->state == CONN_PREAMBLE)
		c->w->hands[c->state].ready(c);
	if (c->state == CONN_TLS && !c->parting)
		conn_handshake(c);
	for (i = 0; conn_wants_input(c) && i < CONN_TLS_READS; i++)
		if (!conn_fill(c))
			return;
	if (!conn_held_up(c) && c->state != CONN_DEAD && c->state > CONN_TLS)
		conn_later(c, CONN_LATER_READ);	/* the next turn */
}

void
conn_event(struct loop_fd *f, unsigned events)
{
	struct conn *c = container_of(f, struct conn, io);

	conn_check(c);
	slot_does(c->w->row, SLOT_READING);
	counter_add(COUNTER_loop_events, 1);
	if (c->state == CONN_TLS && (events & LOOP_OUT))
		events |= LOOP_IN;
	else if (c->outq.blocked && (events & LOOP_OUT))
		conn_later(c, CONN_LATER_WRITE);
	if (events & LOOP_HUP)
		c->fin = true;
	/* one that has had its share of this turn is read in the next one */
	if ((events & (LOOP_IN | LOOP_HUP)) && !(c->later & CONN_LATER_READ)) {
		work_begin(c->w->work);
		conn_readable(c);
	}
}

void
conn_given(struct conn *c, size_t n)
{
	MUST(n <= WORKER_RBUF);
	if (!c->passage)
		counter_add(COUNTER_connections_handed_in, 1);
	work_begin(c->w->work);
	conn_pump(c, n, 0);
}

/* What was kept waits no longer: its response is out, or its share had. */
void
conn_resume(struct conn *c)
{
	size_t n;

	work_begin(c->w->work);
	if (c->tail != NULL && c->state > CONN_TLS &&
	    c->state != CONN_DEAD && !conn_waits(c)) {
		n = conn_unkeep(c);
		conn_pump(c, n, 0);
	}
	conn_readable(c);
}
