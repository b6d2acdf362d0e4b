/*
 * HTTP on a connection: heads, routes, responses.  A head is decoded where it
 * was read; bodies are request_body.c's.
 */
#include "worker/request_int.h"

#include <stdio.h>

#include "hub/work.h"
#include "proto/error.h"
#include "worker/accept.h"
#include "worker/conn.h"
#include "worker/polling.h"
#include "worker/refusal.h"
#include "worker/upgrade.h"
#include "worker/worker.h"

/* More than this waiting to be sent: the next request waits too. */
#define REQUEST_STALL_BYTES	(32u << 10)
#define REQUEST_RETRY_S		5ull	/* told when it depends on others */

#define GET	(1u << HTTP_GET | 1u << HTTP_HEAD)
#define POST	(1u << HTTP_POST)
#define ANY	(~0u)

static void request_not_found(struct request *);

static const struct route_row {
	unsigned	 methods;	/* 1 << enum http_method */
	const char	*allow;
	void		(*serve)(struct request *);
	bool		 status;	/* not on every listener */
} route_rows[ROUTE__MAX] = {
	[ROUTE_NONE]	   = { ANY, NULL, request_not_found, false },
	[ROUTE_ENGINE]	   = { ANY, NULL, transport_serve, false },
	[ROUTE_ROOT]	   = { GET, "Allow: GET, HEAD, OPTIONS\r\n",
				index_serve, false },
	[ROUTE_PLAIN]	   = { 1u << HTTP_GET, "Allow: GET, OPTIONS\r\n",
				upgrade_plain, false },
	[ROUTE_PUBLISH]	   = { POST, "Allow: POST, OPTIONS\r\n", api_head, false },
	[ROUTE_BATCH]	   = { POST, "Allow: POST, OPTIONS\r\n", api_head, false },
	[ROUTE_DISCONNECT] = { POST, "Allow: POST, OPTIONS\r\n", api_head, false },
	[ROUTE_ROOMS]	   = { POST, "Allow: POST, OPTIONS\r\n", api_head, false },
	[ROUTE_PRESENCE]   = { GET, "Allow: GET, HEAD, OPTIONS\r\n", api_presence_get,
				false },
	[ROUTE_HEALTH]	   = { GET, "Allow: GET, HEAD, OPTIONS\r\n", status_health,
				true },
	[ROUTE_LIVE]	   = { GET, "Allow: GET, HEAD, OPTIONS\r\n", status_probe,
				true },
	[ROUTE_READY]	   = { GET, "Allow: GET, HEAD, OPTIONS\r\n", status_probe,
				true },
	[ROUTE_BOTH]	   = { GET, "Allow: GET, HEAD, OPTIONS\r\n", status_probe,
				true },
	[ROUTE_METRICS]	   = { GET, "Allow: GET, HEAD, OPTIONS\r\n", status_metrics,
				true },
	[ROUTE_DEMO]	   = { GET, "Allow: GET, HEAD, OPTIONS\r\n", demo_serve, false },
	[ROUTE_DEMO_MOVED] = { GET, "Allow: GET, HEAD, OPTIONS\r\n", demo_serve, false },
};

/* --- replies ------------------------------------------------------------- */

void
request_count(int status)
{
	static const enum counter class[] = { COUNTER_http_1xx,
		COUNTER_http_2xx, COUNTER_http_3xx, COUNTER_http_4xx,
		COUNTER_http_5xx };

	MUST(status >= 100 && status <= 599);
	counter_add(class[status / 100 - 1], 1);
}

/* The response is queued: what becomes of the connection. */
static void
request_replied(struct conn *c, int status, bool keep)
{
	struct worker *w = c->w;

	if (!keep) {
		conn_close(c, status == 400 || status == 408 || status == 431 ?
		    REASON_http_bad : REASON_http_done);
		return;
	}
	c->idle = true;
	c->deadline = mono_add_ms(w->now, w->conf->keepalive_timeout_ms);
	c->stalled = outq_bytes(&c->outq) > REQUEST_STALL_BYTES;
	conn_rearm(c);
}

/* More of it may be on its way, or its next one: bytes that nobody reads would
 * reset the response away. */
static bool
request_goes_on(const struct request *rq)
{
	return (rq->head.keep_alive || rq->head.chunked ||
	    rq->head.content_length > (int64_t)rq->body_used ||
	    rq->rest.n > rq->body_used);
}

/* A worker that leaves lets go, but a session over polling needs it still. */
static bool
request_may_stay(const struct request *rq)
{
	return (rq->w->mode == WORKER_SERVING ||
	    (rq->w->mode == WORKER_DRAINING &&
	    rq->match.route == ROUTE_ENGINE));
}

/* Both, as one string that lives until the next response. */
static const char *
request_lines(struct worker *w, const char *a, const char *b)
{
	struct buf *all = &w->lines;

	if (a == NULL || b == NULL)
		return (a == NULL ? b : a);
	buf_reset(all);
	buf_str(all, a);
	buf_str(all, b);
	buf_byte(all, '\0');
	return (all->oom ? a : (const char *)all->data);
}

void
request_reply(struct request *rq, int status, const char *type,
    struct slice body, const char *extra)
{
	struct worker *w = rq->w;
	struct conn *c = rq->c;

	if (!request_may_stay(rq))
		rq->keep_alive = false;
	buf_reset(&w->text);
	http_encode_head(&w->text, status, w->wall.ms / 1000, rq->keep_alive,
	    type, status == 304 ? -1 : (int64_t)body.n,
	    request_lines(w, extra, rq->lines));
	if (rq->head.method != HTTP_HEAD)
		buf_slice(&w->text, body);
	if (w->text.oom) {
		conn_abort(c, REASON_memory);
		return;
	}
	request_count(status);
	conn_say(c, buf_unread(&w->text));
	if (!rq->keep_alive)
		c->half = request_goes_on(rq);
	request_replied(c, status, rq->keep_alive);
}

void
request_reply_coded(struct request *rq, int status, const char *type,
    struct slice body, const char *extra)
{
	struct coded *cd = rq->w->coded;
	struct coded_wish wish = coded_wish(rq);
	const char *more = "";
	char lines[256];

	if (coded_eligible(cd, wish, body.n))
		more = coded_bytes(cd, wish, body, &body) ?
		    coded_lines((enum coding)wish.coding) : CODED_VARY;
	MUST(snprintf(lines, sizeof lines, "%s%s", extra, more) <
	    (int)sizeof lines);
	request_reply(rq, status, type, body, lines);
}

/* --- later --------------------------------------------------------------- */

void
request_hold(struct request *rq)
{
	struct conn *c = rq->c;

	c->held = true;
	c->asked = request_goes_on(rq);
	c->keep = rq->keep_alive;
	c->deadline.us = UINT64_MAX;	/* its session has deadlines */
}

/* The head of a response that was held; false: the connection ends. */
static bool
request_answer_head(struct conn *c, int status, const char *type,
    const char *lines, size_t n)
{
	struct worker *w = c->w;

	MUST(c->held);
	c->held = false;
	if (w->mode == WORKER_STOPPING)
		c->keep = false;
	buf_reset(&w->text);
	http_encode_head(&w->text, status, w->wall.ms / 1000, c->keep, type,
	    (int64_t)n, lines);
	request_count(status);
	if (!w->text.oom &&
	    out_bytes(w->out, &c->outq, buf_unread(&w->text)))
		return (true);
	conn_abort(c, REASON_memory);
	return (false);
}

static void
request_answer_end(struct conn *c, int status, bool queued)
{
	if (!queued) {
		conn_abort(c, REASON_memory);
		return;
	}
	if (!c->keep)
		c->half = c->asked;
	request_replied(c, status, c->keep);
	conn_later(c, CONN_LATER_READ);	/* what came behind it */
}

/* What was coded stands for n bytes of the queue. */
static bool
request_say_coded(struct conn *c, struct outq *body, size_t n,
    struct slice coded)
{
	if (!out_bytes(c->w->out, &c->outq, coded))
		return (false);
	outq_sent(c->w->out, body, n);
	return (true);
}

void
request_answer(struct conn *c, int status, const char *type,
    const char *lines, struct coded_wish wish, struct outq *body, size_t n)
{
	struct worker *w = c->w;
	struct slice s = { NULL, n };
	bool coded = coded_queue(w->coded, wish, body, n, &s);

	if (coded)
		lines = request_lines(w, lines,
		    coded_lines((enum coding)wish.coding));
	else if (coded_eligible(w->coded, wish, n))
		lines = request_lines(w, lines, CODED_VARY);
	if (request_answer_head(c, status, type, lines, s.n))
		request_answer_end(c, status, coded ?
		    request_say_coded(c, body, n, s) :
		    outq_move(w->out, body, &c->outq, n));
}

void
request_answer_bytes(struct conn *c, int status, const char *type,
    const char *lines, struct slice body)
{
	if (request_answer_head(c, status, type, lines, body.n))
		request_answer_end(c, status, out_bytes(c->w->out, &c->outq,
		    body));
}

void
request_error(struct request *rq, int status, const char *code,
    const char *message)
{
	struct buf *b = &rq->w->body;

	buf_reset(b);
	error_encode(b, code, message);
	request_reply(rq, status, "application/json", buf_unread(b),
	    status == 401 ? "WWW-Authenticate: Bearer\r\n" :
	    status == 503 ? "Retry-After: 2\r\n" : NULL);
}

void
request_later(struct request *rq, const char *code, const char *message,
    uint64_t retry_ms)
{
	struct buf *b = &rq->w->body;
	char later[48];

	(void)snprintf(later, sizeof later, "Retry-After: %llu\r\n",
	    retry_ms == 0 ? REQUEST_RETRY_S :
	    (unsigned long long)((retry_ms + 999) / 1000));
	buf_reset(b);
	error_encode(b, code, message);
	request_reply(rq, 429, "application/json", buf_unread(b), later);
}

static void
request_not_found(struct request *rq)
{
	request_error(rq, 404, "not_found", "there is nothing here");
}

/* A request that cannot be told apart from what follows it. */
void
request_bad(struct conn *c, int status, const char *why)
{
	struct request rq = { .w = c->w, .c = c };

	rq.head.keep_alive = true;	/* its next one may be here already */
	request_error(&rq, status, status == 408 ? "timeout" :
	    status == 413 ? "too_large" : "bad_request", why);
}

void
request_timeout(struct conn *c)
{
	if (c->guest) {
		accept_refuse_guest(c);
		return;
	}
	if (c->tail == NULL && c->body == NULL) {
		conn_abort(c, REASON_handshake_timeout);
		return;
	}
	request_bad(c, 408, "the request was not complete in time");
	if (c->parting)
		c->reason = REASON_handshake_timeout;
}

/* --- names --------------------------------------------------------------- */

/*
 * A page of evil.example whose name has been made to mean this host would be
 * of the same origin, with our answers for it to read.
 */
static bool
request_host_allowed(struct request *rq)
{
	if (conf_host_allowed(rq->w->conf, rq->head.host))
		return (true);
	counter_add(COUNTER_refused_host, 1);
	refusal_host(rq);
	rq->keep_alive = false;
	rq->head.keep_alive = true;	/* linger */
	request_error(rq, 421, "misdirected", "this host is not served here");
	return (false);
}

/* --- heads --------------------------------------------------------------- */

static void
request_serve(struct request *rq)
{
	const struct route_row *row;

	if (!request_host_allowed(rq))
		return;
	route_find(rq->w->conf, rq->head.path, &rq->match);
	row = &route_rows[rq->match.route];
	/* a body that is not read ends the connection; so does an upgrade
	 * that is not made: what follows it is not HTTP */
	rq->keep_alive = rq->head.keep_alive && !rq->head.chunked &&
	    rq->head.content_length <= 0 && !rq->head.upgrade_websocket;
	if (row->status && rq->c->no_status)
		row = &route_rows[ROUTE_NONE];
	if (rq->c->guest && !row->status) {
		accept_refuse_guest(rq->c);
		return;
	}
	if (rq->c->guest)
		rq->keep_alive = false;
	if (row->methods & 1u << rq->head.method) {
		row->serve(rq);
		return;
	}
	if (rq->head.method == HTTP_OPTIONS) {
		request_reply(rq, 204, NULL, slice_of(NULL, 0), row->allow);
		return;
	}
	buf_reset(&rq->w->body);
	error_encode(&rq->w->body, "method_not_allowed",
	    "this method is not served here");
	request_reply(rq, 405, "application/json", buf_unread(&rq->w->body),
	    row->allow);
}

/* Something can have changed since it was last looked at: heads end with a
 * line, and lines have a limit. */
static bool
request_worth_decoding(const uint8_t *p, size_t n, size_t old)
{
	return (old == 0 || n > HTTP_LINE_MAX ||
	    memchr(p + old, '\n', n - old) != NULL);
}

size_t
request_input(struct conn *c, uint8_t *p, size_t n, size_t old)
{
	struct worker *w = c->w;
	struct request rq = { .w = w, .c = c };
	ssize_t r;

	work_add(w->work, 1);
	if (c->body != NULL)
		return (request_body_input(c, p, n));
	if (c->held) {
		if (n > HTTP_HEAD_MAX)	/* nobody sends so much behind a poll */
			conn_abort(c, REASON_http_bad);
		return (0);
	}
	/* who sends a request behind it does not miss the last response */
	if (c->poller != NULL)
		polling_conn_sent(c);
	if (c->idle) {
		c->idle = false;
		c->deadline = mono_add_ms(w->now,
		    w->conf->handshake_timeout_ms);
		conn_rearm(c);
	}
	if (!request_worth_decoding(p, n, old))
		return (0);
	r = http_decode_request(slice_of(p, n), &rq.head);
	if (r == CODEC_MORE)
		return (0);
	if (r == CODEC_BAD) {
		request_bad(c, rq.head.status, rq.head.why);
		return (n);
	}
	rq.all = slice_of(p, n);
	rq.rest = slice_of(p + r, n - (size_t)r);
	request_serve(&rq);
	if (rq.handed_over)
		return (n);
	if (rq.wait) {
		c->stalled = true;
		return (0);
	}
	/* by who answers it, once */
	counter_add(COUNTER_http_requests, 1);
	return ((size_t)r + rq.body_used);
}
