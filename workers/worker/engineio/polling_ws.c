/*
 * The WebSocket that takes a session over polling over: a candidate until it
 * has said so (eio_is_upgrade), the session's only connection after that.
 */
#include "hub/client.h"
#include "shm/counters.h"
#include "worker/engineio/polling_int.h"
#include "worker/net/conn.h"
#include "worker/websocket/frames.h"
#include "worker/websocket/upgrade.h"
#include "worker/worker.h"

/* false: answered with an error. */
static bool
polling_candidate_accept(struct request *rq)
{
	struct ws_offer offer;

	if (!upgrade_offer(rq, &offer))
		return (false);
	(void)upgrade_accept(rq, &offer, false, rq->match.conf == NULL ? NULL :
	    rq->match.conf->ns);
	frames_candidate(rq->c, rq->w->conf->upgrade_timeout_ms);
	return (true);
}

void
polling_candidate_unwanted(struct request *rq)
{
	counter_add(COUNTER_eio_upgrades_failed, 1);
	if (polling_candidate_accept(rq))
		conn_close(rq->c, REASON_upgrade_failed);
}

void
poller_candidate(struct poller *p, struct request *rq)
{
	if (p->state != POLLER_POLLING || p->ws != NULL ||
	    !rq->w->conf->allow_upgrades || !engine_may_upgrade(p->client)) {
		polling_candidate_unwanted(rq);
	} else if (polling_candidate_accept(rq)) {
		p->ws = rq->c;
		rq->c->poller = p;
	}
}

static void
polling_probe(struct poller *p, struct conn *c)
{
	p->probed = true;
	conn_say(c, eio_probed_frame);
	counter_add(COUNTER_ws_frames_out, 1);
	poller_noop(p);
}

static void
polling_upgrade(struct poller *p, struct conn *c)
{
	if (p->get != NULL) {	/* left open: what is queued, or a noop */
		poller_noop(p);
		if (!p->parting)
			poller_answer(p);
		if (p->parting)	/* its connection has gone, in this turn */
			return;
	}
	p->state = POLLER_UPGRADED;
	p->all->nupgraded++;
	poller_uncount(p);
	timer_stop(p->all->w->wheel, &p->timer);
	p->noop_at.us = 0;
	outq_unblock(p->all->w->out, &p->outq);
	c->state = CONN_SESSION;
	*conn_number(c) = p->story.number;	/* one client, on one more */
	c->client = p->client;
	p->client = NULL;
	poller_ws_waits(p);
	if (!engine_upgrade(c->client, &c->outq,
	    (enum deflate_window)c->deflate))
		conn_close(c, REASON_memory);
	poller_resume(p);
	conn_rearm(c);
}

static void
polling_candidate_text(struct conn *c, struct slice s)
{
	struct poller *p = c->poller;

	poller_check(p);
	if (p->parting)
		conn_close(c, REASON_upgrade_failed);
	else if (!engine_may_upgrade(p->client))	/* by now */
		conn_close(c, REASON_upgrade_failed);
	else if (!p->probed && eio_is_probe(s))
		polling_probe(p, c);
	else if (p->probed && eio_is_upgrade(s))
		polling_upgrade(p, c);
	else
		conn_close(c, REASON_upgrade_failed);
}

static void
polling_candidate_message(struct conn *c, struct ws_event *ev)
{
	if (ev->type == WS_BINARY)
		conn_close(c, REASON_upgrade_failed);
	else if (ev->type == WS_TEXT && c->poller != NULL)
		polling_candidate_text(c, slice_of(ev->data, ev->n));
}

size_t
polling_candidate_input(struct conn *c, uint8_t *p, size_t n, size_t old)
{
	(void)old;
	return (frames_take(c, p, n, polling_candidate_message));
}

void
polling_candidate_due(struct conn *c)
{
	conn_close(c, REASON_upgrade_failed);
}

void
polling_ws_parting(struct conn *c)
{
	polling_conn_gone(c);
	frames_parting(c);
}
