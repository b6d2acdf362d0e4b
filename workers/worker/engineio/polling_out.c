/*
 * The GET of a session over polling: held until the turn ends in which the
 * session's queue has something, then all that is queued goes out behind one
 * response head, by reference.
 */
#include <bsd/stdlib.h>
#include <stdlib.h>

#include "shm/counters.h"
#include "worker/engineio/polling_int.h"
#include "worker/http/reply.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

#define POLLER_NOOP_MS	80	/* a GET is held so long during an upgrade */
#define POLLER_LAST_GET_MS 1000	/* ... on a connection that goes, at most */
#define POLLER_BLOCK_BYTES (64u << 10)	/* unpolled: no volatile messages */
#define POLLER_TEXT	"text/plain; charset=UTF-8"

void
poller_noop(struct poller *p)
{
	p->noop_at.us = 0;
	if (p->get != NULL && p->outq.n == 0 &&
	    !out_bytes(p->all->w->out, &p->outq, eio_polled_noop))
		polling_close(p, REASON_memory);
}

void
poller_answer(struct poller *p)
{
	struct out *o = p->all->w->out;
	struct conn *c = p->get;
	size_t n;

	n = (size_t)outq_bytes(&p->outq);
	MUST(n > 1);
	p->noop_at.us = 0;
	story_out(&p->story, p->all->w, n - 1);
	repeat_keep(&p->repeat, o, &p->outq);
	poller_let_go(p, &p->get);
	poller_answers(p, &p->told, c);
	reply_held_queue(c, 200, POLLER_TEXT,
	    p->lines != NULL ? p->lines : POLLING_NO_STORE, p->wish, &p->outq,
	    n - 1);
	free(p->lines);
	p->lines = NULL;
	if (c->abort)		/* it does not go out */
		polling_close(p, (enum reason)c->reason);
	else
		outq_sent(o, &p->outq, 1);	/* the last separator */
	outq_unblock(o, &p->outq);
	poller_resume(p);
}

/* No GET waits: how much may wait for one? */
static void
polling_unpolled(struct poller *p)
{
	struct worker *w = p->all->w;
	uint64_t limit = w->conf->send_queue_bytes;
	uint64_t n = outq_bytes(&p->outq), behind = outq_behind(&p->outq);

	/* a single event may be larger, and our ping may come behind it */
	if ((n - behind > limit ? behind : n) > limit)
		polling_close(p, REASON_slow_consumer);
	else if (n > POLLER_BLOCK_BYTES)
		outq_block(w->out, &p->outq);
}

void
polling_flush(struct outq *q)
{
	struct poller *p = container_of(q, struct poller, outq);

	poller_check(p);
	if (p->parting || p->frozen)
		return;		/* the last word comes behind it */
	if (q->lossy)		/* something could not be queued */
		polling_close(p, REASON_slow_consumer);
	else if (p->get == NULL)
		polling_unpolled(p);
	else if (q->n > 0) {
		poller_answer(p);
		if (p->state == POLLER_LAST && !p->owing)
			poller_over(p);
	}
}

bool
poller_lines(const struct request *rq, char **lines)
{
	char name[TRACE_LINE_MAX];
	struct buf b;

	*lines = NULL;
	/* a name that nobody else knows is not worth the memory */
	if (rq->lines == NULL && !rq->trace.kept)
		return (true);
	buf_init(&b);
	buf_str(&b, POLLING_NO_STORE);
	if (rq->lines != NULL)
		buf_str(&b, rq->lines);
	if (rq->trace.kept)
		buf_str(&b, trace_line(&rq->trace, name));
	buf_byte(&b, '\0');
	if (b.oom) {
		buf_fini(&b);
		return (false);
	}
	*lines = (char *)b.data;
	return (true);
}

void
poller_no_memory(struct poller *p, struct request *rq)
{
	counter_add(COUNTER_memory_failures, 1);
	poller_refuse(rq, 503);
	polling_close(p, REASON_memory);
}

void
poller_hold(struct poller *p, struct request *rq)
{
	struct worker *w = p->all->w;

	if (!poller_lines(rq, &p->lines)) {
		poller_no_memory(p, rq);
		return;
	}
	p->get = rq->c;
	rq->c->poller = p;
	p->wish = coded_wish(rq);
	reply_hold(rq, CONN_HELD);
	counter_add(COUNTER_eio_gets, 1);
	if (p->owing && p->outq.n == 0) {
		p->owing = false;
		if (!out_bytes(w->out, &p->outq, eio_polled_close))
			polling_close(p, REASON_memory);
	} else if (p->outq.n > 0) {
		if (!outq_touch(w->out, &p->outq))
			polling_close(p, REASON_memory);
	} else if ((p->probed || rq->c->last) &&
	    p->state == POLLER_POLLING) {
		p->noop_at = mono_add_ms(w->now, p->probed ? POLLER_NOOP_MS :
		    arc4random_uniform(POLLER_LAST_GET_MS));
		polling_rearm(p);
	}
}

/* It was answered before, and the answer got lost. */
static void
polling_answer_again(struct poller *p, struct request *rq)
{
	struct buf *b = &rq->w->body;

	buf_reset(b);
	if (!repeat_text(&p->repeat, b)) {
		poller_no_memory(p, rq);
		return;
	}
	counter_add(COUNTER_eio_repeated, 1);
	if (p->told != NULL)
		conn_abort(p->told, REASON_client_gone);
	poller_answers(p, &p->told, rq->c);
	b->wpos--;		/* the last separator */
	reply_coded(rq, 200, POLLER_TEXT, buf_unread(b),
	    POLLING_NO_STORE);
}

/* It waits over another connection, which its client has given up. */
static void
polling_hold_instead(struct poller *p, struct request *rq)
{
	counter_add(COUNTER_eio_repeated, 1);
	conn_abort(p->get, REASON_client_gone);
	poller_let_go(p, &p->get);
	free(p->lines);
	p->lines = NULL;
	poller_hold(p, rq);
}

void
poller_get(struct poller *p, struct request *rq, const struct engineio *e)
{
	struct repeat *r = &p->repeat;
	uint64_t head = repeat_head(r, slice_of(rq->all.p,
	    rq->all.n - rq->rest.n), &e->t);
	bool again = head != 0 && head == r->get.head;

	story_in(&p->story, p->all->w, 0);
	if (again && p->get != NULL) {
		polling_hold_instead(p, rq);
	} else if (p->get != NULL) {
		poller_refuse(rq, 400);	/* one at a time */
		polling_close(p, REASON_http_bad);
	} else if (again && r->answered &&
	    (poller_writes(&p->told) || r->get.lost)) {
		polling_answer_again(p, rq);
	} else {
		if (p->told != NULL)
			poller_let_go(p, &p->told);
		repeat_forget(r);
		r->get.head = head;
		poller_hold(p, rq);
	}
}
