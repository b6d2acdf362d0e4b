/*
 * Role: worker.  One epoll loop that accepts, reads and writes; what messages
 * mean is decided by the hub.  Everything that happens in a turn is sent at
 * its end: the queues of clients, then the envelopes for the relay.
 *
 * This is the roof: it makes the parts, and says what is done for a connection in
 * each of its states and with a request of each route.  ports.c is what the hub
 * asks of its host, turn.c leads the turn.
 */
#include "worker/roof.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "shm/count.h"
#include "shm/interest.h"
#include "shm/presence.h"
#include "shm/slots.h"
#include "shm/stats.h"
#include "sys/ipc.h"
#include "sys/log.h"
#include "worker/control.h"
#include "worker/crowd.h"
#include "worker/endpoint/api.h"
#include "worker/endpoint/demo.h"
#include "worker/endpoint/index.h"
#include "worker/endpoint/status.h"
#include "worker/engineio/polling.h"
#include "worker/engineio/transport.h"
#include "worker/handover/handover.h"
#include "worker/http/body.h"
#include "worker/http/coded.h"
#include "worker/http/request.h"
#include "worker/leave.h"
#include "worker/longpoll/longpoll.h"
#include "worker/net/accept.h"
#include "worker/net/age.h"
#include "worker/net/bus_port.h"
#include "worker/net/conn.h"
#include "worker/net/conn_save.h"
#include "worker/net/later.h"
#include "worker/net/names.h"
#include "worker/net/parcel.h"
#include "worker/net/preamble.h"
#include "worker/net/ticket.h"
#include "worker/net/tunnel.h"
#include "worker/sockjs/sockjs.h"
#include "worker/sse/sse.h"
#include "worker/websocket/frames.h"
#include "worker/websocket/upgrade.h"

/* --- connections --------------------------------------------------------- */

/* See struct conn_hand; what is not said ends the connection, or is nothing. */
static const struct conn_hand worker_hands[CONN__MAX] = {
	[CONN_PREAMBLE] = { .ready = preamble_ready },
	[CONN_IDLE] = { .input = request_input,
		.parting = polling_http_parting, .gone = polling_http_gone,
		.drained = polling_http_drained },
	[CONN_HTTP] = { .input = request_input, .due = request_due,
		.parting = polling_http_parting, .gone = polling_http_gone,
		.drained = polling_http_drained },
	[CONN_HELD] = { .input = request_held_input, .due = request_due,
		.parting = polling_http_parting, .gone = polling_http_gone },
	[CONN_ASKING] = { .input = request_held_input, .due = request_due,
		.parting = api_parting },
	[CONN_POLL] = { .input = request_held_input, .due = request_due,
		.parting = longpoll_parting },
	[CONN_HEARING] = { .input = request_hearing_input, .due = request_due,
		.parting = request_hearing_parting },
	[CONN_CANDIDATE] = { .input = polling_candidate_input,
		.due = polling_candidate_due, .parting = polling_ws_parting },
	[CONN_WAITING] = { .input = frames_input, .due = frames_due,
		.parting = polling_ws_parting,
		.drained = polling_waiting_drained },
	[CONN_SESSION] = { .input = frames_input, .due = frames_due,
		.parting = polling_ws_parting },
	[CONN_WS] = { .input = frames_input, .due = frames_due,
		.parting = frames_parting },
	[CONN_STREAM] = { .input = sse_input, .due = sse_due,
		.parting = sse_parting },
	[CONN_AWAITS] = { .input = request_held_input, .due = request_due,
		.parting = sockjs_conn_parting },
	[CONN_CHUNKED] = { .input = request_held_input,
		.parting = sockjs_conn_parting,
		.drained = sockjs_conn_drained },
	[CONN_TUNNEL] = { .input = tunnel_input, .parting = tunnel_parting,
		.drained = tunnel_drained },
	[CONN_CLOSING] = { .input = frames_closing_input },
	[CONN_LINGER] = { .gone = polling_http_gone,
		.drained = polling_http_drained },
};

static const struct conn_bodies worker_bodies = {
	.save = body_save, .load = body_load, .free = body_free,
};

/* --- routes -------------------------------------------------------------- */

#define GET		(1u << HTTP_GET | 1u << HTTP_HEAD)
#define GET_ALLOW	"Allow: GET, HEAD, OPTIONS\r\n"
#define POST		(1u << HTTP_POST)
#define POST_ALLOW	"Allow: POST, OPTIONS\r\n"
#define DELETE		(1u << HTTP_DELETE)
#define BOTH_ALLOW	"Allow: GET, HEAD, POST, OPTIONS\r\n"
#define ANY		(~0u)

static const struct route_row worker_routes[ROUTE__MAX] = {
	[ROUTE_NONE] = { .methods = ANY, .serve = request_not_found },
	[ROUTE_ENGINE] = { .methods = ANY, .serve = transport_serve,
		.body = polling_body, .refused = polling_body_refused,
		.body_ms = polling_body_ms, .draining = true },
	[ROUTE_PLAIN] = { .methods = 1u << HTTP_GET,
		.allow = "Allow: GET, OPTIONS\r\n", .serve = upgrade_plain },
	[ROUTE_SSE] = { .methods = GET | 1u << HTTP_OPTIONS,
		.allow = GET_ALLOW, .serve = sse_serve, .streams = true },
	[ROUTE_POLL] = { .methods = GET | 1u << HTTP_OPTIONS,
		.allow = GET_ALLOW, .serve = longpoll_serve },
	[ROUTE_SOCKJS] = { .methods = ANY, .allow = "Allow: GET, OPTIONS\r\n",
		.serve = sockjs_serve, .body = sockjs_body,
		.body_ms = polling_body_ms, .draining = true },
	[ROUTE_PUBLISH] = { .methods = POST, .allow = POST_ALLOW,
		.serve = api_head, .body = api_body, .api = true },
	[ROUTE_BATCH] = { .methods = POST, .allow = POST_ALLOW,
		.serve = api_head, .body = api_body, .api = true },
	[ROUTE_DISCONNECT] = { .methods = POST, .allow = POST_ALLOW,
		.serve = api_head, .body = api_body, .api = true },
	[ROUTE_ROOMS_ORDER] = { .methods = POST, .allow = POST_ALLOW,
		.serve = api_head, .body = api_body, .api = true },
	[ROUTE_REVOKE] = { .methods = POST, .allow = POST_ALLOW,
		.serve = api_head, .body = api_body, .api = true },
	[ROUTE_PRESENCE] = { .methods = GET, .allow = GET_ALLOW,
		.serve = api_presence_get, .api = true },
	[ROUTE_HISTORY] = { .methods = GET | POST,
		.allow = BOTH_ALLOW,
		.serve = api_history_serve, .body = api_body, .api = true },
	[ROUTE_INBOX] = { .methods = POST, .allow = POST_ALLOW,
		.serve = api_inbox_serve, .body = api_inbox_body,
		.api = true },
	[ROUTE_INBOX_USER] = { .methods = GET | POST, .allow = BOTH_ALLOW,
		.serve = api_inbox_serve, .body = api_inbox_body,
		.api = true },
	[ROUTE_INBOX_ORDER] = { .methods = POST, .allow = POST_ALLOW,
		.serve = api_inbox_serve, .body = api_inbox_body,
		.api = true },
	[ROUTE_INBOX_PREFS] = { .methods = GET | POST, .allow = BOTH_ALLOW,
		.serve = api_inbox_serve, .body = api_inbox_body,
		.api = true },
	[ROUTE_INBOX_ONE] = { .methods = DELETE,
		.allow = "Allow: DELETE, OPTIONS\r\n",
		.serve = api_inbox_serve, .api = true },
	[ROUTE_DOCUMENTS] = { .methods = GET, .allow = GET_ALLOW,
		.serve = api_documents_serve, .api = true },
	[ROUTE_DOCUMENTS_KEY] = { .methods = GET | 1u << HTTP_PUT |
		1u << HTTP_DELETE,
		.allow = "Allow: GET, HEAD, PUT, DELETE, OPTIONS\r\n",
		.serve = api_documents_serve, .body = api_documents_body,
		.api = true },
	[ROUTE_DOCUMENTS_GONE] = { .methods = 0,
		.serve = api_documents_serve, .body = api_documents_body,
		.api = true },
	[ROUTE_ROOMS] = { .methods = GET, .allow = GET_ALLOW,
		.serve = api_rooms_get, .api = true },
	[ROUTE_USER] = { .methods = GET, .allow = GET_ALLOW,
		.serve = api_user_get, .api = true },
	[ROUTE_STATS] = { .methods = GET, .allow = GET_ALLOW,
		.serve = api_stats_get, .api = true },
	[ROUTE_ANSWERS] = { .methods = POST, .allow = POST_ALLOW,
		.serve = api_head, .body = api_body, .api = true },
	[ROUTE_HOOKS] = { .methods = GET, .allow = GET_ALLOW,
		.serve = api_hooks_get, .api = true },
	[ROUTE_HOOKS_RETRY] = { .methods = POST, .allow = POST_ALLOW,
		.serve = api_head, .body = api_body, .api = true },
	[ROUTE_HOOKS_FORGET] = { .methods = POST, .allow = POST_ALLOW,
		.serve = api_head, .body = api_body, .api = true },
	[ROUTE_ROOT] = { .methods = GET, .allow = GET_ALLOW,
		.serve = index_serve },
	[ROUTE_DEMO] = { .methods = GET, .allow = GET_ALLOW,
		.serve = demo_serve },
	[ROUTE_DEMO_MOVED] = { .methods = GET, .allow = GET_ALLOW,
		.serve = demo_serve },
	[ROUTE_HEALTH] = { .methods = GET, .allow = GET_ALLOW,
		.serve = status_health, .status = true },
	[ROUTE_LIVE] = { .methods = GET, .allow = GET_ALLOW,
		.serve = status_probe, .status = true },
	[ROUTE_READY] = { .methods = GET, .allow = GET_ALLOW,
		.serve = status_probe, .status = true },
	[ROUTE_BOTH] = { .methods = GET, .allow = GET_ALLOW,
		.serve = status_probe, .status = true },
	[ROUTE_METRICS] = { .methods = GET, .allow = GET_ALLOW,
		.serve = status_metrics, .status = true },
};

/* --- start and end ------------------------------------------------------- */

static void
worker_bus_frame(void *arg, struct slice frame)
{
	struct worker *w = arg;

	slot_does(w->row, SLOT_BUS_READING);
	handover_hear(w->handover);
	hub_bus_frame(w->hub, frame);
}

static void
worker_bus_lost(void *arg)
{
	struct worker *w = arg;

	hub_bus_lost(w->hub);
}

static void
worker_drain(struct worker *w, uint64_t ms)
{
	leave_begin(w, WORKER_DRAINING, ms);
}

static const struct handover_calls worker_handover = {
	.turn_end = worker_turn_end, .given = control_given,
	.leave = worker_drain,
};

static void
worker_open_shm(struct worker *w)
{
	const struct heritage *h = w->h;
	unsigned slot = (unsigned)h->slot;

	w->interest = interest_open(h->segment, slot);
	w->presence = presence_open(h->segment, slot);
	w->count = count_open(h->segment, slot);
	trail_open(&w->trail, h->segment, slot, h->generation);
	storm_rate_init(&w->storm, w->conf->limit_handshakes);
	w->users = calloc(w->conf->nnamespaces + 1, sizeof *w->users);
	if (w->interest == NULL || w->presence == NULL || w->count == NULL ||
	    w->users == NULL)
		fatal("segment");
}

static void
worker_open_hub(struct worker *w)
{
	const struct heritage *h = w->h;
	struct hub_params p = {
		.conf = h->conf, .keys = h->keys, .interest = w->interest,
		.presence = w->presence, .segment = h->segment,
		.count = w->count, .hash_key = segment_key(h->segment),
		.slot = (uint16_t)h->slot,
		.generation = (uint16_t)h->generation,
		.node_id = h->node_id,
		.ports = worker_ports(w),
	};
	const struct bus_port_calls up = { .arg = w, .frame = worker_bus_frame,
		.lost = worker_bus_lost };

	w->hub = hub_new(&p);
	w->ws_pool = ws_pool_new();
	if (w->hub == NULL || w->ws_pool == NULL)
		fatal("hub");
	w->polling = polling_new(w);
	w->sockjs = sockjs_all_new(w);
	w->parcels = parcels_new(w);
	w->coded = coded_new(w);
	w->handover = handover_new(w, &worker_handover);
	if (w->polling == NULL || w->sockjs == NULL || w->parcels == NULL || w->coded == NULL ||
	    w->handover == NULL)
		fatal("polling");
	w->out = hub_out(w->hub);
	w->work = hub_work(w->hub);
	hub_time(w->hub, w->now, w->wall);
	w->ws_limits[0].message_bytes = (uint32_t)w->conf->message_bytes;
	w->ws_limits[0].fragments = w->conf->fragments;
	w->ws_limits[1] = w->ws_limits[0];
	w->ws_limits[1].deflate = true;
	w->ws_limits[2] = w->ws_limits[0];
	w->ws_limits[2].message_bytes = (uint32_t)w->conf->document_bytes;
	w->ws_limits[3] = w->ws_limits[2];
	w->ws_limits[3].deflate = true;
	w->bus = bus_port_new(w->loop, w->conf->bus_queue_bytes, &up);
	if (w->bus == NULL)
		fatal("relay_stream");
}

static void
worker_open_conns(struct worker *w)
{
	struct buf extra;

	w->later = later_new();
	w->age_unit_us = age_unit(w->conf->max_connection_age_ms);
	slab_init(&w->conn_slab, sizeof(struct conn), SLAB_LINE);
	TAILQ_INIT(&w->conns);
	buf_init(&w->text);
	buf_init(&w->body);
	buf_init(&w->lines);
	buf_init(&w->cors);
	buf_init(&w->vouched);
	buf_init(&w->kept);
	w->rbuf = malloc(WORKER_RBUF + 1);
	w->tlsbuf = malloc(CONN_TLS_RECORD);
	buf_init(&extra);
	if (w->h->demo_page.n > 0)
		demo_policy(&extra, w->h->demo_page);
	buf_byte(&extra, '\0');
	if (w->later == NULL || w->rbuf == NULL || w->tlsbuf == NULL ||
	    extra.oom)
		fatal("buffers");
	w->demo_extra = (char *)extra.data;	/* heap, ours from here */
}

static void
worker_start(struct worker *w)
{
	const struct loop_hooks hooks = worker_hooks(w);
	struct ipc_msg m;

	loop_hooks(w->loop, &hooks);
	loop_enough(w->loop, crowd_is_enough);
	if (!control_open(w))
		fatal("control");
	if (w->h->bus_fds[0] != -1 &&
	    !bus_port_open(w->bus, w->h->bus_fds[0]))
		fatal("relay_stream");
	timer_start(w->wheel, &w->tick, mono_add_ms(w->now, WORKER_TICK_MS),
	    worker_tick);
	stats_heartbeat(w->h->stats, (unsigned)w->h->slot, w->wall);
	slot_heartbeat(w->h->segment, (unsigned)w->h->slot, w->now.us);
	accept_open(w);
	if (w->h->confine != NULL)
		w->h->confine->begin(w->h);
	ipc_init(&m, CONTROL_READY);
	if (ipc_send(w->control.fd, &m) != 1)
		fatal("control"); /* the master would wait for ever */
}

static void
worker_free(struct worker *w)
{
	tickets_free(&w->tickets);
	handover_free(&w->handover);
	parcels_free(&w->parcels);
	coded_free(&w->coded);
	names_free(&w->names);
	polling_free(&w->polling);
	sockjs_all_free(&w->sockjs);
	hub_free(&w->hub);
	bus_port_free(&w->bus);
	ws_pool_free(&w->ws_pool);
	slab_fini(&w->conn_slab);
	interest_close(&w->interest);
	presence_close(&w->presence);
	count_close(&w->count);
	loop_free(&w->loop);
	buf_fini(&w->text);
	buf_fini(&w->body);
	buf_fini(&w->lines);
	buf_fini(&w->cors);
	buf_fini(&w->vouched);
	buf_fini(&w->kept);
	free(w->demo_extra);
	free(w->users);
	free(w->rbuf);
	free(w->tlsbuf);
	later_free(&w->later);
	w->magic = 0;
	free(w);
}

static int
worker_run(const struct heritage *h)
{
	struct worker *w;

	w = calloc(1, sizeof *w);
	if (w == NULL)
		fatal("worker");
	w->magic = WORKER_MAGIC;
	w->h = h;
	w->row = segment_slot(h->segment, (unsigned)h->slot);
	w->conf = h->conf;
	w->hands = worker_hands;
	w->bodies = &worker_bodies;
	w->routes = worker_routes;
	w->reserve_fd = -1;
	w->control.fd = -1;
	w->loop = loop_new();
	w->wheel = loop_wheel(w->loop);
	w->now = loop_now(w->loop);
	w->wall = loop_wall(w->loop);
	worker_open_shm(w);
	worker_open_conns(w);
	worker_open_hub(w);
	worker_start(w);
	log_info("worker_ready listeners=%zu", w->nlisteners);
	loop_run(w->loop);
	log_info("worker_exit");
	worker_free(w);
	return (EX_OK);
}

const struct role role_worker = {
	.title = "worker",
	.id = SLOT_WORKER,
	.run = worker_run,
};
