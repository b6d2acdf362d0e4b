/*
 * How a session over polling ends.  Closing is put off to the end of the turn:
 * the hub must not be called back.
 */
#include <stdlib.h>

#include "hub/client.h"
#include "sys/log.h"
#include "worker/engineio/polling_int.h"
#include "worker/http/reply.h"
#include "worker/net/conn.h"
#include "worker/net/names.h"
#include "worker/worker.h"

#define POLLER_LAST_MS	30000	/* the last word waits so long for a GET */
#define POLLER_LATE_MS	100	/* ... when the client has closed */

void
polling_close(struct poller *p, enum reason r)
{
	CHECK_MAGIC(p, POLLER_MAGIC);
	if (p->parting || p->state == POLLER_UPGRADED)
		return;
	p->parting = true;
	p->reason = (uint8_t)r;
	poller_list(p);
}

void
poller_list(struct poller *p)
{
	if (p->frozen)
		return;
	p->next = p->all->parting;
	p->all->parting = p;
}

void
poller_over(struct poller *p)
{
	p->over = true;
	polling_close(p, (enum reason)p->reason);
}

void
poller_drop(struct poller *p)
{
	struct polling *all = p->all;

	MUST(p->get == NULL && p->ws == NULL && p->client == NULL);
	if (poller_post_held(p)) {
		poller_answer_post(p);
	} else if (p->post != NULL) {
		conn_abort(p->post, REASON_http_bad);
		poller_let_go(p, &p->post);
	}
	if (p->told != NULL)
		poller_let_go(p, &p->told);
	if (p->oked != NULL)
		poller_let_go(p, &p->oked);
	if (p->state == POLLER_UPGRADED)
		all->nupgraded--;
	poller_remove(p);
	poller_bury(p);
}

void
poller_bury(struct poller *p)
{
	struct polling *all = p->all;

	timer_stop(all->w->wheel, &p->timer);
	poller_forget_rest(p);
	poller_uncount(p);
	outq_kill(all->w->out, &p->outq);
	repeat_fini(&p->repeat);
	free(p->lines);
	free(p->post_lines);
	p->lines = p->post_lines = NULL;
	p->next = all->doomed;
	all->doomed = p;
}

/* A request that was under way went with its connection. */
static enum reason
polling_lost(const struct conn *c)
{
	return (c->reason == REASON_client_reset ? REASON_client_reset :
	    REASON_client_gone);
}

void
polling_conn_gone(struct conn *c)
{
	struct poller *p = c->poller;

	if (p == NULL)
		return;
	poller_check(p);
	if (p->get == c) {
		poller_let_go(p, &p->get);
		polling_close(p, polling_lost(c));
	} else if (p->post == c) {
		poller_let_go(p, &p->post);
		if (poller_post_waits(p))	/* what it brought is ours */
			p->repeat.post.lost = true;
		else
			polling_close(p, polling_lost(c));
	} else if (p->told != c && p->oked != c) {
		MUST(p->ws == c);
		poller_let_go(p, &p->ws);
		p->probed = false;
		if (p->state == POLLER_UPGRADED)
			poller_drop(p);
		else
			counter_add(COUNTER_eio_upgrades_failed, 1);
	}
}

void
polling_http_parting(struct conn *c)
{
	polling_conn_gone(c);
	request_parting(c);
}

void
polling_conn_close(struct conn *c, enum reason r)
{
	MUST(c->state == CONN_HELD && c->poller != NULL);
	polling_close(c->poller, r);
}

uint64_t
poller_tells(const struct poller *p)
{
	static const bool abrupt[REASON__MAX] = {
		[REASON_client_gone] = true, [REASON_client_reset] = true,
		[REASON_ping_timeout] = true,
		[REASON_http_bad] = true, [REASON_eio_parse] = true,
		[REASON_unsupported_data] = true,
		[REASON_slow_consumer] = true, [REASON_memory] = true,
	};

	if (p->over || abrupt[p->reason] || p->all->w->mode >= WORKER_DRAINING)
		return (0);
	if (p->reason == REASON_client_close)
		return (p->post != NULL ? POLLER_LATE_MS : 0);
	return (POLLER_LAST_MS);
}

/*
 * Its client shall come back.  Some take "1" for the end of all, so it is not
 * told: a poll is answered 503, and later ones that nobody knows the session.
 */
static bool
polling_returns(const struct poller *p)
{
	return (p->reason == REASON_shutdown || p->reason == REASON_restart ||
	    p->reason == REASON_reconnect || p->reason == REASON_aged);
}

static void
polling_send_back(struct poller *p)
{
	struct conn *c = p->get;

	poller_let_go(p, &p->get);
	if (p->reason == REASON_aged)	/* or it would be sent back here */
		reply_held_last(c);
	reply_held_bytes(c, 503, "application/json", NULL, SLICE(
	    "{\"error\":{\"code\":\"unavailable\","
	    "\"message\":\"come back\"}}"), false);
}

/* The last packet of the session. */
static bool
polling_last_word(struct poller *p)
{
	struct slice word = eio_polled_close;

	if (p->reason == REASON_client_close) {
		word = eio_polled_noop;
		if (p->outq.n > 0)
			return (true);	/* that will do */
	}
	return (out_bytes(p->all->w->out, &p->outq, word));
}

static void
polling_part(struct poller *p)
{
	struct worker *w = p->all->w;
	uint64_t wait_ms = poller_tells(p);
	bool told, waits;

	poller_check(p);
	log_debug("session_end reason=%s",
	    reason_row((enum reason)p->reason)->name);
	if (p->ws != NULL) {
		counter_add(COUNTER_eio_upgrades_failed, 1);
		conn_close(p->ws, REASON_upgrade_failed);
		poller_let_go(p, &p->ws);
	}
	poller_forget_rest(p);
	if (poller_post_held(p) && p->reason != REASON_client_close)
		poller_answer_post(p);
	if (p->state == POLLER_POLLING) {
		poller_story_end(p);
		client_gone(&p->client, (enum reason)p->reason);
		p->state = POLLER_LAST;
		/* stock clients forget what came with a "1": a DISCONNECT
		 * packet, after which they are not to come back */
		p->owing = wait_ms == POLLER_LAST_MS && p->outq.n > 0 &&
		    !polling_returns(p);
		told = p->owing || (polling_returns(p) ? p->outq.n > 0 :
		    polling_last_word(p));
	} else
		told = p->outq.n > 0;
	waits = told && wait_ms != 0 && (p->get == NULL || p->owing);
	if (p->get != NULL && told)
		poller_answer(p);
	else if (p->get != NULL && polling_returns(p))
		polling_send_back(p);
	else if (p->get != NULL) {
		conn_abort(p->get, REASON_memory);
		poller_let_go(p, &p->get);
	}
	if (!waits) {
		poller_drop(p);
		return;
	}
	p->parting = false;
	p->deadline = mono_add_ms(w->now, wait_ms);
	polling_rearm(p);
}

static void
polling_close_one(struct poller *p, void *arg)
{
	polling_close(p, *(const enum reason *)arg);
}

void
polling_close_all(struct polling *all, enum reason r)
{
	sids_each(&all->sids, polling_close_one, &r);
}

bool
polling_turn_end(struct polling *all)
{
	struct poller *p;

	if (all->parting == NULL)
		return (false);
	while ((p = all->parting) != NULL) {
		all->parting = p->next;
		polling_part(p);
	}
	return (true);
}

void
polling_free_doomed(struct polling *all)
{
	struct poller *p, *next, *keep = NULL;

	if (all->doomed == NULL)
		return;
	for (p = all->doomed; p != NULL; p = next) {
		next = p->next;
		if (p->queued) {	/* until the next turn */
			p->next = keep;
			keep = p;
			continue;
		}
		names_drop(all->w->names, p->story.number);
		p->magic = 0;
		slab_put(&all->slab, p);
	}
	all->doomed = keep;
}
