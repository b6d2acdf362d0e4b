/*
 * HTTP on a connection: heads, one after the other, each to the row of its
 * route (worker.c has the table).  A head is decoded where it was read; its
 * body is body.c's, the response reply.c's.
 */
#include "worker/http/request.h"

#include "hub/client.h"
#include "hub/work.h"
#include "worker/http/body.h"
#include "worker/http/origin.h"
#include "worker/http/refusal.h"
#include "worker/http/reply.h"
#include "worker/net/accept.h"
#include "worker/net/conn.h"
#include "worker/net/counted.h"
#include "worker/worker.h"

#define REQUEST_HEARING_MS 60000u	/* the largest timeout of a hook */
#define REQUEST_FULL_S	5u	/* until an event source asks a full one again */

void
request_not_found(struct request *rq)
{
	reply_error(rq, 404, "not_found", "there is nothing here");
}

void
request_due(struct conn *c)
{
	if (c->guest) {
		accept_refuse_guest(c);
		return;
	}
	if (c->tail == NULL && c->body == NULL) {
		conn_abort(c, REASON_handshake_timeout);
		return;
	}
	reply_bad(c, 408, "the request was not complete in time");
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
	reply_error(rq, 421, "misdirected", "this host is not served here");
	return (false);
}

/* A proxy's connection is counted for whom it works. */
static bool
request_counted(struct request *rq)
{
	if (!rq->from.proxied || counted_asks(rq->c, from_key(rq)))
		return (true);
	counter_add(COUNTER_refused_address, 1);
	refusal_told(rq, slice_of(NULL, 0), "limit");
	reply_too_many(rq, "limit", "too many connections of your address", 0);
	return (false);
}

/* --- heads --------------------------------------------------------------- */

/* What is not served on its listener is nowhere to be found. */
static bool
request_served(const struct request *rq, const struct route_row *row)
{
	const struct conn *c = rq->c;

	return (!(row->status ? c->no_status : row->api ? c->no_api :
	    c->no_clients));
}

/* false: it is answered. */
static bool
request_is_again(struct request *rq)
{
	rq->again = rq->row->streams &&
	    http_field_has(&rq->head, "Accept", "text/event-stream");
	return (!rq->again || !origin_lines(rq));
}

static void
request_refuse_guest(struct request *rq)
{
	from_keep(rq);
	if (!rq->again) {
		accept_refuse_guest(rq->c);
		return;
	}
	accept_note_guest(rq->c);
	rq->keep_alive = false;
	reply_busy(rq, "too many connections", REQUEST_FULL_S);
}

static void
request_serve(struct request *rq)
{
	const struct route_row *row;

	if (!request_host_allowed(rq))
		return;
	route_find(rq->w->conf, rq->head.path, &rq->match);
	row = &rq->w->routes[rq->match.route];
	/* a body that is not read ends the connection; so does an upgrade
	 * that is not made: what follows it is not HTTP */
	rq->keep_alive = rq->head.keep_alive && !rq->head.chunked &&
	    rq->head.content_length <= 0 && !rq->head.upgrade_websocket;
	if (!request_served(rq, row))
		row = &rq->w->routes[ROUTE_NONE];
	rq->row = row;
	if (!request_is_again(rq))
		return;
	if (rq->c->guest && !row->status) {
		request_refuse_guest(rq);
		return;
	}
	if (rq->c->guest)
		rq->keep_alive = false;
	if (!request_counted(rq))
		return;
	if (row->methods & 1u << rq->head.method) {
		row->serve(rq);
		return;
	}
	if (rq->head.method == HTTP_OPTIONS) {
		reply_send(rq, 204, NULL, slice_of(NULL, 0), row->allow);
		return;
	}
	reply_method(rq);
}

/* Something can have changed since it was last looked at: heads end with a
 * line, and lines have a limit. */
static bool
request_worth_decoding(const uint8_t *p, size_t n, size_t old)
{
	return (old == 0 || n > HTTP_LINE_MAX ||
	    memchr(p + old, '\n', n - old) != NULL);
}

/* What was served of it stays where it is; false: all of it does. */
static bool
request_is_over(struct request *rq)
{
	struct conn *c = rq->c;

	if (rq->hears && !c->parting) {
		c->hearing = rq->hearing;
		rq->hearing = NULL;
		c->state = CONN_HEARING;
		c->stalled = true;
		/* hooks answer in time, or the hub says so */
		c->deadline = mono_add_ms(rq->w->now,
		    REQUEST_HEARING_MS + rq->w->conf->handshake_timeout_ms);
		conn_rearm(c);
		return (false);
	}
	if (rq->wait)
		c->stalled = true;
	else if (rq->later)
		conn_later(c, CONN_LATER_READ);
	return (!rq->wait && !rq->later);
}

/* One whole head, perhaps. */
static size_t
request_head(struct request *rq, uint8_t *p, size_t n)
{
	struct conn *c = rq->c;
	struct worker *w = rq->w;
	ssize_t r;

	r = http_decode_request(slice_of(p, n), &rq->head);
	if (r == CODEC_MORE)
		return (0);
	if (r == CODEC_BAD) {
		reply_bad(c, rq->head.status, rq->head.why);
		return (n);
	}
	rq->all = slice_of(p, n);
	rq->rest = slice_of(p + r, n - (size_t)r);
	from_find(rq);
	trace_find(rq);
	w->request_id = rq->trace.id;
	request_serve(rq);
	w->request_id = NULL;
	if (rq->passed)
		return (n);
	if (!request_is_over(rq))
		return (0);
	/* by who answers it, once */
	counter_add(COUNTER_http_requests, 1);
	return ((size_t)r + rq->body_used);
}

size_t
request_input(struct conn *c, uint8_t *p, size_t n, size_t old)
{
	struct worker *w = c->w;
	struct request rq = { .w = w, .c = c, .row = &w->routes[ROUTE_NONE] };
	const struct conn_hand *hand = &w->hands[c->state];
	size_t used;

	work_add(w->work, 1);
	if (c->body != NULL)
		return (body_input(c, p, n));
	/* who sends a request behind it does not miss the last response */
	if (hand->drained != NULL)
		hand->drained(c);
	if (c->state == CONN_IDLE) {
		c->state = CONN_HTTP;
		c->deadline = mono_add_ms(w->now,
		    w->conf->handshake_timeout_ms);
		conn_rearm(c);
	}
	if (!request_worth_decoding(p, n, old))
		return (0);
	used = request_head(&rq, p, n);
	hearing_forget(&rq.hearing);
	return (used);
}

/* --- those that a hook is asked about ------------------------------------- */

size_t
request_hearing_input(struct conn *c, uint8_t *p, size_t n, size_t old)
{
	struct request rq = { .w = c->w, .c = c,
		.row = &c->w->routes[ROUTE_NONE], .hearing = c->hearing };
	size_t used;

	(void)old;
	work_add(c->w->work, 1);
	c->hearing = NULL;
	c->state = CONN_HTTP;
	c->deadline = mono_add_ms(c->w->now, c->w->conf->handshake_timeout_ms);
	conn_rearm(c);
	used = request_head(&rq, p, n);
	hearing_forget(&rq.hearing);
	return (used);
}

void
request_heard(void *worker, void *asker)
{
	struct conn *c = asker;

	MUST(c->w == worker && c->state == CONN_HEARING);
	c->stalled = false;
	conn_later(c, CONN_LATER_READ);
}

void
request_hearing_parting(struct conn *c)
{
	hearing_forget(&c->hearing);
	request_parting(c);
}

/* --- others ---------------------------------------------------------------- */

size_t
request_held_input(struct conn *c, uint8_t *p, size_t n, size_t old)
{
	(void)p;
	(void)old;
	work_add(c->w->work, 1);
	if (n > HTTP_HEAD_MAX)	/* nobody sends so much behind a poll */
		conn_abort(c, REASON_http_bad);
	return (0);
}

void
request_parting(struct conn *c)
{
	body_free(&c->body);
	conn_finish(c);
}
