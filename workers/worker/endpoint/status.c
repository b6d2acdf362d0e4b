/*
 * Health, probes and metrics; see status.h.
 */
#include "worker/endpoint/status.h"

#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/redis_state.h"
#include "shm/presence.h"
#include "shm/render.h"
#include "shm/slots.h"
#include "shm/stats.h"
#include "worker/endpoint/health.h"
#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/net/bus_port.h"
#include "worker/worker.h"

/* Counting users walks a table: not more often than this. */
#define STATUS_USERS_MS	100

#define NO_STORE	"Cache-Control: no-store\r\n"

static void
status_count_users(struct worker *w)
{
	if (w->users_at.us > w->now.us)
		return;
	w->users_at = mono_add_ms(w->now, STATUS_USERS_MS);
	presence_tally(w->h->segment, w->users,
	    (unsigned)w->conf->nnamespaces);
}

static size_t
status_namespaces(struct worker *w, struct health_namespace *out)
{
	const struct conf_namespace *ns;
	size_t i, n = 0;

	status_count_users(w);
	for (i = 0; i < w->conf->nnamespaces; i++) {
		ns = &w->conf->namespaces[i];
		if (ns->gone)
			continue;
		out[n].name = slice_of(ns->name, ns->name_len);
		out[n].users = w->users[i];
		out[n++].sockets = stats_ns_total(w->h->stats, ns->index,
		    NS_sockets);
	}
	return (n);
}

static size_t
status_workers(struct worker *w, struct health_worker *out)
{
	const struct segment *sg = w->h->segment;
	unsigned slot, nslots = segment_nslots(sg);
	size_t n = 0;

	for (slot = 1; slot < nslots && n < ROLE_SLOTS_MAX; slot++) {
		if (slot_state(sg, slot) != SLOT_LIVE)
			continue;
		out[n].slot = slot;
		out[n].pid = slot_pid(sg, slot);
		out[n].generation = slot_generation(sg, slot);
		out[n++].connections = __atomic_load_n(stats_column(
		    w->h->stats, slot) + COUNTER_connections_open,
		    __ATOMIC_RELAXED);
	}
	return (n);
}

static uint64_t
status_of_relay(struct worker *w, size_t counter)
{
	return (__atomic_load_n(stats_column(w->h->stats, 0) + counter,
	    __ATOMIC_RELAXED));
}

bool
status_redis_is_away(struct worker *w)
{
	uint64_t state = status_of_relay(w, COUNTER_redis_state);

	return (state > REDIS_CONNECTING && state < REDIS_STATE__MAX &&
	    status_of_relay(w, COUNTER_redis_nodes_away) >=
	    status_of_relay(w, COUNTER_redis_nodes));
}

/* Shards by name; the nodes of a Cluster only the log knows. */
static void
status_away(struct worker *w, char *words, size_t size, const char *why)
{
	const struct conf_redis *conf = &w->conf->redis;
	uint64_t which = status_of_relay(w, COUNTER_redis_shards_away);
	int n = snprintf(words, size, "%u of %u: %s",
	    (unsigned)status_of_relay(w, COUNTER_redis_nodes_away),
	    (unsigned)status_of_relay(w, COUNTER_redis_nodes), why);
	size_t i;

	for (i = 0; i < conf->nshards && n > 0 && (size_t)n < size; i++)
		if ((which >> i & 1) != 0)
			n += snprintf(words + n, size - (size_t)n, ", %s",
			    conf->shards[i].shown);
}

/* What the relay says of Redis; NULL: no trouble. */
static const char *
status_redis(struct worker *w, struct health *h)
{
	static char words[1024];
	uint64_t state = status_of_relay(w, COUNTER_redis_state);
	const char *why = redis_state_trouble((unsigned)state);

	h->redis_configured = conf_redis_on(&w->conf->redis);
	h->redis_connected = state == REDIS_CONNECTED;
	h->redis_nodes = status_of_relay(w, COUNTER_redis_nodes);
	h->redis_away = status_of_relay(w, COUNTER_redis_nodes_away);
	if (h->redis_connected &&
	    status_of_relay(w, COUNTER_redis_refusing) != 0)
		why = REDIS_REFUSES;
	if (!h->redis_configured || why == NULL)
		return (NULL);
	if (h->redis_nodes <= 1 || h->redis_away == 0)
		return (why);
	status_away(w, words, sizeof words, why);
	return (words);
}

bool
status_presence_stale(const struct worker *w)
{
	return (conf_redis_on(&w->conf->redis) && conf_presence_on(w->conf) &&
	    (slot_state(w->h->segment, 0) != SLOT_LIVE ||
	    __atomic_load_n(stats_column(w->h->stats, 0) +
	    COUNTER_presence_stale, __ATOMIC_RELAXED) != 0));
}

static uint64_t
status_total(struct worker *w, enum counter c)
{
	return (stats_total(w->h->stats, c));
}

static void
status_transports(struct worker *w, struct health *h)
{
	h->websocket = status_total(w, COUNTER_ws_open);
	h->polling = status_total(w, COUNTER_eio_polling);
	h->sse = status_total(w, COUNTER_sse_open);
	h->longpoll = status_total(w, COUNTER_longpolls_waiting);
	h->eio_opened = status_total(w, COUNTER_eio_opened);
	h->eio_fallback = status_total(w, COUNTER_eio_polling_ended);
}

/* false: no memory. */
static bool
status_put_health(struct worker *w, struct buf *b)
{
	struct health_worker workers[ROLE_SLOTS_MAX];
	struct health_namespace *ns;
	struct health h = { .workers = workers, .version = PACKAGE_VERSION };

	ns = calloc(w->conf->nnamespaces + 1, sizeof *ns);
	if (ns == NULL)
		return (false);
	h.namespaces = ns;
	h.nnamespaces = status_namespaces(w, ns);
	h.nworkers = status_workers(w, workers);
	status_transports(w, &h);
	h.uptime_s = (w->now.us - w->h->started.us) / 1000000;
	if (w->mode != WORKER_SERVING)
		h.degraded = "draining";
	else if (slot_state(w->h->segment, 0) != SLOT_LIVE)
		h.degraded = "the relay is not running";
	else if (!bus_port_up(w->bus))
		h.degraded = "the relay is not connected";
	else
		h.degraded = status_redis(w, &h);
	if (h.degraded == NULL &&
	    status_of_relay(w, COUNTER_secret_file_bad) != 0)
		h.degraded = REDIS_SECRET_BAD;
	if (h.degraded == NULL && status_presence_stale(w))
		h.degraded = "what is known of users on other hosts may be "
		    "out of date";
	health_encode(b, &h);
	free(ns);
	return (true);
}

void
status_health(struct request *rq)
{
	struct worker *w = rq->w;

	buf_reset(&w->body);
	if (!status_put_health(w, &w->body))
		reply_no_memory(rq);
	else
		reply_body(rq, 200, "application/json", NO_STORE);
}

bool
status_stats(struct worker *w, struct buf *b)
{
	struct stats_snapshot sn;

	buf_printf(b, "{\"host\":\"%016" PRIx64 "\",\"health\":",
	    w->h->node_id);
	if (!status_put_health(w, b) ||
	    !stats_snapshot(w->h->stats, false, &sn))
		return (false);
	buf_str(b, ",\"stats\":");
	render_json(&sn, b);
	buf_byte(b, '}');
	stats_snapshot_free(&sn);
	return (!b->oom);
}

/*
 * livez: we answer, so the daemon lives.  readyz: may clients be sent here?
 * healthz: both.
 */
void
status_probe(struct request *rq)
{
	bool ready = rq->w->mode == WORKER_SERVING;

	if (ready || rq->match.route == ROUTE_LIVE)
		reply_send(rq, 200, "text/plain; charset=utf-8",
		    SLICE("ok\n"), NO_STORE);
	else
		reply_send(rq, 503, "text/plain; charset=utf-8",
		    SLICE("draining\n"), NO_STORE "Retry-After: 2\r\n");
}

void
status_metrics(struct request *rq)
{
	struct stats_snapshot sn;
	struct worker *w = rq->w;

	if (!stats_snapshot(w->h->stats, false, &sn)) {
		reply_error(rq, 503, "unavailable", "no snapshot now");
		return;
	}
	buf_reset(&w->body);
	render_prometheus(&sn, &w->body);
	stats_snapshot_free(&sn);
	if (w->body.oom)
		reply_no_memory(rq);
	else
		reply_coded(rq, 200,
		    "text/plain; version=0.0.4; charset=utf-8",
		    buf_unread(&w->body), NO_STORE);
}
