/*
 * Plain bytes of a TLS connection, to and from a local socket; see tunnel.h.
 * Whoever can't take more stops the other side from being read.
 */
#include "worker/net/tunnel.h"

#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker/net/conn.h"
#include "worker/worker.h"

#define TUNNEL_QUEUED	(64u << 10)	/* bytes for the client */

struct tunnel {
	unsigned	 magic;
#define TUNNEL_MAGIC	0x70991e11
	struct conn	*c;
	struct loop_fd	 io;		/* our end */
};

static void
tunnel_watch(struct tunnel *t, unsigned events)
{
	if (t->io.events != events &&
	    loop_mod(t->c->w->loop, &t->io, events) == -1)
		conn_abort(t->c, REASON_memory);
}

/* --- from the other worker ----------------------------------------------- */

static void
tunnel_readable(struct tunnel *t)
{
	struct conn *c = t->c;
	struct worker *w = c->w;
	ssize_t n;

	n = recv(t->io.fd, w->rbuf, WORKER_RBUF, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(c, REASON_http_done);
		return;
	}
	conn_say(c, slice_of(w->rbuf, (size_t)n));
	if (outq_bytes(&c->outq) > TUNNEL_QUEUED)
		tunnel_watch(t, t->io.events & ~(unsigned)LOOP_IN);
}

void
tunnel_drained(struct conn *c)
{
	CHECK_MAGIC(c->tunnel, TUNNEL_MAGIC);
	tunnel_watch(c->tunnel, c->tunnel->io.events | LOOP_IN);
}

static void
tunnel_event(struct loop_fd *f, unsigned events)
{
	struct tunnel *t = container_of(f, struct tunnel, io);
	struct conn *c = t->c;

	CHECK_MAGIC(t, TUNNEL_MAGIC);
	if (c->parting)
		return;
	if (events & LOOP_OUT) {
		tunnel_watch(t, t->io.events & ~(unsigned)LOOP_OUT);
		c->stalled = false;
		conn_later(c, CONN_LATER_READ);
	}
	if (events & (LOOP_IN | LOOP_HUP))
		tunnel_readable(t);
}

/* --- to the other worker ------------------------------------------------- */

size_t
tunnel_input(struct conn *c, uint8_t *p, size_t n, size_t old)
{
	struct tunnel *t = c->tunnel;
	ssize_t r;

	(void)old;
	CHECK_MAGIC(t, TUNNEL_MAGIC);
	r = send(t->io.fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (r == -1 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS &&
	    errno != ENOMEM)
		return (n);	/* it has gone: its last words are read first */
	if (r == (ssize_t)n)
		return (n);
	c->stalled = true;
	tunnel_watch(t, t->io.events | LOOP_OUT);
	return (r > 0 ? (size_t)r : 0);
}

/* --- life ---------------------------------------------------------------- */

int
tunnel_open(struct conn *c)
{
	struct tunnel *t;
	int fds[2];

	t = calloc(1, sizeof *t);
	if (t == NULL)
		return (-1);
	t->io.fd = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    fds) == -1) {
		free(t);
		return (-1);
	}
	if (loop_add(c->w->loop, &t->io, fds[0], LOOP_IN, tunnel_event) == -1) {
		(void)close(fds[0]);
		(void)close(fds[1]);
		free(t);
		return (-1);
	}
	t->magic = TUNNEL_MAGIC;
	t->c = c;
	c->state = CONN_TUNNEL;
	c->tunnel = t;
	c->deadline.us = UINT64_MAX;	/* the other end has deadlines */
	return (fds[1]);
}

void
tunnel_parting(struct conn *c)
{
	struct tunnel *t = c->tunnel;

	CHECK_MAGIC(t, TUNNEL_MAGIC);
	c->tunnel = NULL;
	loop_del(c->w->loop, &t->io);
	(void)close(t->io.fd);
	t->magic = 0;
	free(t);
	conn_finish(c);
}
