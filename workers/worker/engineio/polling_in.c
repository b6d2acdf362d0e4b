/*
 * The POST of a session over polling: its body is the client's packets, which
 * polling_rest.c has done.  One that closes the session while no GET waits is
 * held for a moment: a GET may have been sent with it, over another connection,
 * that came to another worker, and is to be answered before the session is
 * forgotten.
 */
#include <stdlib.h>

#include "hub/client.h"
#include "shm/counters.h"
#include "worker/engineio/polling_int.h"
#include "worker/http/body.h"
#include "worker/http/reply.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

#define POLLER_HTML	"text/html"	/* as the reference has it */

void
poller_refuse(struct request *rq, int status)
{
	rq->keep_alive = false;
	reply_send(rq, status, NULL, slice_of(NULL, 0), NULL);
}

bool
poller_post_held(const struct poller *p)
{
	return (p->post != NULL && p->post->state == CONN_HELD);
}

/* It looks like the last POST, which did not get its answer. */
static bool
polling_post_again(struct poller *p, uint64_t head)
{
	struct repeat_of *last = &p->repeat.post;

	if (head == 0 || head != last->head)
		return (false);
	if (p->post == NULL)
		return (poller_writes(&p->oked) || last->lost);
	if (!poller_post_held(p))	/* it stopped on its way, nothing was done */
		repeat_body(&p->repeat, body_part(p->post), false);
	conn_abort(p->post, REASON_client_gone);
	poller_let_go(p, &p->post);
	return (true);
}

void
poller_post(struct poller *p, struct request *rq, const struct engineio *e)
{
	struct repeat *r = &p->repeat;
	uint64_t head = repeat_head(r, slice_of(rq->all.p,
	    rq->all.n - rq->rest.n), &e->t);
	struct slice type;

	r->again = polling_post_again(p, head);
	if (p->post != NULL) {	/* one at a time */
		conn_abort(p->post, REASON_http_bad);
		poller_let_go(p, &p->post);
		poller_refuse(rq, 400);
		polling_close(p, REASON_http_bad);
		return;
	}
	if (http_field(&rq->head, "Content-Type", &type) > 0 &&
	    slice_caseeq(type, SLICE("application/octet-stream"))) {
		poller_refuse(rq, 400);
		polling_close(p, REASON_unsupported_data);
		return;
	}
	if (!r->again)
		r->post = (struct repeat_of){ .head = head };
	p->post = rq->c;
	rq->c->poller = p;
	counter_add(COUNTER_eio_posts, 1);
	body_want(rq);
}

/* Nothing of it is to be done: it was, or it is another one than was on its
 * way, and there may be one at a time only. */
static bool
polling_post_idle(struct poller *p, struct slice body)
{
	struct repeat *r = &p->repeat;
	bool same;

	if (!r->again)
		return (false);
	r->again = false;
	same = repeat_is_body(r, body);
	if (same)
		counter_add(COUNTER_eio_repeated, 1);
	else if (!r->post.done)
		polling_close(p, REASON_http_bad);
	return (same == r->post.done);
}

static void
polling_hold_post(struct poller *p, struct request *rq)
{
	free(p->post_lines);
	if (!poller_lines(rq, &p->post_lines)) {
		poller_no_memory(p, rq);
		return;
	}
	p->post = rq->c;
	rq->c->poller = p;
	reply_hold(rq, CONN_HELD);
}

/* It brought something that is no packet, and there is no GET to tell so; or
 * it was one too many. */
static bool
polling_post_bad(const struct poller *p)
{
	return (p->parting && (p->reason == REASON_http_bad ||
	    (p->get == NULL && p->reason == REASON_eio_parse)));
}

void
polling_body(struct request *rq, struct slice body)
{
	struct poller *p = rq->c->poller;

	poller_check(p);
	MUST(p->post == rq->c);
	poller_let_go(p, &p->post);
	story_in(&p->story, p->all->w, body.n);
	if (!p->parting && !polling_post_idle(p, body)) {
		repeat_body(&p->repeat, body, true);
		poller_take(p, body);
	}
	/* what is behind it on its connection waits as well */
	rq->c->stalled = poller_post_waits(p);
	if (rq->c->stalled || (p->parting && p->get == NULL &&
	    p->reason == REASON_client_close)) {
		polling_hold_post(p, rq);
		return;
	}
	if (polling_post_bad(p))
		poller_refuse(rq, 400);
	else
		reply_send(rq, 200, POLLER_HTML, SLICE("ok"),
		    POLLING_NO_STORE);
	poller_answers(p, &p->oked, rq->c);
}

void
poller_answer_post(struct poller *p)
{
	bool bad = polling_post_bad(p);
	struct conn *c = p->post;

	MUST(poller_post_held(p));
	poller_let_go(p, &p->post);
	poller_answers(p, &p->oked, c);
	if (bad)
		reply_held_last(c);
	reply_held_bytes(c, bad ? 400 : 200, bad ? NULL : POLLER_HTML,
	    p->post_lines != NULL ? p->post_lines : POLLING_NO_STORE,
	    bad ? slice_of(NULL, 0) : SLICE("ok"), false);
	free(p->post_lines);
	p->post_lines = NULL;
}

void
polling_body_refused(struct request *rq, int status, const char *lines)
{
	struct poller *p = rq->c->poller;

	poller_check(p);
	poller_let_go(p, &p->post);
	reply_send(rq, status, NULL, slice_of(NULL, 0), lines);
}

uint64_t
polling_body_ms(const struct conf *conf)
{
	return (conf->ping_interval_ms + conf->ping_timeout_ms);
}
