/*
 * The end of a worker; see leave.h.
 */
#include "worker/leave.h"

#include <bsd/stdlib.h>

#include "hub/client.h"
#include "hub/move.h"
#include "shm/counters.h"
#include "sys/ipc.h"
#include "sys/log.h"
#include "worker/engineio/polling.h"
#include "worker/handover/handover.h"
#include "worker/net/accept.h"
#include "worker/net/bus_port.h"
#include "worker/net/conn.h"
#include "worker/net/parcel.h"
#include "worker/sockjs/sockjs.h"

#define LEAVE_ASK_MS	250u	/* for the relay to say that it knows */
#define LEAVE_TICK_US	(WORKER_TICK_MS * 1000u)
#define LEAVE_JITTER_US	(2 * LEAVE_TICK_US)

/* The last client has gone.  Publishers that do not know it wait for our word
 * that we have no receivers; the relay is to send us nothing more. */
static bool
leave_is_awaited(struct worker *w)
{
	if (w->mode != WORKER_DRAINING || w->now.us >= w->stop_at.us)
		return (false);
	if (w->left_at.us == 0)
		w->left_at = w->now;
	return (!bus_port_leave(w->bus, (unsigned)w->h->slot,
	    (uint32_t)w->h->generation) &&
	    w->now.us < mono_add_ms(w->left_at, LEAVE_ASK_MS).us);
}

void
leave_finish(struct worker *w)
{
	struct ipc_msg m;

	if (w->mode < WORKER_DRAINING || w->nconns > 0 || w->doomed != NULL ||
	    polling_waiting(w->polling) > 0 || polling_busy(w->polling) ||
	    sockjs_waiting(w->sockjs) > 0 || sockjs_busy(w->sockjs))
		return;
	/* clients wait for those it passes them on to, which may be slow; back
	 * ends for clients who have gone to others with what they owe */
	if (w->mode == WORKER_DRAINING && w->now.us < w->stop_at.us &&
	    (parcel_waiting(w->parcels) > 0 || handover_waits(w->handover) ||
	    hub_has_questions(w->hub)))
		return;
	if (leave_is_awaited(w))
		return;
	ipc_init(&m, CONTROL_DRAINED);
	if (w->control.fd != -1 && ipc_send(w->control.fd, &m) == -1)
		log_warn("control");
	loop_stop(w->loop);
}

static void
leave_close_all(struct worker *w, enum reason r)
{
	struct conn *c;

	polling_close_all(w->polling, r);
	sockjs_close_all(w->sockjs, r);
	TAILQ_FOREACH(c, &w->conns, link)
		/* those are answered, or closed, by their session */
		if (c->state != CONN_HELD && c->state != CONN_ASKING &&
		    c->state != CONN_POLL && c->state != CONN_AWAITS &&
		    c->state != CONN_CHUNKED &&
		    c->state != CONN_TUNNEL)
			conn_close(c, r);
}

/* Nobody is accepted any more; who waits in a queue would be reset, where there
 * is time to send him elsewhere. */
static void
leave_go(struct worker *w, enum worker_mode mode, uint64_t ms)
{
	if (w->mode < WORKER_DRAINING && mode == WORKER_DRAINING)
		accept_rest(w);
	longpoll_leave(w->hub);	/* they ask others next */
	log_info(mode == WORKER_DRAINING ? "drain connections=%zu ms=%llu" :
	    "stop connections=%zu ms=%llu", w->nconns, (unsigned long long)ms);
	if (w->mode < WORKER_DRAINING)
		accept_close(w);
	w->stop_at = mono_add_ms(w->now, ms);
	w->drain_from = w->now;
	w->drain_all = w->nconns;
}

void
leave_begin(struct worker *w, enum worker_mode mode, uint64_t ms)
{
	if (mode <= w->mode)
		return;	/* already going, as fast or faster */
	if (mode == WORKER_LEAVING)
		log_info("leave connections=%zu in_ms=%llu", w->nconns,
		    (unsigned long long)ms);
	else
		leave_go(w, mode, ms);
	w->mode = mode;
	if (mode == WORKER_STOPPING) {
		handover_stop(w->handover);
		hub_leave(w->hub);
		leave_close_all(w, REASON_shutdown);
	}
}

/* So many are to have been told by now: evenly, so that the last is before
 * stop_at, when the master loses patience; but not all workers and hosts at the
 * same beat. */
static size_t
leave_due(const struct worker *w)
{
	uint64_t all_us = w->stop_at.us - w->drain_from.us;
	uint64_t gone_us = w->now.us - w->drain_from.us;
	uint64_t jitter_us = arc4random_uniform(LEAVE_JITTER_US);

	if (gone_us + LEAVE_JITTER_US + LEAVE_TICK_US >= all_us)
		return (SIZE_MAX);
	if (gone_us < jitter_us)
		return (0);
	all_us -= LEAVE_JITTER_US + LEAVE_TICK_US;
	return ((size_t)(w->drain_all * (gone_us - jitter_us) / all_us));
}

/* May it be told to go, now or with the last? */
static bool
leave_may_tell(const struct conn *c, bool last)
{
	if (c->parting || c->state >= CONN_TUNNEL)
		return (false);
	/* unless a request is on its way, or another worker may take it */
	return (last || (!(c->tls == NULL && handover_gives(c->w->handover)) &&
	    c->state != CONN_HTTP && c->state != CONN_ASKING &&
	    c->state != CONN_POLL && c->state != CONN_HEARING));
}

/* DRAINING: as many as are due.  Who was looked at goes to the end of the
 * queue, or those who have been told and are slow to go would be looked at each
 * time. */
static void
leave_drain_some(struct worker *w)
{
	size_t due = leave_due(w), looks = w->nconns;
	struct conn *c;

	if (due == SIZE_MAX)
		hub_leave(w->hub);
	for (; w->drain_told < due && looks > 0; looks--) {
		c = TAILQ_FIRST(&w->conns);
		TAILQ_REMOVE(&w->conns, c, link);
		TAILQ_INSERT_TAIL(&w->conns, c, link);
		if (!leave_may_tell(c, due == SIZE_MAX))
			continue;
		if (c->state == CONN_HELD)
			polling_conn_close(c, REASON_restart);
		else if (c->state == CONN_AWAITS || c->state == CONN_CHUNKED)
			sockjs_conn_close(c, REASON_restart);
		else
			conn_close(c, REASON_restart);
		w->drain_told++;
	}
}

void
leave_tick(struct worker *w)
{
	struct conn *c;

	if (w->mode == WORKER_DRAINING)
		leave_drain_some(w);
	/* and who has not answered by the end is left behind */
	if (w->mode == WORKER_STOPPING && w->stop_at.us <= w->now.us)
		TAILQ_FOREACH(c, &w->conns, link)
			conn_abort(c, REASON_shutdown);
}
