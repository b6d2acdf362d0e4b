/*
 * /health as JSON.
 */
#include "worker/endpoint/health.h"

/* Namespace names come from the configuration; they may still hold quotes. */
static void
health_string(struct buf *b, struct slice s)
{
	size_t i;

	buf_byte(b, '"');
	for (i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20) {
			buf_printf(b, "\\u%04x", (unsigned)s.p[i]);
			continue;
		}
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_byte(b, '\\');
		buf_byte(b, s.p[i]);
	}
	buf_byte(b, '"');
}

static void
health_namespaces(struct buf *b, const struct health *h)
{
	const struct health_namespace *ns;
	size_t i;

	for (i = 0; i < h->nnamespaces; i++) {
		ns = &h->namespaces[i];
		if (i > 0)
			buf_byte(b, ',');
		health_string(b, ns->name.n > 1 && ns->name.p[0] == '/' ?
		    slice_from(ns->name, 1) : ns->name);
		buf_str(b, ":{\"users\":");
		buf_u64(b, ns->users);
		buf_str(b, ",\"sockets\":");
		buf_u64(b, ns->sockets);
		buf_byte(b, '}');
	}
}

static void
health_workers(struct buf *b, const struct health *h)
{
	const struct health_worker *w;
	size_t i;

	for (i = 0; i < h->nworkers; i++) {
		w = &h->workers[i];
		buf_printf(b, "%s{\"slot\":%u,\"pid\":%u,\"generation\":%u,"
		    "\"connections\":", i > 0 ? "," : "", w->slot,
		    (unsigned)w->pid, (unsigned)w->generation);
		buf_u64(b, w->connections);
		buf_byte(b, '}');
	}
}

/* The rate is of all sessions that were opened, so one that is still on polling
 * and may upgrade yet does not raise it. */
static void
health_transports(struct buf *b, const struct health *h)
{
	buf_str(b, "},\"transports\":{\"websocket\":");
	buf_u64(b, h->websocket);
	buf_str(b, ",\"polling\":");
	buf_u64(b, h->polling);
	buf_str(b, ",\"sse\":");
	buf_u64(b, h->sse);
	buf_str(b, ",\"longpoll\":");
	buf_u64(b, h->longpoll);
	buf_printf(b, ",\"fallback_rate\":%.4f", h->eio_opened == 0 ? 0.0 :
	    (double)h->eio_fallback / (double)h->eio_opened);
}

void
health_encode(struct buf *b, const struct health *h)
{
	buf_printf(b, "{\"status\":\"%s\"",
	    h->degraded == NULL ? "healthy" : "degraded");
	if (h->degraded != NULL) {
		buf_str(b, ",\"reason\":");
		health_string(b, slice_str(h->degraded));
	}
	buf_str(b, ",\"namespaces\":{");
	health_namespaces(b, h);
	buf_printf(b, "},\"redis\":{\"connected\":%s,\"configured\":%s",
	    h->redis_connected ? "true" : "false",
	    h->redis_configured ? "true" : "false");
	if (h->redis_nodes > 1)
		buf_printf(b, ",\"nodes\":%u,\"away\":%u",
		    (unsigned)h->redis_nodes, (unsigned)h->redis_away);
	health_transports(b, h);
	buf_str(b, "},\"uptime\":");
	buf_u64(b, h->uptime_s);
	buf_str(b, ",\"version\":");
	health_string(b, slice_str(h->version));
	buf_str(b, ",\"workers\":[");
	health_workers(b, h);
	buf_str(b, "]}\n");
}
