/*
 * What is still to do of the POSTs of a session over polling.  As much of a
 * body as its client may have done in a turn (hub/work.h) is done where it
 * stands, the rest is kept and goes on turn by turn, in order; the POST is
 * answered when all of it is done.
 *
 *	polling_body ──► share had ──► next turn ──► ... ──► "ok"
 *	                     │  ▲
 *	     too much queued ▼  │ a GET took it, or the WebSocket
 *	                    paused
 *
 * A client that does not poll while its POST is on its way would wait for ever
 * when that is paused: then the POST is answered before it is done.  The next
 * one comes behind what is left, and waits for its answer until there is no
 * more than one body's worth.  So two bodies are held at the most.
 */
#include <stdlib.h>

#include "hub/client.h"
#include "hub/work.h"
#include "shm/counters.h"
#include "worker/engineio/polling_int.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

/* Whose packets they are; NULL: nobody's any more. */
static struct client *
polling_rest_client(const struct poller *p)
{
	if (p->state != POLLER_UPGRADED)
		return (p->client);
	return (p->ws->parting ? NULL : p->ws->client);
}

static void
polling_rest_failed(struct poller *p, enum reason r)
{
	if (p->state == POLLER_UPGRADED)
		conn_close(p->ws, r);
	else
		polling_close(p, r);
}

static void
polling_rest_lost(struct poller *p)
{
	counter_add(COUNTER_memory_failures, 1);
	polling_rest_failed(p, REASON_memory);
}

static void
polling_keep_rest(struct poller *p, const struct eio_payload *it)
{
	p->rest_bytes = malloc(it->rest.n + 1);
	if (p->rest_bytes == NULL) {
		polling_rest_lost(p);
		return;
	}
	if (it->rest.n > 0)
		memcpy(p->rest_bytes, it->rest.p, it->rest.n);
	p->rest = (struct eio_payload){
		.rest = slice_of(p->rest_bytes, it->rest.n) };
	poller_ws_waits(p);
}

/* Another body behind it. */
static void
polling_append_rest(struct poller *p, struct slice body)
{
	size_t n = p->rest.rest.n;
	uint8_t *all;

	all = malloc(n + 1 + body.n);
	if (all == NULL) {
		polling_rest_lost(p);
		return;
	}
	if (n > 0)
		memcpy(all, p->rest.rest.p, n);
	all[n] = EIO_SEPARATOR;
	if (body.n > 0)
		memcpy(all + n + 1, body.p, body.n);
	free(p->rest_bytes);
	p->rest_bytes = all;
	p->rest.rest = slice_of(all, n + 1 + body.n);
}

void
poller_forget_rest(struct poller *p)
{
	p->is_busy = false;
	free(p->rest_bytes);
	p->rest_bytes = NULL;
	poller_ws_waits(p);
}

void
poller_resume(struct poller *p)
{
	if (p->rest_bytes == NULL || p->is_busy)
		return;
	p->is_busy = true;
	if (!p->queued)
		later_add(p->all->busy, &p->later);
	p->queued = true;
}

/* So much is queued for it that more answers might be its end. */
static bool
polling_is_behind(const struct poller *p, const struct client *client)
{
	return (conn_is_behind(p->all->w, client_out(client)));
}

/* Its share of this turn is had: the next turn, unless too much is queued. */
static void
polling_rest_next_turn(struct poller *p, const struct client *client)
{
	if (!polling_is_behind(p, client)) {
		counter_add(COUNTER_input_deferred, 1);
		poller_resume(p);
		return;
	}
	counter_add(COUNTER_input_paused, 1);
	if (p->state == POLLER_UPGRADED)
		p->ws->stalled = true;	/* until it has drained */
}

void
poller_take(struct poller *p, struct slice body)
{
	struct eio_payload it = { .rest = body };
	struct client *client = polling_rest_client(p);

	if (p->rest_bytes != NULL) {
		/* the one before is not answered yet, so this is one too
		 * many, though it looked like the same once more */
		if (p->rest.rest.n > p->all->w->conf->message_bytes)
			polling_rest_failed(p, REASON_http_bad);
		else
			polling_append_rest(p, body);
		return;
	}
	if (client == NULL || engine_payload(client, &it))
		return;
	polling_keep_rest(p, &it);
	if (p->rest_bytes != NULL)
		polling_rest_next_turn(p, client);
}

bool
poller_post_waits(const struct poller *p)
{
	return (p->rest_bytes != NULL && !p->parting && (p->is_busy ||
	    p->get != NULL || p->state == POLLER_UPGRADED ||
	    p->rest.rest.n > p->all->w->conf->message_bytes));
}

static void
polling_rest_go_on(struct poller *p)
{
	struct client *client = polling_rest_client(p);
	struct worker *w = p->all->w;

	if (p->parting || client == NULL)
		return;		/* it ends with this turn */
	work_begin(w->work);
	if (polling_is_behind(p, client) || !engine_payload(client, &p->rest)) {
		polling_rest_next_turn(p, client);
		if (poller_post_held(p) && !poller_post_waits(p))
			poller_answer_post(p);
		return;
	}
	poller_forget_rest(p);
	/* a close that came over it may have a GET beside it */
	if (poller_post_held(p) && !(p->parting && p->get == NULL &&
	    p->reason == REASON_client_close))
		poller_answer_post(p);
	if (p->state == POLLER_UPGRADED)
		conn_later(p->ws, CONN_LATER_READ);
}

static void
polling_rest_later(struct later *l)
{
	struct poller *p = container_of(l, struct poller, later);

	p->queued = false;
	if (!p->is_busy || p->frozen)
		return;		/* it ended meanwhile, or may not now */
	poller_check(p);
	p->is_busy = false;
	polling_rest_go_on(p);
}

void
polling_go_on(struct polling *all)
{
	later_walk(all->busy, all->w->work, polling_rest_later);
}

bool
polling_busy(const struct polling *all)
{
	return (!later_empty(all->busy));
}

void
poller_ws_waits(struct poller *p)
{
	if (p->state == POLLER_UPGRADED && p->ws != NULL)
		p->ws->state = p->rest_bytes != NULL ? CONN_WAITING :
		    CONN_SESSION;
}

void
polling_waiting_drained(struct conn *c)
{
	poller_resume(c->poller);
}
