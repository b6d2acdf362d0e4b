/*
 * A connection's output: the hub's queue to the socket, at the end of the
 * turn.  The common case is one run of bytes and one send(2).
 */
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>

#include "worker/net/conn.h"
#include "worker/net/conn_int.h"
#include "worker/net/tls.h"
#include "worker/worker.h"

#define CONN_IOV	64	/* runs per sendmsg */
#define CONN_PROGRESS	4096	/* bytes that show a reader is alive */

void
conn_say(struct conn *c, struct slice s)
{
	if (!out_bytes(c->w->out, &c->outq, s))
		conn_abort(c, REASON_memory);
}

/* Small runs become one record; TLS_WANT_WRITE and the like as in tls.h. */
static ssize_t
conn_write_tls(struct conn *c, size_t *want)
{
	struct iovec iov[CONN_IOV];
	struct slice s;
	unsigned i, n;
	size_t len, take;

	if (c->outq.n == 1 && outq_peek(&c->outq, &s)) {
		*want = s.n;
		return (tls_write(c->tls, s.p, s.n));
	}
	n = outq_iov(&c->outq, iov, CONN_IOV);
	for (i = 0, len = 0; i < n && len < CONN_TLS_RECORD; i++) {
		take = iov[i].iov_len;
		if (take > CONN_TLS_RECORD - len)
			take = CONN_TLS_RECORD - len;
		memcpy(c->w->tlsbuf + len, iov[i].iov_base, take);
		len += take;
	}
	*want = len;
	return (tls_write(c->tls, c->w->tlsbuf, len));
}

static ssize_t
conn_write_iov(struct conn *c, size_t *want)
{
	struct iovec iov[CONN_IOV];
	struct msghdr mh = { .msg_iov = iov };
	unsigned i, n;

	n = outq_iov(&c->outq, iov, CONN_IOV);
	for (i = 0, *want = 0; i < n; i++)
		*want += iov[i].iov_len;
	mh.msg_iovlen = n;
	return (sendmsg(c->io.fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/* One system call's worth. > 0 taken; 0 not now; -1 the socket is dead. */
static ssize_t
conn_write(struct conn *c, size_t *want)
{
	struct slice s;
	ssize_t n;

	if (c->tls != NULL) {
		n = conn_write_tls(c, want);
		if (n == TLS_WANT_WRITE || n == TLS_WANT_READ)
			return (0);
		return (n > 0 ? n : -1);
	}
	if (c->outq.n == 1 && outq_peek(&c->outq, &s)) {
		*want = s.n;
		n = send(c->io.fd, s.p, s.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else
		n = conn_write_iov(c, want);
	if (n == -1 && (errno == EAGAIN || errno == EINTR ||
	    errno == ENOBUFS || errno == ENOMEM))
		return (0);
	return (n);
}

/* One message is always taken, however large messages may be, and our ping may
 * come behind it; so is one response, since the next request waits for it.  A
 * tunnel has a limit. */
static bool
conn_too_far_behind(const struct conn *c)
{
	return (conn_is_client(c) &&
	    outq_behind(&c->outq) > c->w->conf->send_queue_bytes);
}

bool
conn_is_behind(const struct worker *w, const struct outq *q)
{
	return (outq_bytes(q) > w->conf->send_queue_bytes / 2);
}

/* What waits for a socket that is full; the rest goes out this turn. */
void
conn_waiting(struct conn *c, uint64_t bytes)
{
	uint64_t kib = (bytes + 1023) / 1024;
	uint16_t n = kib > UINT16_MAX ? UINT16_MAX : (uint16_t)kib;

	if (n == c->waiting)
		return;
	counter_sub(COUNTER_send_queue_bytes, (uint64_t)c->waiting * 1024);
	counter_add(COUNTER_send_queue_bytes, (uint64_t)n * 1024);
	c->waiting = n;
}

/* What waited for its queue to be shorter goes on. */
static void
conn_drained(struct conn *c)
{
	const struct conn_hand *hand = &c->w->hands[c->state];

	if (hand->drained != NULL)
		hand->drained(c);
	/* what is behind a request that is held waits for its response, not
	 * for the one before */
	if (c->stalled && c->state != CONN_HELD && c->state != CONN_AWAITS &&
	    c->state != CONN_HEARING) {
		c->stalled = false;
		conn_later(c, CONN_LATER_READ);
	}
}

static uint32_t
conn_in_kernel(const struct conn *c)
{
	int n;

	if (ioctl(c->io.fd, TIOCOUTQ, &n) == -1)
		return (0);
	return ((uint32_t)n);
}

/* It is being read, so it has all of its time. */
static void
conn_be_patient(struct conn *c)
{
	c->blocked_until = mono_add_ms(c->w->now,
	    c->w->conf->slow_consumer_timeout_ms);
	if (c->state == CONN_LINGER)
		c->deadline = c->blocked_until;
	conn_rearm(c);
}

/*
 * The kernel says that there is room again when a third of its buffer is free,
 * which may be a megabyte, and more than a slow reader takes in this time.
 */
bool
conn_is_read(struct conn *c)
{
	uint32_t n = conn_in_kernel(c);

	if (c->in_kernel < CONN_PROGRESS || n > c->in_kernel - CONN_PROGRESS)
		return (false);
	c->in_kernel = n;
	conn_be_patient(c);
	return (true);
}

/* The socket is full: wait for room, and not for ever. */
static void
conn_block(struct conn *c, size_t moved)
{
	struct worker *w = c->w;

	if (!c->outq.blocked) {
		counter_add(COUNTER_write_blocked, 1);
		outq_block(w->out, &c->outq);
	}
	conn_waiting(c, outq_bytes(&c->outq));
	if (!(c->io.events & LOOP_OUT) || moved >= CONN_PROGRESS) {
		c->in_kernel = conn_in_kernel(c);
		conn_be_patient(c);
	}
	/* requests wait for the response; frames are read all the same */
	if (loop_mod(w->loop, &c->io, CONN_TRIGGER | LOOP_OUT |
	    (conn_is_http(c) ? 0 : LOOP_IN)) == -1)
		conn_abort(c, REASON_memory);
	if (conn_too_far_behind(c))
		conn_abort(c, REASON_slow_consumer);
	else if (c->stalled && conn_is_ws(c) && !conn_is_behind(w, &c->outq))
		conn_drained(c);	/* its heartbeat is to be heard */
}

static void
conn_unblock(struct conn *c)
{
	struct worker *w = c->w;

	outq_unblock(w->out, &c->outq);
	c->since_us = (uint32_t)w->now.us;
	conn_waiting(c, 0);
	if (loop_mod(w->loop, &c->io, LOOP_IN | CONN_TRIGGER) == -1)
		conn_abort(c, REASON_memory);
}

void
conn_out(struct conn *c)
{
	size_t want, moved = 0;
	ssize_t n;

	while (c->outq.n > 0) {
		n = conn_write(c, &want);
		counter_add(COUNTER_write_calls, 1);
		if (n < 0) {
			conn_abort(c, REASON_client_reset);
			return;
		}
		if (n > 0) {
			counter_add(COUNTER_bytes_out, (uint64_t)n);
			outq_sent(c->w->out, &c->outq, (size_t)n);
			moved += (size_t)n;
		}
		/* TLS takes a record at a time, a socket all it can */
		if (n == 0 || (c->tls == NULL && (size_t)n < want)) {
			conn_block(c, moved);
			return;
		}
	}
	if (c->outq.blocked)
		conn_unblock(c);
	if (c->state == CONN_WS && !c->stalled)
		return;		/* by far the most; nobody waits for this */
	conn_drained(c);
	if (c->state == CONN_LINGER)
		conn_flushed(c);
}

void
conn_push(struct conn *c)
{
	CHECK_MAGIC(c, CONN_MAGIC);
	MUST(conn_is_http(c) || c->state == CONN_LINGER);
	if (!c->abort && !c->frozen && c->outq.n > 0)
		conn_out(c);
}

void
conn_flush(struct outq *q)
{
	struct conn *c = container_of(q, struct conn, outq);

	CHECK_MAGIC(c, CONN_MAGIC);
	if (unlikely(c->state == CONN_DEAD || c->abort || c->frozen ||
	    c->state == CONN_TLS))
		return;
	if (unlikely(q->lossy)) {	/* something could not be queued */
		conn_abort(c, REASON_slow_consumer);
		return;
	}
	if (unlikely(q->blocked)) {
		conn_waiting(c, outq_bytes(q));
		if (conn_too_far_behind(c))
			conn_abort(c, REASON_slow_consumer);
		else if (conn_is_behind(c->w, q))
			conn_record_slow(c);
		return;		/* the socket will tell */
	}
	conn_out(c);
}
