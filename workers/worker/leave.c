/*
 * The end of a worker; see leave.h.
 */
#include "worker/leave.h"

#include "shm/counters.h"
#include "sys/ipc.h"
#include "sys/log.h"
#include "worker/engineio/polling.h"
#include "worker/net/accept.h"
#include "worker/net/conn.h"
#include "worker/net/parcel.h"

void
leave_finish(struct worker *w)
{
	struct ipc_msg m;

	if (w->mode == WORKER_SERVING || w->nconns > 0 || w->doomed != NULL ||
	    polling_waiting(w->polling) > 0 || polling_busy(w->polling))
		return;
	/* clients wait for those it passes them on to, which may be slow */
	if (w->mode == WORKER_DRAINING && w->now.us < w->stop_at.us &&
	    parcel_waiting(w->parcels) > 0)
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
	LIST_FOREACH(c, &w->conns, link)
		/* those are answered, or closed, by their session */
		if (c->state != CONN_HELD && c->state != CONN_ASKING &&
		    c->state != CONN_TUNNEL)
			conn_close(c, r);
}

void
leave_begin(struct worker *w, enum worker_mode mode, uint64_t ms)
{
	if (mode <= w->mode)
		return;	/* already going, as fast or faster */
	log_info(mode == WORKER_DRAINING ? "drain connections=%zu ms=%llu" :
	    "stop connections=%zu ms=%llu", w->nconns, (unsigned long long)ms);
	if (w->mode == WORKER_SERVING)
		accept_close(w);
	w->mode = mode;
	w->stop_at = mono_add_ms(w->now, ms);
	w->drain_from = w->now;
	w->drain_all = w->nconns;
	if (mode == WORKER_STOPPING) {
		hub_leave(w->hub);
		leave_close_all(w, REASON_shutdown);
	}
}

/* DRAINING: as many as are due by now, evenly until stop_at. */
static void
leave_drain_some(struct worker *w)
{
	struct conn *c;
	uint64_t all_us, gone_us;
	size_t due;

	all_us = w->stop_at.us - w->drain_from.us;
	gone_us = w->now.us - w->drain_from.us;
	due = gone_us >= all_us ? SIZE_MAX :
	    (size_t)(w->drain_all * gone_us / all_us);
	if (due == SIZE_MAX)
		hub_leave(w->hub);
	LIST_FOREACH(c, &w->conns, link) {
		if (w->drain_told >= due)
			break;
		if (c->parting || c->state >= CONN_TUNNEL)
			continue;
		if ((c->state == CONN_HTTP || c->state == CONN_ASKING) &&
		    due != SIZE_MAX)
			continue;	/* a request is on its way */
		if (c->state == CONN_HELD)
			polling_conn_close(c, REASON_restart);
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
		LIST_FOREACH(c, &w->conns, link)
			conn_abort(c, REASON_shutdown);
}
