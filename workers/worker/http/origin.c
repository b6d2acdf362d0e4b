/*
 * Pages of other origins; see origin.h.
 */
#include "worker/http/origin.h"

#include "worker/http/admit.h"
#include "worker/http/cors.h"
#include "worker/http/refusal.h"
#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/worker.h"

/* The request's one Origin; empty: none, or several. */
static struct slice
origin_one(const struct request *rq)
{
	struct slice origin;

	if (http_field(&rq->head, "Origin", &origin) != 1)
		return (slice_of(NULL, 0));
	return (origin);
}

/* What headers a preflight asks for: as they came, or as one list in b. */
static struct slice
origin_headers(const struct request *rq, struct buf *b)
{
	static const char name[] = "Access-Control-Request-Headers";
	struct http_list l = http_list(&rq->head, name);
	struct slice one;

	if (http_field(&rq->head, name, &one) < 2)
		return (one);
	while (http_list_next(&l, &one)) {
		buf_str(b, b->wpos > 0 ? "," : "");
		buf_slice(b, one);
	}
	return (buf_unread(b));
}

bool
origin_lines(struct request *rq)
{
	const struct conf_cors *cors = &rq->w->conf->cors;
	bool preflight = rq->head.method == HTTP_OPTIONS;
	struct buf *b = &rq->w->cors, *list = &rq->w->body;
	struct slice headers = { NULL, 0 };

	if (cors->norigins == 0)
		return (false);
	buf_reset(list);
	if (preflight)
		headers = origin_headers(rq, list);
	buf_reset(b);
	cors_lines(b, cors, origin_one(rq), preflight ? &headers : NULL);
	buf_byte(b, '\0');
	if (b->oom || list->oom) {
		counter_add(COUNTER_memory_failures, 1);
		reply_no_memory(rq);
		return (true);
	}
	rq->lines = (const char *)b->data;
	if (preflight)
		reply_send(rq, 204, NULL, slice_of(NULL, 0), NULL);
	return (preflight);
}

bool
origin_allowed(const struct request *rq)
{
	const struct conf_cors *cors = &rq->w->conf->cors;

	return (admit_origin(rq) || (!rq->head.upgrade_websocket &&
	    cors->norigins > 0 && conf_cors_listed(cors,
	    origin_one(rq))));
}

bool
origin_asks(struct request *rq)
{
	if (origin_allowed(rq))
		return (true);
	admit_refuse(rq, COUNTER_refused_origin, "origin");
	refusal_origin(rq);
	reply_error(rq, 403, "origin", "origin not allowed");
	return (false);
}
