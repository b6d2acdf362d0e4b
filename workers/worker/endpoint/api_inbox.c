/*
 * Users' notifications for back ends: paths and queries of /api/v1/inbox/; what
 * they mean is the hub's (hub/api.h).  See api.h.
 *
 *	POST   NS                   {"users",...}: one to many
 *	POST   NS/USER              one
 *	GET    NS/USER              a page, and how many are unread
 *	POST   NS/USER/read         these, or all, are read
 *	POST   NS/USER/delete       ... go
 *	DELETE NS/USER/ID           one goes
 *	GET    NS/USER/preferences
 *	POST   NS/USER/preferences
 */
#include "worker/endpoint/api_int.h"

#include "base/utf8.h"
#include "hub/api.h"
#include "proto/error.h"
#include "proto/http.h"
#include "proto/json.h"
#include "shm/interest.h"
#include "worker/http/body.h"
#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/worker.h"

static const char inbox_words[] = "path or query is no good: inbox/NS/USER"
    "[/read|/delete|/preferences|/ID][?cursor=&limit=1..100&unread=true"
    "&category=]";

struct inbox_path {
	struct slice	 ns, user, what;	/* empty: not there */
	uint8_t		*end;		/* of what was decoded */
};

/* The next segment, decoded to *to; false: it is no good. */
static bool
inbox_segment(struct slice *path, uint8_t **to, struct slice *out)
{
	const uint8_t *slash = path->n == 0 ? NULL :
	    memchr(path->p, '/', path->n);
	size_t len = slash == NULL ? path->n : (size_t)(slash - path->p);
	ssize_t n = http_path_decode(slice_of(path->p, len), *to);

	*out = slice_of(*to, n < 0 ? 0 : (size_t)n);
	*path = slice_from(*path, slash == NULL ? len : len + 1);
	if (n < 0 || !utf8_name(*out))
		return (false);
	*to += n;
	return (true);
}

static bool
inbox_split(struct request *rq, struct inbox_path *p)
{
	struct slice path = rq->match.ns_name;

	memset(p, 0, sizeof *p);
	p->end = rq->w->decoded;
	return (inbox_segment(&path, &p->end, &p->ns) &&
	    inbox_segment(&path, &p->end, &p->user) &&
	    p->user.n <= INTEREST_NAME_MAX &&
	    inbox_segment(&path, &p->end, &p->what));
}

/* --- queries -------------------------------------------------------------------- */

/* A parameter, decoded behind what was before; false: it is no good. */
static bool
inbox_query(struct request *rq, struct inbox_path *p, const char *name,
    struct slice *out)
{
	ssize_t n = http_query_get(rq->head.query, name, p->end);

	*out = slice_of(p->end, n < 0 ? 0 : (size_t)n);
	if (n == -2 || !utf8_name(*out))
		return (false);
	p->end += out->n;
	return (true);
}

static bool
inbox_number(struct request *rq, struct inbox_path *p, const char *name,
    uint64_t *v)
{
	struct slice s;
	size_t i;

	if (!inbox_query(rq, p, name, &s) || s.n > 15)
		return (false);
	for (i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return (false);
		*v = (i == 0 ? 0 : *v * 10) + (uint64_t)(s.p[i] - '0');
	}
	return (true);
}

static bool
inbox_look(struct request *rq, struct inbox_path *p, struct box_look *l)
{
	uint64_t limit = 20, cursor = 0;
	struct slice unread;

	*l = (struct box_look){ .limit = 0 };
	if (!inbox_number(rq, p, "limit", &limit) || limit == 0 ||
	    limit > BOX_PAGE_MAX || !inbox_number(rq, p, "cursor", &cursor) ||
	    !inbox_query(rq, p, "unread", &unread) ||
	    !inbox_query(rq, p, "category", &l->category) ||
	    l->category.n > BOX_NAME_MAX)
		return (false);
	l->limit = (uint32_t)limit;
	l->cursor = cursor;
	l->unread = slice_eq(unread, SLICE("true"));
	return (unread.n == 0 || l->unread ||
	    slice_eq(unread, SLICE("false")));
}

/* --- requests ------------------------------------------------------------------- */

static void
inbox_bad(struct request *rq)
{
	api_refuse(rq, 400, "bad_request", inbox_words);
}

static void
inbox_get(struct request *rq, struct inbox_path *p)
{
	struct api_inbox q = { p->ns, p->user, BOX_LIST };
	bool prefs = rq->match.route == ROUTE_INBOX_PREFS;
	struct ask *later = NULL;
	struct box_look look;
	int status;

	if (!inbox_look(rq, p, &look)) {
		inbox_bad(rq);
		return;
	}
	buf_reset(&rq->w->body);
	api_asks(rq->w->hub, rq->key);
	status = api_inbox_list(rq->w->hub, &q, prefs ? NULL : &look, rq->c,
	    &rq->w->body, &later);
	api_reply(rq, status, later);
}

static void
inbox_delete(struct request *rq, const struct inbox_path *p)
{
	struct api_inbox q = { p->ns, p->user, BOX_DELETE };
	struct ask *later = NULL;
	int status;

	if (p->what.n > BOX_NAME_MAX) {
		inbox_bad(rq);
		return;
	}
	buf_reset(&rq->w->body);
	api_asks(rq->w->hub, rq->key);
	status = api_inbox_drop(rq->w->hub, &q, p->what, rq->c, &rq->w->body,
	    &later);
	api_reply(rq, status, later);
}

static enum box_op
inbox_op(const struct request *rq, const struct inbox_path *p)
{
	if (rq->match.route == ROUTE_INBOX_PREFS)
		return (BOX_PREFS);
	if (rq->match.route != ROUTE_INBOX_ORDER)
		return (BOX_CREATE);
	return (slice_eq(p->what, SLICE("read")) ? BOX_READ : BOX_DELETE);
}

void
api_inbox_serve(struct request *rq)
{
	struct inbox_path p;

	if (!api_admit(rq, CONF_API_INBOX,
	    "this key may not see notifications"))
		return;
	if (!inbox_split(rq, &p))
		inbox_bad(rq);
	else if (rq->head.method == HTTP_GET || rq->head.method == HTTP_HEAD)
		inbox_get(rq, &p);
	else if (rq->head.method == HTTP_DELETE)
		inbox_delete(rq, &p);
	else if (!api_json(&rq->head))
		api_refuse(rq, 415, "unsupported_media_type",
		    "the body must be application/json");
	else
		body_want(rq);
}

void
api_inbox_body(struct request *rq, struct slice body)
{
	struct buf *b = &rq->w->body;
	struct ask *later = NULL;
	struct inbox_path p;
	struct api_inbox q;
	int status;

	buf_reset(b);
	json_mend((uint8_t *)(uintptr_t)body.p, body.n); /* ours to write */
	MUST(rq->key != NULL);
	api_asks(rq->w->hub, rq->key);
	if (!inbox_split(rq, &p)) {
		error_encode(b, "bad_request", inbox_words);
		status = 400;
	} else {
		q = (struct api_inbox){ p.ns, p.user, inbox_op(rq, &p) };
		status = api_inbox_order(rq->w->hub, &q, body, rq->c, b,
		    &later);
	}
	api_reply(rq, status, later);
}
