/*
 * The page at "/"; see index.h.  Nothing that the paths themselves do not
 * tell.
 */
#include "worker/endpoint/index.h"

#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

#define INDEX_WIDTH	24

static void
index_line(struct buf *b, const char *path, const char *what)
{
	buf_printf(b, "%-*s %s\n", INDEX_WIDTH, path, what);
}

static void
index_text(struct buf *b, const struct request *rq)
{
	const struct conf *conf = rq->w->conf;

	buf_str(b, "This is roostd, a realtime gateway.\n\n");
	index_line(b, conf->socketio_path, "Socket.IO");
	index_line(b, "/ws/NAMESPACE", "plain WebSocket");
	index_line(b, "/sse/NAMESPACE", "event streams");
	index_line(b, "/poll/NAMESPACE", "long polls");
	if (rq->w->h->demo_page.n > 0)
		index_line(b, "/demo/", "a page to try it");
	if (conf->napi_keys > 0 && !rq->c->no_api)
		index_line(b, "/api/v1/", "for back ends");
	if (rq->c->no_status)
		return;
	index_line(b, "/health", "how it is, as JSON");
	index_line(b, "/livez, /readyz", "for probes");
	index_line(b, "/metrics", "for Prometheus");
}

void
index_serve(struct request *rq)
{
	struct buf *b = &rq->w->body;

	buf_reset(b);
	index_text(b, rq);
	reply_body(rq, 200, "text/plain; charset=utf-8", NULL);
}
