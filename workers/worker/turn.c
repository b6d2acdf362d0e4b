/*
 * The turn: what came is served, then all that is to be sent goes, a write for
 * each connection.  Called by the loop.
 */
#include "worker/roof.h"

#include "base/coverage.h"
#include "hub/client.h"
#include "shm/slots.h"
#include "shm/stats.h"
#include "worker/control.h"
#include "worker/crowd.h"
#include "worker/engineio/polling.h"
#include "worker/handover/handover.h"
#include "worker/http/coded.h"
#include "worker/http/handshakes.h"
#include "worker/leave.h"
#include "worker/net/accept.h"
#include "worker/net/bus_port.h"
#include "worker/net/conn.h"
#include "worker/net/later.h"
#include "worker/net/parcel.h"
#include "worker/sockjs/sockjs.h"

/* Those that have no connection of their own. */
static void
turn_sessions_go_on(struct worker *w)
{
	polling_go_on(w->polling);
	sockjs_go_on(w->sockjs);
}

static void
turn_after_wait(void *arg)
{
	struct worker *w = arg;
	const struct heritage *h = w->h;

	w->now = loop_now(w->loop);
	w->wall = loop_wall(w->loop);
	slots_quiesce_leave(h->segment, (unsigned)h->slot);
	slot_heartbeat(h->segment, (unsigned)h->slot, w->now.us);
	slot_does(w->row, SLOT_RESUMING);
	counter_add(COUNTER_loop_turns, 1);
	hub_time(w->hub, w->now, w->wall);
	/* connections, sessions over polling: each in front in turn */
	w->other_turn = !w->other_turn;
	if (w->other_turn)
		turn_sessions_go_on(w);
	conn_turn_start(w);
	if (!w->other_turn)
		turn_sessions_go_on(w);
}

void
worker_turn_end(struct worker *w)
{
	bool again;

	/* leaving may be news for others, and sending may find dead sockets */
	do {
		conn_part_all(w);
		hub_turn_end(w->hub);
		/* no batch is open any more */
		again = polling_turn_end(w->polling);
		again |= sockjs_turn_end(w->sockjs);
		conn_write_later(w);
	} while (w->parting != NULL || again);
	conn_free_doomed(w);
	polling_free_doomed(w->polling);
	sockjs_free_doomed(w->sockjs);
}

static void
turn_before_wait(void *arg)
{
	struct worker *w = arg;
	struct mono now;

	/* what a client or back end is told was done is out of our hands,
	 * should we die now */
	slot_does(w->row, SLOT_BUS_WRITING);
	bus_port_flush(w->bus);
	slot_does(w->row, SLOT_ENDING);
	worker_turn_end(w);
	coded_turn_end(w->coded);
	slot_does(w->row, SLOT_BUS_WRITING);
	bus_port_flush(w->bus);
	if (handover_turn_end(w->handover)) {
		worker_turn_end(w);
		bus_port_flush(w->bus);
	}
	leave_finish(w);
	now = mono_now();
	hub_written(w->hub, now);
	histogram_add(HISTOGRAM_loop_turn_us, now.us - w->now.us);
	slot_does(w->row, SLOT_WAITING);
	slots_quiesce_enter(w->h->segment, (unsigned)w->h->slot);
}

static bool
turn_busy(void *arg)
{
	const struct worker *w = arg;

	return (!later_empty(w->later) || polling_busy(w->polling) ||
	    sockjs_busy(w->sockjs) ||
	    hub_busy(w->hub) || handover_busy(w->handover));
}

static void
turn_second(struct worker *w)
{
	stats_heartbeat(w->h->stats, (unsigned)w->h->slot, w->wall);
	if (!bus_port_up(w->bus))
		control_ask_bus(w);
	handshakes_second(w);
	crowd_second(w);
	if (w->h->confine != NULL)
		w->h->confine->second();
	coverage_save();
}

void
worker_tick(struct timer *t, struct mono now)
{
	struct worker *w = container_of(t, struct worker, tick);

	slot_does(w->row, SLOT_TICK);
	timer_start(w->wheel, t, mono_add_ms(now, WORKER_TICK_MS),
	    worker_tick);
	hub_tick(w->hub);
	accept_tick(w);
	parcel_tick(w->parcels);
	leave_tick(w);
	if (w->second.us <= now.us) {
		w->second = mono_add_ms(now, 1000);
		turn_second(w);
	}
}

struct loop_hooks
worker_hooks(struct worker *w)
{
	return ((struct loop_hooks){ .before_wait = turn_before_wait,
		.after_wait = turn_after_wait, .busy = turn_busy,
		.arg = w });
}
