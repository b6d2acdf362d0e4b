/*
 * Responses; see reply.h.
 */
#include "worker/http/reply.h"

#include <bsd/stdlib.h>
#include <stdio.h>

#include "proto/error.h"
#include "worker/http/reply_int.h"
#include "worker/net/conn.h"
#include "worker/net/counted.h"
#include "worker/worker.h"

/* More than this waiting to be sent: the next request waits too. */
#define REPLY_STALL_BYTES	(32u << 10)
#define REPLY_RETRY_S		5ull	/* told when it depends on others */
#define REPLY_RETRY		"Retry-After: 2\r\n"


void
reply_count(int status)
{
	static const enum counter class[] = { COUNTER_http_1xx,
		COUNTER_http_2xx, COUNTER_http_3xx, COUNTER_http_4xx,
		COUNTER_http_5xx };

	MUST(status >= 100 && status <= 599);
	counter_add(class[status / 100 - 1], 1);
}

void
reply_sent(struct conn *c, int status, bool keep)
{
	struct worker *w = c->w;

	if (!keep) {
		conn_close(c, status == 400 || status == 408 || status == 431 ?
		    REASON_http_bad : REASON_http_done);
		return;
	}
	c->state = CONN_IDLE;
	counted_idle(c);
	c->deadline = mono_add_ms(w->now, w->conf->keepalive_timeout_ms);
	c->stalled = outq_bytes(&c->outq) > REPLY_STALL_BYTES;
	conn_rearm(c);
}

/* More of it may be on its way, or its next one: bytes that nobody reads would
 * reset the response away. */
bool
reply_goes_on(const struct request *rq)
{
	return (rq->head.keep_alive || rq->head.chunked ||
	    rq->head.content_length > (int64_t)rq->body_used ||
	    rq->rest.n > rq->body_used);
}

/* An old connection goes.  A worker that leaves, or soon will, lets go; but a
 * session over polling needs its connection still: it goes when its time comes,
 * and to find the way to it again it would have to be accepted again. */
bool
reply_may_stay(const struct request *rq)
{
	if (conn_is_last(rq->c))
		return (false);
	return (rq->w->mode == WORKER_SERVING ||
	    (rq->w->mode != WORKER_STOPPING && rq->row->draining));
}

bool
reply_lines(struct worker *w, const char *a, const char *b, const char **both)
{
	struct buf *all = &w->lines;

	*both = a == NULL ? b : a;
	if (a == NULL || b == NULL)
		return (true);
	buf_reset(all);
	buf_str(all, a);
	buf_str(all, b);
	buf_byte(all, '\0');
	*both = (const char *)all->data;
	return (!all->oom);
}

void
reply_name(struct worker *w, const struct trace *t)
{
	char line[TRACE_LINE_MAX];

	if (w->text.oom || t->id[0] == '\0')
		return;
	w->text.wpos -= 2;	/* the empty line */
	buf_str(&w->text, trace_line(t, line));
	buf_str(&w->text, "\r\n");
}

void
reply_send(struct request *rq, int status, const char *type,
    struct slice body, const char *extra)
{
	struct worker *w = rq->w;
	struct conn *c = rq->c;
	const char *lines;

	if (!reply_lines(w, extra, rq->lines, &lines)) {
		conn_abort(c, REASON_memory);
		return;
	}
	if (!reply_may_stay(rq))
		rq->keep_alive = false;
	buf_reset(&w->text);
	http_encode_head(&w->text, status, w->wall.ms / 1000, rq->keep_alive,
	    type, status == 304 ? -1 : (int64_t)body.n,
	    lines);
	reply_name(w, &rq->trace);
	if (rq->head.method != HTTP_HEAD)
		buf_slice(&w->text, body);
	if (w->text.oom) {
		conn_abort(c, REASON_memory);
		return;
	}
	reply_count(status);
	conn_say(c, buf_unread(&w->text));
	if (!rq->keep_alive) {
		c->half = reply_goes_on(rq);
		if (rq->from.proxied)
			from_keep(rq);	/* its end is this client's */
	}
	reply_sent(c, status, rq->keep_alive);
}

void
reply_stream(struct request *rq, const char *type, const char *extra)
{
	struct worker *w = rq->w;
	const char *lines;

	buf_reset(&w->text);
	if (!reply_lines(w, extra, rq->lines, &lines)) {
		conn_abort(rq->c, REASON_memory);
		return;
	}
	http_encode_head(&w->text, 200, w->wall.ms / 1000, false, type, -1,
	    lines);
	reply_name(w, &rq->trace);
	if (w->text.oom) {
		conn_abort(rq->c, REASON_memory);
		return;
	}
	reply_count(200);
	from_keep(rq);
	conn_say(rq->c, buf_unread(&w->text));
	if (rq->head.method == HTTP_HEAD) {
		rq->c->half = reply_goes_on(rq);
		reply_sent(rq->c, 200, false);
	}
}

void
reply_no_memory(struct request *rq)
{
	reply_send(rq, 503, "application/json", SLICE("{\"error\":{"
	    "\"code\":\"unavailable\",\"message\":\"out of memory\"}}"),
	    REPLY_RETRY);
}

void
reply_body(struct request *rq, int status, const char *type,
    const char *extra)
{
	if (rq->w->body.oom) {	/* it is cut */
		counter_add(COUNTER_memory_failures, 1);
		reply_no_memory(rq);
	} else
		reply_send(rq, status, type, buf_unread(&rq->w->body), extra);
}

void
reply_coded(struct request *rq, int status, const char *type,
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
	reply_send(rq, status, type, body, lines);
}

/* --- later --------------------------------------------------------------- */

void
reply_hold(struct request *rq, enum conn_state state)
{
	struct conn *c = rq->c;

	MUST(state >= CONN_HELD && state <= CONN_AWAITS);
	c->state = (uint8_t)state;
	c->after = rq->keep_alive ? CONN_STAYS : reply_goes_on(rq) ?
	    CONN_LINGERS : CONN_ENDS;
	c->deadline.us = UINT64_MAX;	/* its session has deadlines */
}

void
reply_held_last(struct conn *c)
{
	if (c->after == CONN_STAYS)
		c->after = CONN_LINGERS;
}

/* The head of a response that was held; false: the connection ends. */
static bool
reply_held_head(struct conn *c, int status, const char *type,
    const char *lines, size_t n)
{
	struct worker *w = c->w;

	MUST(c->state >= CONN_HELD && c->state <= CONN_AWAITS);
	c->state = CONN_HTTP;
	if (w->mode == WORKER_STOPPING || conn_is_last(c))
		reply_held_last(c);
	buf_reset(&w->text);
	http_encode_head(&w->text, status, w->wall.ms / 1000,
	    c->after == CONN_STAYS, type,
	    status == 304 ? -1 : (int64_t)n, lines);
	reply_count(status);
	if (!w->text.oom &&
	    out_bytes(w->out, &c->outq, buf_unread(&w->text)))
		return (true);
	conn_abort(c, REASON_memory);
	return (false);
}

static void
reply_held_end(struct conn *c, int status, bool queued)
{
	if (!queued) {
		conn_abort(c, REASON_memory);
		return;
	}
	if (c->after == CONN_LINGERS)
		c->half = true;
	reply_sent(c, status, c->after == CONN_STAYS);
	conn_later(c, CONN_LATER_READ);	/* what came behind it */
}

/* What was coded stands for n bytes of the queue. */
static bool
reply_say_coded(struct conn *c, struct outq *body, size_t n,
    struct slice coded)
{
	if (!out_bytes(c->w->out, &c->outq, coded))
		return (false);
	outq_sent(c->w->out, body, n);
	return (true);
}

void
reply_held_queue(struct conn *c, int status, const char *type,
    const char *lines, struct coded_wish wish, struct outq *body, size_t n)
{
	struct worker *w = c->w;
	struct slice s = { NULL, n };
	bool coded = coded_queue(w->coded, wish, body, n, &s);
	const char *more = NULL;

	if (coded)
		more = coded_lines((enum coding)wish.coding);
	else if (coded_eligible(w->coded, wish, n))
		more = CODED_VARY;
	if (!reply_lines(w, lines, more, &lines))
		conn_abort(c, REASON_memory);
	else if (reply_held_head(c, status, type, lines, s.n))
		reply_held_end(c, status, coded ?
		    reply_say_coded(c, body, n, s) :
		    outq_move(w->out, body, &c->outq, n));
}

void
reply_held_within(struct conn *c, const char *type, const char *lines,
    struct slice before, struct outq *body, size_t n, struct slice behind)
{
	struct out *o = c->w->out;

	if (reply_held_head(c, 200, type, lines, before.n + n + behind.n))
		reply_held_end(c, 200, out_bytes(o, &c->outq, before) &&
		    outq_move(o, body, &c->outq, n) &&
		    out_bytes(o, &c->outq, behind));
}

void
reply_held_bytes(struct conn *c, int status, const char *type,
    const char *lines, struct slice body, bool to_head)
{
	if (reply_held_head(c, status, type, lines, body.n))
		reply_held_end(c, status, to_head ||
		    out_bytes(c->w->out, &c->outq, body));
}

/* Not now: an event source hears that as an event of a stream that ends at once,
 * with the time after which it tries again. */
static bool
reply_again(struct request *rq, const char *code, const char *message,
    uint64_t seconds)
{
	struct buf *b = &rq->w->body;

	if (!rq->again)
		return (false);
	buf_reset(b);
	buf_str(b, "retry: ");
	buf_u64(b, seconds * 1000 + arc4random_uniform(1000));
	buf_str(b, "\nevent: roost:error\ndata: {\"event\":\"roost:error\","
	    "\"data\":{\"code\":\"");
	buf_str(b, code);
	buf_str(b, "\",\"message\":\"");
	buf_str(b, message);
	buf_str(b, "\"}}\n\n");
	reply_body(rq, 200, "text/event-stream",
	    "Cache-Control: no-cache, no-transform\r\n");
	return (true);
}

void
reply_error(struct request *rq, int status, const char *code,
    const char *message)
{
	struct buf *b = &rq->w->body;

	if (status == 503 && reply_again(rq, code, message, REPLY_RETRY_S))
		return;

	buf_reset(b);
	error_encode(b, code, message);
	reply_body(rq, status, "application/json",
	    status == 401 ? "WWW-Authenticate: Bearer\r\n" :
	    status == 503 ? REPLY_RETRY : NULL);
}

void
reply_method(struct request *rq)
{
	struct buf *b = &rq->w->body;

	buf_reset(b);
	error_encode(b, "method_not_allowed",
	    "this method is not served here");
	reply_body(rq, 405, "application/json",
	    rq->row->allow);
}

static void
reply_not_now(struct request *rq, int status, const char *code,
    const char *message, uint64_t seconds)
{
	struct buf *b = &rq->w->body;
	char later[48];

	if (reply_again(rq, code, message, seconds))
		return;
	(void)snprintf(later, sizeof later, "Retry-After: %llu\r\n",
	    (unsigned long long)seconds);
	buf_reset(b);
	error_encode(b, code, message);
	reply_body(rq, status, "application/json", later);
}

void
reply_too_many(struct request *rq, const char *code, const char *message,
    uint64_t retry_ms)
{
	reply_not_now(rq, 429, code, message, retry_ms == 0 ? REPLY_RETRY_S :
	    (retry_ms + 999) / 1000);
}

void
reply_busy(struct request *rq, const char *message, unsigned seconds)
{
	reply_not_now(rq, 503, "unavailable", message, seconds);
}

void
reply_bad(struct conn *c, int status, const char *why)
{
	struct request rq = { .w = c->w, .c = c,
		.row = &c->w->routes[ROUTE_NONE] };

	rq.head.keep_alive = true;	/* its next one may be here already */
	reply_error(&rq, status, status == 408 ? "timeout" :
	    status == 413 ? "too_large" : "bad_request", why);
}
