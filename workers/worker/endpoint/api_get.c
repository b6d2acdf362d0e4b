/*
 * What back ends read: presence, rooms, users, what was kept, numbers.  Paths
 * and queries in; what they mean is the hub's (hub/api.h).  See api.h.
 */
#include "worker/endpoint/api_int.h"

#include <inttypes.h>

#include "base/utf8.h"
#include "shm/interest.h"
#include "hub/api.h"
#include "proto/http.h"
#include "worker/endpoint/status.h"
#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

/* --- paths and queries ----------------------------------------------------- */

bool
api_number(struct request *rq, const char *name, uint64_t max, uint64_t *v)
{
	uint8_t *text = rq->w->decoded;
	ssize_t n = http_query_get(rq->head.query, name, text), i;

	if (n == -1)
		return (true);
	if (n <= 0 || n > 10)
		return (false);
	for (*v = 0, i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return (false);
		*v = *v * 10 + (text[i] - '0');
	}
	return (*v <= max);
}

/* NS or NS/NAME, percent-decoded one behind the other. */
static bool
api_path_names(struct request *rq, uint8_t *to, struct slice *ns,
    struct slice *name)
{
	struct slice path = rq->match.ns_name, rest = { NULL, 0 };
	const uint8_t *slash = path.n == 0 ? NULL :
	    memchr(path.p, '/', path.n);
	ssize_t n;

	if (slash != NULL) {
		rest = slice_from(path, (size_t)(slash - path.p) + 1);
		path.n = (size_t)(slash - path.p);
		if (rest.n == 0)
			return (false);
	}
	n = http_path_decode(path, to);
	if (n < 0)
		return (false);
	*ns = slice_of(to, (size_t)n);
	to += n;
	n = http_path_decode(rest, to);
	if (n < 0)
		return (false);
	*name = slice_of(to, (size_t)n);
	return (true);
}

/* --- presence and history --------------------------------------------------- */

static bool
api_presence_names(struct request *rq, uint8_t *to, struct api_presence *q)
{
	ssize_t n;

	if (!api_path_names(rq, to, &q->ns, &q->user))
		return (false);
	to += q->ns.n;
	n = http_query_get(rq->head.query, "room", to + q->user.n);
	if (n == -2 || n == 0)
		return (false);
	if (n > 0)
		q->room = slice_of(to + q->user.n, (size_t)n);
	if (q->user.n > INTEREST_NAME_MAX || q->room.n > INTEREST_NAME_MAX)
		return (false);
	/* they come back in JSON */
	return (utf8_name(q->ns) && utf8_name(q->user) && utf8_name(q->room));
}

void
api_presence_get(struct request *rq)
{
	struct buf *b = &rq->w->body;
	struct api_presence q = { .user = { NULL, 0 } };
	uint64_t cursor = 0, limit = 100;
	int status;

	if (!api_admit(rq, CONF_API_PRESENCE, "this key may not see presence"))
		return;
	if (!api_number(rq, "cursor", UINT32_MAX, &cursor) ||
	    !api_number(rq, "limit", 1000, &limit) || limit == 0 ||
	    !api_presence_names(rq, rq->w->decoded, &q)) {
		api_refuse(rq, 400, "bad_request", "path or query is no good: "
		    "presence/NS[/USER][?room=&cursor=&limit=1..1000]");
		return;
	}
	q.cursor = (uint32_t)cursor;
	q.limit = (unsigned)limit;
	q.stale = status_presence_stale(rq->w);
	buf_reset(b);
	api_asks(rq->w->hub, rq->key);
	status = api_presence(rq->w->hub, &q, b);
	if (status >= 400)
		counter_add(COUNTER_api_failures, 1);
	reply_body(rq, status, "application/json", NULL);
}

/* What was kept, of which the room's name may have slashes. */
static bool
api_history_names(struct request *rq, uint8_t *to, struct api_history *q)
{
	ssize_t n;

	if (!api_path_names(rq, to, &q->ns, &q->room) || q->room.n == 0 ||
	    q->room.n > INTEREST_NAME_MAX)
		return (false);
	to += q->ns.n + q->room.n;
	n = http_query_get(rq->head.query, "since", to);
	if (n == -2)
		return (false);
	q->since = slice_of(to, n < 0 ? 0 : (size_t)n);
	/* they come back in JSON */
	return (utf8_name(q->ns) && utf8_name(q->room));
}

bool
api_history_order(struct request *rq, struct api_edit *q)
{
	struct api_history of = { .since = { NULL, 0 } };

	if (!api_history_names(rq, rq->w->decoded, &of))
		return (false);
	*q = (struct api_edit){ of.ns, of.room };
	return (true);
}

static void
api_history_get(struct request *rq)
{
	struct api_history q = { .since = { NULL, 0 } };
	struct buf *b = &rq->w->body;
	struct ask *later = NULL;
	uint64_t limit = 100;
	int status;

	if (!api_admit(rq, CONF_API_HISTORY,
	    "this key may not read what was kept"))
		return;
	if (!api_number(rq, "limit", 1000, &limit) || limit == 0 ||
	    !api_history_names(rq, rq->w->decoded, &q)) {
		api_refuse(rq, 400, "bad_request", "path or query is no good: "
		    "history/NS/ROOM[?since=EPOCH:OFFSET&limit=1..1000]");
		return;
	}
	q.limit = (unsigned)limit;
	buf_reset(b);
	api_asks(rq->w->hub, rq->key);
	status = api_history(rq->w->hub, &q, rq->c, b, &later);
	api_reply(rq, status, later);
}

void
api_history_serve(struct request *rq)
{
	if (rq->head.method == HTTP_POST)
		api_head(rq);
	else
		api_history_get(rq);
}

/* --- who is there ----------------------------------------------------------- */

/* The name behind which the page begins, decoded to `to`. */
static bool
api_cursor(struct request *rq, uint8_t *to, struct slice *cursor)
{
	ssize_t n = http_query_get(rq->head.query, "cursor", to);

	if (n == -2 || n > INTEREST_NAME_MAX)
		return (false);
	*cursor = slice_of(to, n < 0 ? 0 : (size_t)n);
	return (utf8_name(*cursor));
}

/* The names that it is about are decoded, behind each other up to `to`; its
 * limit was read before, for want of room. */
static void
api_survey_get(struct request *rq, struct api_survey *q, uint8_t *to,
    const char *words)
{
	struct ask *later = NULL;
	int status;

	if (q->name.n > INTEREST_NAME_MAX || !utf8_name(q->ns) ||
	    !utf8_name(q->name) || !api_cursor(rq, to, &q->cursor)) {
		api_refuse(rq, 400, "bad_request", words);
		return;
	}
	buf_reset(&rq->w->body);
	api_asks(rq->w->hub, rq->key);
	status = api_survey(rq->w->hub, q, rq->c, &rq->w->body, &later);
	api_reply(rq, status, later);
}

static bool
api_limit(struct request *rq, unsigned *limit)
{
	uint64_t n = 100;

	if (!api_number(rq, "limit", 1000, &n) || n == 0)
		return (false);
	*limit = (unsigned)n;
	return (true);
}

/* NS/ is NS. */
static void
api_no_room(struct slice *path)
{
	if (path->n > 1 && memchr(path->p, '/', path->n) ==
	    path->p + path->n - 1)
		path->n--;
}

/* NS, or NS/ROOM, whose name may have slashes. */
void
api_rooms_get(struct request *rq)
{
	static const char words[] = "path or query is no good: "
	    "rooms/NS[/ROOM][?cursor=&limit=1..1000]";
	struct api_survey q = { .what = API_SURVEY_ROOMS };
	uint8_t *to = rq->w->decoded;

	if (!api_admit(rq, CONF_API_PRESENCE, "this key may not see presence"))
		return;
	api_no_room(&rq->match.ns_name);
	if (!api_limit(rq, &q.limit) ||
	    !api_path_names(rq, to, &q.ns, &q.name)) {
		api_refuse(rq, 400, "bad_request", words);
		return;
	}
	if (q.name.n != 0)
		q.what = API_SURVEY_ROOM;
	api_survey_get(rq, &q, to + q.ns.n + q.name.n, words);
}

void
api_user_get(struct request *rq)
{
	static const char words[] = "path or query is no good: "
	    "users/USER[?cursor=&limit=1..1000]";
	struct api_survey q = { .what = API_SURVEY_USER };
	uint8_t *to = rq->w->decoded;
	ssize_t n;

	if (!api_admit(rq, CONF_API_PRESENCE, "this key may not see presence"))
		return;
	n = api_limit(rq, &q.limit) ?
	    http_path_decode(rq->match.ns_name, to) : -1;
	if (n <= 0) {
		api_refuse(rq, 400, "bad_request", words);
		return;
	}
	q.name = slice_of(to, (size_t)n);
	api_survey_get(rq, &q, to + n, words);
}

/* --- hooks ------------------------------------------------------------------ */

bool
api_hook_name(struct request *rq, uint8_t *to, struct slice *name)
{
	ssize_t n = http_path_decode(rq->match.ns_name, to);

	if (n < 0)
		return (false);
	*name = slice_of(to, (size_t)n);
	return (utf8_name(*name));
}

void
api_hooks_get(struct request *rq)
{
	struct api_hooks q = { .cursor = 0 };
	struct ask *later = NULL;
	int status;

	if (!api_admit(rq, CONF_API_HOOKS, "this key may not see hooks"))
		return;
	if (!api_number(rq, "cursor", UINT32_MAX, &q.cursor) ||
	    !api_limit(rq, &q.limit) ||
	    !api_hook_name(rq, rq->w->decoded, &q.name)) {
		api_refuse(rq, 400, "bad_request", "path or query is no good: "
		    "hooks[/NAME/dead[?cursor=&limit=1..1000]]");
		return;
	}
	buf_reset(&rq->w->body);
	api_asks(rq->w->hub, rq->key);
	status = api_hooks(rq->w->hub, &q, rq->c, &rq->w->body, &later);
	api_reply(rq, status, later);
}

/* --- numbers ---------------------------------------------------------------- */

void
api_stats_get(struct request *rq)
{
	struct buf *b = &rq->w->body;

	if (!api_admit(rq, CONF_API_STATS, "this key may not read numbers"))
		return;
	buf_reset(b);
	if (!status_stats(rq->w, b)) {
		api_refuse(rq, 503, "unavailable", "no snapshot now");
		return;
	}
	reply_coded(rq, 200, "application/json", buf_unread(b),
	    "Cache-Control: no-store\r\n");
}
