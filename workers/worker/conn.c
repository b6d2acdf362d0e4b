/*
 * One socket of a client.  Bytes are read into the worker's one buffer and
 * used there; a connection at rest owns no buffer.  What goes out is the
 * hub's queue, taken to the socket at the end of the turn.  How requests are
 * answered is request.c's, what messages mean is the hub's.
 */
#include "worker/conn.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hub/client.h"
#include "sys/log.h"
#include "worker/request.h"
#include "worker/tls.h"
#include "worker/worker.h"

#define CONN_IOV	64	/* runs per sendmsg */
#define CONN_PROGRESS	4096	/* bytes that show a reader is alive */
#define CONN_TLS_STEPS	16	/* handshake steps a turn: 250 us each */
#define CONN_TLS_READS	8	/* reads of one connection a turn */
#define CONN_LINGER_MS	2000	/* wait for the peer's FIN */

static timer_cb conn_timer;
static loop_cb conn_event;

void
conn_check(const struct conn *c)
{
	CHECK_MAGIC(c, CONN_MAGIC);
	MUST(c->state != CONN_HTTP || c->client == NULL);
	MUST(c->body == NULL || c->state == CONN_HTTP);
}

const char *
conn_name(const struct conn *c, char out[CONN_NAME_MAX])
{
	static const uint8_t none[16];
	char ip[INET6_ADDRSTRLEN] = "";

	if (memcmp(c->address, none, sizeof none) == 0)
		return ("unix");
	if (memcmp(c->address, none, 10) == 0 && c->address[10] == 0xff)
		(void)inet_ntop(AF_INET, c->address + 12, ip, sizeof ip);
	else
		(void)inet_ntop(AF_INET6, c->address, ip, sizeof ip);
	(void)snprintf(out, CONN_NAME_MAX, "%s:%u", ip, (unsigned)c->port);
	return (out);
}

/* --- open ---------------------------------------------------------------- */

static void
conn_set_address(struct conn *c, const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *in4;
	const struct sockaddr_in6 *in6;

	if (ss->ss_family == AF_INET) {
		in4 = (const struct sockaddr_in *)(const void *)ss;
		c->address[10] = c->address[11] = 0xff;
		memcpy(c->address + 12, &in4->sin_addr, 4);
		c->port = ntohs(in4->sin_port);
	} else if (ss->ss_family == AF_INET6) {
		in6 = (const struct sockaddr_in6 *)(const void *)ss;
		memcpy(c->address, &in6->sin6_addr, 16);
		c->port = ntohs(in6->sin6_port);
	}
}

struct conn *
conn_new(struct worker *w, int fd, struct tls_ctx *tls,
    const struct sockaddr_storage *addr)
{
	struct conn *c;

	c = slab_get(&w->conn_slab);
	if (c == NULL)
		goto out;
	c->magic = CONN_MAGIC;
	c->w = w;
	c->state = tls != NULL ? CONN_TLS : CONN_HTTP;
	if (tls != NULL && (c->tls = tls_new(tls, fd)) == NULL)
		goto out;
	if (loop_add(w->loop, &c->io, fd, LOOP_IN | CONN_TRIGGER,
	    conn_event) == -1)
		goto out;
	conn_set_address(c, addr);
	c->since_us = (uint32_t)w->now.us;
	c->deadline = mono_add_ms(w->now, w->conf->handshake_timeout_ms);
	timer_start(w->wheel, &c->timer, c->deadline, conn_timer);
	LIST_INSERT_HEAD(&w->conns, c, link);
	w->nconns++;
	counter_add(COUNTER_connections_open, 1);
	return (c);
out:
	counter_add(COUNTER_memory_failures, 1);
	(void)close(fd);
	if (c != NULL) {
		tls_free(&c->tls);
		c->magic = 0;
		slab_put(&w->conn_slab, c);
	}
	return (NULL);
}

void
conn_upgraded(struct conn *c, struct client *client)
{
	c->state = CONN_WS;
	c->client = client;
	counter_add(COUNTER_ws_handshakes, 1);
	counter_add(COUNTER_ws_open, 1);
	histogram_add(HISTOGRAM_handshake_us,
	    (uint32_t)c->w->now.us - c->since_us);
	if (client == NULL)
		conn_close(c, REASON_memory);
	else
		conn_rearm(c);
}

/* --- close --------------------------------------------------------------- */

void
conn_close(struct conn *c, enum reason r)
{
	CHECK_MAGIC(c, CONN_MAGIC);
	if (c->parting || c->state >= CONN_CLOSING)
		return;
	c->parting = true;
	c->reason = (uint8_t)r;
	c->next = c->w->parting;
	c->w->parting = c;
}

void
conn_abort(struct conn *c, enum reason r)
{
	CHECK_MAGIC(c, CONN_MAGIC);
	if (c->state == CONN_DEAD)
		return;
	c->abort = true;
	if (!c->parting && c->state >= CONN_CLOSING) {
		/* on no list: its first reason stays */
		c->parting = true;
		c->next = c->w->parting;
		c->w->parting = c;
	}
	conn_close(c, r);
}

static void
conn_tail_free(struct conn *c)
{
	free(c->tail);
	c->tail = NULL;
}

/* Let go of the socket and all that hangs on it. */
static void
conn_end(struct conn *c)
{
	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	char name[CONN_NAME_MAX];
	struct worker *w = c->w;

	MUST(c->client == NULL && c->state != CONN_DEAD);
	log_debug("conn_end peer=%s reason=%s", conn_name(c, name),
	    reason_row((enum reason)c->reason)->name);
	counter_reason((enum reason)c->reason);
	counter_sub(COUNTER_connections_open, 1);
	if (c->refused)
		w->refusals--;
	c->state = CONN_DEAD;
	timer_stop(w->wheel, &c->timer);
	loop_del(w->loop, &c->io);
	if (c->outq.n > 0) /* the kernel need not keep it for him either */
		(void)setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &reset,
		    sizeof reset);
	if (c->tls != NULL && c->outq.n == 0 &&
	    c->reason != REASON_tls_failed && c->reason != REASON_client_gone)
		tls_shutdown(c->tls);
	tls_free(&c->tls);
	(void)close(c->io.fd);
	c->io.fd = -1;
	outq_kill(w->out, &c->outq);
	ws_fini(&c->ws, w->ws_pool);
	conn_tail_free(c);
	http_body_free(&c->body);
	LIST_REMOVE(c, link);
	w->nconns--;
	c->next = w->doomed;
	w->doomed = c;
}

static void
conn_wait_for_end(struct conn *c, enum conn_state state, uint64_t ms)
{
	struct worker *w = c->w;

	c->state = (uint8_t)state;
	c->deadline = mono_add_ms(w->now, ms);
	if (w->mode == WORKER_STOPPING && w->stop_at.us < c->deadline.us)
		c->deadline = w->stop_at;
	conn_rearm(c);
	if (CONN_TRIGGER != 0)	/* the FIN may have been told already */
		conn_later(c, CONN_LATER_READ);
}

/* LINGER: nothing is queued any more. */
static void
conn_flushed(struct conn *c)
{
	if (!c->half) {
		conn_end(c);
		return;
	}
	if (c->shut)
		return;
	c->shut = true;
	if (c->tls != NULL)
		tls_shutdown(c->tls);
	if (shutdown(c->io.fd, SHUT_WR) == -1)
		conn_end(c);
	else
		conn_wait_for_end(c, CONN_LINGER, CONN_LINGER_MS);
}

/* A Close frame behind what is queued; false: that did not work out. */
static bool
conn_say_close(struct conn *c)
{
	const struct reason_row *row = reason_row((enum reason)c->reason);
	struct worker *w = c->w;

	if (c->abort || (row->code == 0 && !c->peer_closed))
		return (false);
	buf_reset(&w->text);
	/* RFC 6455, 5.5.1: an endpoint typically echoes the status code */
	if (!c->peer_closed)
		ws_encode_close(&w->text, row->code, row->words);
	else if (c->close_code == 1005)
		ws_encode_close(&w->text, 0, "");
	else
		ws_encode_close(&w->text, c->close_code, "");
	if (w->text.oom || !out_bytes(w->out, &c->outq, buf_unread(&w->text)))
		return (false);
	counter_add(COUNTER_ws_frames_out, 1);
	return (true);
}

/* After these the peer's frames cannot be told apart any more. */
static bool
conn_lost_track(enum reason r)
{
	return (r == REASON_ws_protocol || r == REASON_ws_utf8 ||
	    r == REASON_ws_too_big || r == REASON_ws_flood ||
	    r == REASON_memory);
}

static void
conn_part_ws(struct conn *c)
{
	bool said;

	counter_sub(COUNTER_ws_open, 1);
	said = conn_say_close(c);
	if (c->client != NULL)
		client_gone(&c->client, (enum reason)c->reason);
	conn_tail_free(c);
	if (!said && (c->abort || c->outq.n == 0)) {
		conn_end(c);
	} else if (!said) {
		conn_wait_for_end(c, CONN_LINGER, c->w->conf->close_timeout_ms);
	} else if (c->peer_closed) {
		conn_wait_for_end(c, CONN_LINGER, c->w->conf->close_timeout_ms);
	} else if (conn_lost_track((enum reason)c->reason)) {
		c->half = true;
		ws_fini(&c->ws, c->w->ws_pool);
		conn_wait_for_end(c, CONN_LINGER, c->w->conf->close_timeout_ms);
	} else {
		conn_wait_for_end(c, CONN_CLOSING,
		    c->w->conf->close_timeout_ms);
	}
}

/* A connection that was to close does so, one step. */
static void
conn_part(struct conn *c)
{
	switch ((enum conn_state)c->state) {
	case CONN_WS:
		conn_part_ws(c);
		break;
	case CONN_HTTP:
		conn_tail_free(c);
		http_body_free(&c->body);
		if (c->abort || c->outq.n == 0) {
			conn_end(c);
			break;
		}
		conn_wait_for_end(c, CONN_LINGER,
		    c->w->conf->slow_consumer_timeout_ms);
		break;
	case CONN_TLS:
	case CONN_CLOSING:
	case CONN_LINGER:
		conn_end(c);
		break;
	case CONN_DEAD:
		break;
	}
	c->parting = false; /* not before: what happens here asks again */
}

/* --- flush --------------------------------------------------------------- */

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
	if (n == -1 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS))
		return (0);
	return (n);
}

/* One message is always taken, however large messages may be. */
static bool
conn_too_far_behind(const struct conn *c)
{
	return (c->outq.n > 1 &&
	    outq_bytes(&c->outq) > c->w->conf->send_queue_bytes);
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
	if (!(c->io.events & LOOP_OUT) || moved >= CONN_PROGRESS) {
		c->blocked_until = mono_add_ms(w->now,
		    w->conf->slow_consumer_timeout_ms);
		conn_rearm(c);
	}
	/* requests wait for the response; frames are read all the same */
	if (loop_mod(w->loop, &c->io, CONN_TRIGGER | LOOP_OUT |
	    (c->state == CONN_HTTP ? 0 : LOOP_IN)) == -1)
		conn_abort(c, REASON_memory);
	if (conn_too_far_behind(c))
		conn_abort(c, REASON_slow_consumer);
}

static void
conn_unblock(struct conn *c)
{
	struct worker *w = c->w;

	outq_unblock(w->out, &c->outq);
	if (loop_mod(w->loop, &c->io, LOOP_IN | CONN_TRIGGER) == -1)
		conn_abort(c, REASON_memory);
}

static void
conn_flush_now(struct conn *c)
{
	size_t want, moved = 0;
	ssize_t n;

	while (c->outq.n > 0) {
		n = conn_write(c, &want);
		counter_add(COUNTER_write_calls, 1);
		if (n < 0) {
			conn_abort(c, REASON_client_gone);
			return;
		}
		if (n > 0) {
			counter_add(COUNTER_bytes_out, (uint64_t)n);
			outq_sent(c->w->out, &c->outq, (size_t)n);
			moved += (size_t)n;
		}
		/* TLS takes a record at a time, a socket what it has room for */
		if (n == 0 || (c->tls == NULL && (size_t)n < want)) {
			conn_block(c, moved);
			return;
		}
	}
	if (c->outq.blocked)
		conn_unblock(c);
	if (c->stalled) {
		c->stalled = false;
		conn_later(c, CONN_LATER_READ);
	}
	if (c->state == CONN_LINGER)
		conn_flushed(c);
}

void
conn_flush(struct outq *q)
{
	struct conn *c = container_of(q, struct conn, outq);

	CHECK_MAGIC(c, CONN_MAGIC);
	if (unlikely(c->state == CONN_DEAD || c->abort || c->state == CONN_TLS))
		return;
	if (unlikely(q->lossy)) {	/* something could not be queued */
		conn_abort(c, REASON_slow_consumer);
		return;
	}
	if (unlikely(q->blocked)) {
		if (conn_too_far_behind(c))
			conn_abort(c, REASON_slow_consumer);
		return;		/* the socket will tell */
	}
	conn_flush_now(c);
}

/* --- fill and pump ------------------------------------------------------- */

/* One whole message or control frame. */
static void
conn_message(struct conn *c, struct ws_event *ev)
{
	struct worker *w = c->w;

	counter_add(COUNTER_ws_frames_in, 1);
	switch (ev->type) {
	case WS_TEXT:
		client_text(c->client, ev->data, ev->n);
		break;
	case WS_BINARY:
		client_binary(c->client, ev->data, ev->n);
		break;
	case WS_PING:
		/* a flood of them is bounded by the queue's limit */
		buf_reset(&w->text);
		ws_encode_frame(&w->text, WS_OP_PONG,
		    slice_of(ev->data, ev->n));
		conn_say(c, buf_unread(&w->text));
		counter_add(COUNTER_ws_frames_out, 1);
		break;
	case WS_CLOSE:
		c->peer_closed = true;
		c->close_code = ev->code;
		conn_close(c, REASON_client_close);
		break;
	case WS_PONG:
		client_pong(c->client);
		break;
	case WS_NONE:
		break;
	}
}

/* Frames out of p[n]: how many bytes were used. */
static size_t
conn_frames(struct conn *c, uint8_t *p, size_t n)
{
	struct worker *w = c->w;
	struct ws_event ev;
	size_t used = 0;
	ssize_t r;

	while (used < n && !c->parting && c->state == CONN_WS) {
		r = ws_decode(&c->ws, w->ws_pool, &w->ws_limits, p + used,
		    n - used, &ev);
		if (r == CODEC_MORE)
			return (used);
		if (r == CODEC_BAD) {
			conn_close(c, ev.reason);
			return (n);
		}
		used += (size_t)r;
		if (ev.type != WS_NONE)
			conn_message(c, &ev);
	}
	return (c->parting ? n : used);
}

/* Our Close is out: look for the peer's, drop everything else. */
static size_t
conn_frames_closing(struct conn *c, uint8_t *p, size_t n)
{
	struct worker *w = c->w;
	struct ws_event ev;
	size_t used = 0;
	ssize_t r;

	while (used < n) {
		r = ws_decode(&c->ws, w->ws_pool, &w->ws_limits, p + used,
		    n - used, &ev);
		if (r == CODEC_MORE)
			return (used);
		if (r == CODEC_BAD || ev.type == WS_CLOSE) {
			conn_abort(c, REASON_server_close);
			return (n);
		}
		used += (size_t)r;
	}
	return (used);
}

/* Keep what could not be used yet. */
static void
conn_keep(struct conn *c, const uint8_t *p, size_t n)
{
	struct conn_tail *t;
	size_t cap;

	if (n == 0 || c->parting) {
		conn_tail_free(c);
		return;
	}
	MUST(n <= WORKER_RBUF);
	if (c->tail == NULL || c->tail->cap < n) {
		conn_tail_free(c);
		for (cap = 64; cap < n + sizeof *t; cap *= 2)
			continue;
		t = malloc(cap);
		if (t == NULL) {
			counter_add(COUNTER_memory_failures, 1);
			conn_close(c, REASON_memory);
			return;
		}
		t->cap = (uint32_t)(cap - sizeof *t);
		c->tail = t;
	}
	memcpy(c->tail->data, p, n);
	c->tail->n = (uint32_t)n;
}

/* n bytes stand in the worker's buffer, the first `old` of them seen before. */
static void
conn_pump(struct conn *c, size_t n, size_t old)
{
	uint8_t *p = c->w->rbuf;
	size_t used = n;

	do {
		switch ((enum conn_state)c->state) {
		case CONN_HTTP:
			used = request_input(c, p, n, old);
			break;
		case CONN_WS:
			used = conn_frames(c, p, n);
			break;
		case CONN_CLOSING:
			used = conn_frames_closing(c, p, n);
			break;
		case CONN_TLS:
		case CONN_LINGER:
		case CONN_DEAD:
			used = n;	/* nobody reads it */
			break;
		}
		p += used;
		n -= used;
		old = old > used ? old - used : 0;
	} while (used > 0 && n > 0 && !c->parting && !c->stalled);
	conn_keep(c, p, n);
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

enum { CONN_EOF = -1, CONN_ERROR = -2 };

/* > 0 bytes; 0 nothing now; or one of the above. */
static ssize_t
conn_read(struct conn *c, uint8_t *p, size_t room)
{
	ssize_t n;

	counter_add(COUNTER_read_calls, 1);
	if (c->tls != NULL) {
		n = tls_read(c->tls, p, room);
		if (n == TLS_WANT_READ || n == TLS_WANT_WRITE)
			return (0);
		return (n > 0 ? n : n == TLS_GONE ? CONN_EOF : CONN_ERROR);
	}
	n = recv(c->io.fd, p, room, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return (0);
	return (n > 0 ? n : n == 0 ? CONN_EOF : CONN_ERROR);
}

/* Nothing more will come.  Half a connection may still take an answer. */
static void
conn_gone(struct conn *c, ssize_t how)
{
	enum reason r = c->idle ? REASON_http_done : REASON_client_gone;

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
	return (!c->parting && !c->stalled && c->state != CONN_DEAD &&
	    c->state != CONN_TLS);
}

static void
conn_handshake(struct conn *c)
{
	struct worker *w = c->w;
	unsigned want = LOOP_IN;

	if (w->handshakes >= CONN_TLS_STEPS) {
		conn_later(c, CONN_LATER_READ);	/* others want to live too */
		return;
	}
	w->handshakes++;
	switch (tls_handshake(c->tls)) {
	case 1:
		counter_add(COUNTER_tls_handshakes, 1);
		if (tls_resumed(c->tls))
			counter_add(COUNTER_tls_resumed, 1);
		c->state = CONN_HTTP;
		break;
	case TLS_WANT_WRITE:
		want = LOOP_IN | LOOP_OUT;
		break;
	case TLS_WANT_READ:
		break;
	case TLS_GONE:
		conn_abort(c, REASON_client_gone);
		return;
	default:
		counter_add(COUNTER_tls_failed, 1);
		conn_abort(c, REASON_tls_failed);
		return;
	}
	if (loop_mod(w->loop, &c->io, want | CONN_TRIGGER) == -1)
		conn_abort(c, REASON_memory);
}

static void
conn_readable(struct conn *c)
{
	unsigned i;

	if (c->parting)
		return;
	if (c->state == CONN_TLS)
		conn_handshake(c);
	for (i = 0; conn_wants_input(c) && i < CONN_TLS_READS; i++)
		if (!conn_fill(c))
			return;
	if (conn_wants_input(c) && i == CONN_TLS_READS)
		conn_later(c, CONN_LATER_READ);
}

static void
conn_event(struct loop_fd *f, unsigned events)
{
	struct conn *c = container_of(f, struct conn, io);

	CHECK_MAGIC(c, CONN_MAGIC);
	counter_add(COUNTER_loop_events, 1);
	if (c->state == CONN_TLS && (events & LOOP_OUT))
		events |= LOOP_IN;
	else if (c->outq.blocked && (events & LOOP_OUT))
		conn_later(c, CONN_LATER_WRITE);
	if (events & LOOP_HUP)
		c->fin = true;
	if (events & (LOOP_IN | LOOP_HUP))
		conn_readable(c);
}

/* --- timers -------------------------------------------------------------- */

static struct mono
conn_next_deadline(const struct conn *c)
{
	struct mono t = c->deadline;

	if (c->state == CONN_WS && c->client != NULL)
		t = client_due(c->client);
	if (c->outq.blocked && c->blocked_until.us < t.us)
		t = c->blocked_until;
	return (t);
}

void
conn_rearm(struct conn *c)
{
	struct mono t = conn_next_deadline(c);

	CHECK_MAGIC(c, CONN_MAGIC);
	/* a timer that is too early looks again when it fires */
	if (c->timer.running && timer_at(&c->timer).us <= t.us)
		return;
	if (t.us != UINT64_MAX && c->state != CONN_DEAD)
		timer_start(c->w->wheel, &c->timer, t, conn_timer);
}

static void
conn_timer(struct timer *t, struct mono now)
{
	struct conn *c = container_of(t, struct conn, timer);

	CHECK_MAGIC(c, CONN_MAGIC);
	counter_add(COUNTER_timers_fired, 1);
	if (c->outq.blocked && c->blocked_until.us <= now.us) {
		conn_abort(c, REASON_slow_consumer);
	} else if (c->state == CONN_WS) {
		if (c->client != NULL && !c->parting &&
		    client_due(c->client).us <= now.us)
			client_tick(c->client);
	} else if (c->deadline.us <= now.us) {
		if (c->state == CONN_HTTP && !c->idle)
			request_timeout(c);
		else if (c->state == CONN_HTTP)
			conn_abort(c, REASON_idle_timeout);
		else
			conn_abort(c, c->state == CONN_TLS ?
			    REASON_handshake_timeout : REASON_close_timeout);
	}
	if (!c->parting)
		conn_rearm(c);
}

/* --- turns --------------------------------------------------------------- */

void
conn_later(struct conn *c, unsigned bits)
{
	if (c->later == 0) {
		c->next_later = c->w->later;
		c->w->later = c;
	}
	c->later |= (uint8_t)bits;
}

/* A response is out: go on with the requests that came with it. */
static void
conn_resume(struct conn *c)
{
	size_t n;

	n = conn_unkeep(c);
	if (n > 0 && c->state == CONN_HTTP && !c->parting && !c->stalled)
		conn_pump(c, n, 0);
}

void
conn_turn_start(struct worker *w)
{
	struct conn *c, *next;

	w->handshakes = 0;
	c = w->later;
	w->later = NULL;
	for (; c != NULL; c = next) {
		next = c->next_later;
		c->later = 0;
		if (c->state == CONN_DEAD)
			continue;	/* freed at the end of this turn */
		conn_resume(c);
		conn_readable(c);
	}
}

/* Sockets that have room again. */
static void
conn_write_later(struct worker *w)
{
	struct conn *c, *next;

	c = w->later;
	w->later = NULL;
	for (; c != NULL; c = next) {
		next = c->next_later;
		if ((c->later & CONN_LATER_WRITE) && c->state != CONN_DEAD &&
		    !c->abort)
			conn_flush_now(c);
		c->later &= CONN_LATER_READ;
		if (c->later != 0) {
			c->next_later = w->later;
			w->later = c;
		}
	}
}

static void
conn_free_doomed(struct worker *w)
{
	struct conn *c, *next, *keep = NULL;

	for (c = w->doomed; c != NULL; c = next) {
		next = c->next;
		if (c->later != 0) {	/* still on that list */
			c->next = keep;
			keep = c;
			continue;
		}
		c->magic = 0;
		slab_put(&w->conn_slab, c);
	}
	w->doomed = keep;
}

void
conn_turn_end(struct worker *w)
{
	struct conn *c;

	/* leaving may be news for others, and sending may find dead sockets */
	do {
		while ((c = w->parting) != NULL) {
			w->parting = c->next;
			conn_part(c);
		}
		hub_turn_end(w->hub);
		conn_write_later(w); /* no batch is open any more */
	} while (w->parting != NULL);
	conn_free_doomed(w);
}
