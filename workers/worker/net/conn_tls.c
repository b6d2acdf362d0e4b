/*
 * A connection's TLS handshake: so many of them in a turn as leave the others
 * theirs, and what became of each.
 */
#include <sys/socket.h>

#include <inttypes.h>

#include "hub/work.h"
#include "sys/log.h"
#include "worker/net/conn.h"
#include "worker/net/conn_int.h"
#include "worker/net/tls.h"
#include "worker/worker.h"

/* Steps of a turn end after this time: with RSA of 4096 bits one takes
 * milliseconds, with P-256 a quarter of one. */
#define CONN_TLS_US	4000

static const enum counter conn_tls_counter[TLS_FAILURE__MAX] = {
	[TLS_FAILURE_HTTP] = COUNTER_tls_failed_http,
	[TLS_FAILURE_GARBAGE] = COUNTER_tls_failed_garbage,
	[TLS_FAILURE_VERSION] = COUNTER_tls_failed_version,
	[TLS_FAILURE_CIPHER] = COUNTER_tls_failed_cipher,
	[TLS_FAILURE_CLIENT] = COUNTER_tls_failed_client,
	[TLS_FAILURE_ALERT] = COUNTER_tls_failed_alert,
	[TLS_FAILURE_GONE] = COUNTER_tls_failed_gone,
	[TLS_FAILURE_OTHER] = COUNTER_tls_failed_other,
};

/* What a browser shows who left the s out of https. */
#define CONN_TLS_PLAIN							\
	"HTTP/1.1 400 Bad Request\r\n"					\
	"Connection: close\r\n"						\
	"Content-Type: application/json\r\n"				\
	"Content-Length: 65\r\n"					\
	"\r\n"								\
	"{\"error\":{\"code\":\"bad_request\","				\
	"\"message\":\"this is a TLS port\"}}\r\n"

bool
conn_tls_is_busy(const struct worker *w)
{
	return (w->handshake_us >= CONN_TLS_US);
}

void
conn_tls_lost(enum counter why)
{
	counter_add(COUNTER_tls_failed, 1);
	counter_add(why, 1);
}

/* The client is told no more than "bad certificate" by TLS. */
static void
conn_tls_stranger(const struct conn *c)
{
	static struct log_rate rate;
	char address[CONN_NAME_MAX];
	uint64_t held;

	if (log_rate(&rate, c->w->now, &held))
		log_info("refused what=certificate address=%s why=\"%s\" "
		    "directive=listen.client_verify unsaid=%" PRIu64,
		    conn_name(c, address), tls_client_wrong(c->tls), held);
}

static void
conn_tls_failed(struct conn *c)
{
	enum tls_failure why = tls_failure(c->tls);

	conn_tls_lost(conn_tls_counter[why]);
	if (why == TLS_FAILURE_CLIENT)
		conn_tls_stranger(c);
	if (why == TLS_FAILURE_HTTP) {
		/* the request is read first, or it would reset that away */
		(void)recv(c->io.fd, c->w->rbuf, WORKER_RBUF, MSG_DONTWAIT);
		(void)send(c->io.fd, CONN_TLS_PLAIN, sizeof CONN_TLS_PLAIN - 1,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		counter_add(COUNTER_http_4xx, 1);
	}
	conn_abort(c, REASON_tls_failed);
}

/* One step; what it took is charged to the turn, which ends early then. */
static int
conn_tls_step(struct conn *c)
{
	struct worker *w = c->w;
	struct mono before = mono_now();
	uint64_t us;
	int r;

	r = tls_handshake(c->tls);
	us = mono_now().us - before.us + 1;
	w->handshake_us += us;
	work_come(w->work, us > WORK_COMING ? WORK_COMING : (uint32_t)us);
	return (r);
}

void
conn_handshake(struct conn *c)
{
	struct worker *w = c->w;
	unsigned want = LOOP_IN;

	if (conn_tls_is_busy(w)) {
		conn_later(c, CONN_LATER_READ);	/* others want to live too */
		return;
	}
	switch (conn_tls_step(c)) {
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
		conn_tls_lost(COUNTER_tls_failed_gone);
		conn_abort(c, REASON_client_gone);
		return;
	default:
		conn_tls_failed(c);
		return;
	}
	if (loop_mod(w->loop, &c->io, want | CONN_TRIGGER) == -1)
		conn_abort(c, REASON_memory);
}
