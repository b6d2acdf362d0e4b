/*
 * Back ends' requests; see api.h.
 */
#include "worker/endpoint/api.h"

#include "base/digest.h"
#include "base/utf8.h"
#include "conf/network.h"
#include "hub/api.h"
#include "hub/session/limit.h"
#include "proto/error.h"
#include "proto/json.h"
#include "worker/endpoint/status.h"
#include "worker/http/body.h"
#include "worker/http/refusal.h"
#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

/* Every key is looked at, so that the time taken tells nothing. */
static const struct conf_api_key *
api_key_find(const struct conf *conf, struct slice key)
{
	const struct conf_api_key *found = NULL;
	uint8_t digest[32];
	size_t i;

	digest_sha256(key, digest);
	for (i = 0; i < conf->napi_keys; i++)
		if (digest_equal(slice_of(digest, sizeof digest),
		    slice_of(conf->api_keys[i].sha256, 32)))
			found = &conf->api_keys[i];
	return (found);
}

/* Absent, or application/json with any parameters. */
static bool
api_json(const struct http_request *rq)
{
	struct slice type;
	size_t n = sizeof "application/json" - 1;

	if (http_field(rq, "Content-Type", &type) == 0)
		return (true);
	return (type.n >= n &&
	    slice_caseeq(slice_of(type.p, n), SLICE("application/json")) &&
	    (type.n == n || type.p[n] == ';' || type.p[n] == ' '));
}

static void
api_refuse(struct request *rq, int status, const char *code,
    const char *message)
{
	counter_add(COUNTER_api_failures, 1);
	reply_error(rq, status, code, message);
}

/* A key that allows this; false: answered. */
static bool
api_admit(struct request *rq, uint32_t right, const char *words)
{
	uint64_t address = from_key(rq);
	struct hub *h = rq->w->hub;
	const struct conf_api_key *k;
	struct slice key;

	counter_add(COUNTER_api_requests, 1);
	if (http_bearer(&rq->head, &key) != 1) {
		api_refuse(rq, 401, "unauthorized", "a valid key is needed");
		return (false);
	}
	/* as with tokens: who has tried too many is not even looked at */
	if (!limit_token(h, address)) {
		counter_add(COUNTER_api_failures, 1);
		reply_too_many(rq, "rate_limited",
		    "too many wrong keys, try again later", limit_retry_ms(h));
		return (false);
	}
	k = api_key_find(rq->w->conf, key);
	if (k == NULL) {
		limit_token_failed(h, address);
		refusal_key(rq);
		api_refuse(rq, 401, "unauthorized", "a valid key is needed");
		return (false);
	}
	if (k->nnetworks > 0 && !conf_network_listed(k->networks,
	    k->nnetworks, rq->from.address)) {
		refusal_place(rq, k->name);
		api_refuse(rq, 403, "forbidden",
		    "this key may not be used from here");
		return (false);
	}
	if (!(k->allow & right)) {
		api_refuse(rq, 403, "forbidden", words);
		return (false);
	}
	rq->key = k;
	return (true);
}

/* A number of the query string within its bounds; def when absent. */
static bool
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

/* Now, or when others have answered: clients, workers, the relay. */
static void
api_reply(struct request *rq, int status, struct ask *later)
{
	if (later != NULL) {
		rq->c->ask = later;
		reply_hold(rq, CONN_ASKING);
		return;
	}
	if (status >= 400)
		counter_add(COUNTER_api_failures, 1);
	reply_body(rq, status, "application/json",
	    status == 503 ? "Retry-After: 1\r\n" : NULL);
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
	if (q->user.n > ROOM_NAME_MAX || q->room.n > ROOM_NAME_MAX)
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
	    q->room.n > ROOM_NAME_MAX)
		return (false);
	to += q->ns.n + q->room.n;
	n = http_query_get(rq->head.query, "since", to);
	if (n == -2)
		return (false);
	q->since = slice_of(to, n < 0 ? 0 : (size_t)n);
	/* they come back in JSON */
	return (utf8_name(q->ns) && utf8_name(q->room));
}

void
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

/* Those that come with a body. */
static const struct api_order_row {
	uint32_t	 right;
	const char	*words;
} api_orders[ROUTE__MAX] = {
	[ROUTE_PUBLISH]	   = { CONF_API_PUBLISH, "this key may not publish" },
	[ROUTE_BATCH]	   = { CONF_API_PUBLISH, "this key may not publish" },
	[ROUTE_DISCONNECT] = { CONF_API_DISCONNECT,
	    "this key may not disconnect" },
	[ROUTE_ROOMS]	   = { CONF_API_ROOMS, "this key may not change rooms" },
	[ROUTE_REVOKE]	   = { CONF_API_REVOKE, "this key may not revoke" },
};

void
api_head(struct request *rq)
{
	const struct api_order_row *row = &api_orders[rq->match.route];

	if (!api_admit(rq, row->right, row->words))
		return;
	if (!api_json(&rq->head)) {
		api_refuse(rq, 415, "unsupported_media_type",
		    "the body must be application/json");
		return;
	}
	body_want(rq);
}

/* disconnect and rooms */
static int
api_members(struct request *rq, struct slice body, struct buf *b,
    struct ask **later)
{
	struct slice user = { NULL, 0 };
	ssize_t n;

	if (rq->match.ns_name.n != 0) {
		n = http_path_decode(rq->match.ns_name, rq->w->decoded);
		if (n <= 0 || !utf8_name(slice_of(rq->w->decoded, (size_t)n))) {
			error_encode(b, "bad_request", "USER is no good: "
			    "/api/v1/users/USER/...");
			return (400);
		}
		user = slice_of(rq->w->decoded, (size_t)n);
	}
	return (rq->match.route == ROUTE_ROOMS ?
	    api_rooms(rq->w->hub, user, body, rq->c, b, later) :
	    api_disconnect(rq->w->hub, user, body, rq->c, b, later));
}

void
api_body(struct request *rq, struct slice body)
{
	struct buf *b = &rq->w->body;
	struct ask *later = NULL;
	int status;

	buf_reset(b);
	json_mend((uint8_t *)(uintptr_t)body.p, body.n); /* ours to write */
	MUST(rq->key != NULL);
	api_asks(rq->w->hub, rq->key);
	if (rq->match.route == ROUTE_BATCH)
		status = api_batch(rq->w->hub, body, b);
	else if (rq->match.route == ROUTE_PUBLISH)
		status = api_publish(rq->w->hub, body, rq->c, b, &later);
	else if (rq->match.route == ROUTE_REVOKE)
		status = api_revoke(rq->w->hub, body, rq->c, b, &later);
	else
		status = api_members(rq, body, b, &later);
	api_reply(rq, status, later);
}

void
api_answered(void *worker, void *conn, int status, struct slice body)
{
	struct worker *w = worker;
	struct conn *c = conn;

	MUST(c->w == w && c->state == CONN_ASKING);
	c->ask = NULL;
	if (w->mode != WORKER_SERVING)
		reply_held_last(c);
	if (body.n != 0) {
		if (status >= 400)
			counter_add(COUNTER_api_failures, 1);
		reply_held_bytes(c, status, "application/json", status == 503 ?
		    "Retry-After: 1\r\n" : NULL, body);
		return;
	}
	counter_add(COUNTER_api_failures, 1);
	reply_held_bytes(c, 503, "application/json", NULL,
	    SLICE("{\"error\":{\"code\":\"internal\",\"message\":"
	    "\"out of memory\"}}"));
}

void
api_parting(struct conn *c)
{
	ask_forget(&c->ask);
	request_parting(c);
}
