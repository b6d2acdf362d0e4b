/*
 * Documents for back ends: paths, queries and bodies in; what they mean is the hub's
 * (hub/api.h).  See api.h.
 */
#include "worker/endpoint/api_int.h"

#include "base/utf8.h"
#include "hub/api.h"
#include "proto/http.h"
#include "proto/json.h"
#include "shm/interest.h"
#include "worker/http/body.h"
#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

#define DOCUMENTS_KEY_MAX	256

/* The next part of the path, decoded at the end of *to.  false: it makes no sense. */
static bool
documents_part(struct slice *path, uint8_t **to, struct slice *part)
{
	const uint8_t *slash = path->n == 0 ? NULL :
	    memchr(path->p, '/', path->n);
	struct slice one = slash == NULL ? *path :
	    slice_of(path->p, (size_t)(slash - path->p));
	ssize_t n = http_path_decode(one, *to);

	if (n < 0)
		return (false);
	*part = slice_of(*to, (size_t)n);
	*to += n;
	*path = slice_from(*path, slash == NULL ? path->n : one.n + 1);
	return (utf8_name(*part));
}

/* NS/DOC, and /KEY; and the cursor of the query, if that is still there. */
static bool
documents_names(struct request *rq, struct api_document *q, bool query)
{
	uint8_t *to = rq->w->decoded;
	struct slice path = rq->match.ns_name;
	ssize_t n;

	if (!documents_part(&path, &to, &q->ns) ||
	    !documents_part(&path, &to, &q->doc) || q->doc.n == 0 ||
	    q->doc.n > INTEREST_NAME_MAX)
		return (false);
	if (path.n != 0 && (!documents_part(&path, &to, &q->key) ||
	    q->key.n > DOCUMENTS_KEY_MAX || path.n != 0))
		return (false);
	if (!query)
		return (true);
	n = http_query_get(rq->head.query, "cursor", to);
	if (n == -2)
		return (false);
	q->cursor = slice_of(to, n < 0 ? 0 : (size_t)n);
	return (utf8_name(q->cursor));
}

static void
documents_bad_path(struct request *rq)
{
	api_refuse(rq, 400, "bad_request", "path or query is no good: "
	    "documents/NS/DOC[?cursor=&limit=1..1000] or documents/NS/DOC/KEY");
}

static void
documents_get(struct request *rq)
{
	struct api_document q = { .limit = 100 };
	struct buf *b = &rq->w->body;
	struct ask *later = NULL;
	uint64_t limit = 100;
	int status;

	if (!api_number(rq, "limit", 1000, &limit) || limit == 0 ||
	    !documents_names(rq, &q, true)) {
		documents_bad_path(rq);
		return;
	}
	q.limit = (unsigned)limit;
	buf_reset(b);
	api_asks(rq->w->hub, rq->key);
	status = api_document_get(rq->w->hub, &q, rq->c, b, &later);
	api_reply(rq, status, later);
}

void
api_documents_serve(struct request *rq)
{
	if (!api_admit(rq, CONF_API_DOCUMENTS,
	    "this key may not see or change documents"))
		return;
	if (rq->head.method == HTTP_GET || rq->head.method == HTTP_HEAD)
		documents_get(rq);
	else if (!api_json(&rq->head))
		api_refuse(rq, 415, "unsupported_media_type",
		    "the body must be application/json");
	else {
		/* the method is forgotten while the body comes */
		if (rq->head.method == HTTP_DELETE)
			rq->match.route = ROUTE_DOCUMENTS_GONE;
		body_want(rq);
	}
}

void
api_documents_body(struct request *rq, struct slice body)
{
	struct api_document q = {
		.deletes = rq->match.route == ROUTE_DOCUMENTS_GONE };
	struct buf *b = &rq->w->body;
	struct ask *later = NULL;
	int status;

	if (!documents_names(rq, &q, false) || q.key.n == 0) {
		documents_bad_path(rq);
		return;
	}
	buf_reset(b);
	json_mend((uint8_t *)(uintptr_t)body.p, body.n);	/* ours to write */
	api_asks(rq->w->hub, rq->key);
	status = api_document_change(rq->w->hub, &q, body, rq->c, b, &later);
	api_reply(rq, status, later);
}
