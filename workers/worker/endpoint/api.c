/*
 * Back ends' requests; see api.h.
 */
#include "worker/endpoint/api_int.h"

#include "base/digest.h"
#include "base/utf8.h"
#include "conf/network.h"
#include "hub/api.h"
#include "hub/session/limit.h"
#include "proto/error.h"
#include "proto/json.h"
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

bool
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

void
api_refuse(struct request *rq, int status, const char *code,
    const char *message)
{
	counter_add(COUNTER_api_failures, 1);
	reply_error(rq, status, code, message);
}

bool
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

void
api_reply(struct request *rq, int status, struct ask *later)
{
	if (later != NULL) {
		rq->c->ask = later;
		if (rq->head.method == HTTP_HEAD)
			ask_by_head(later);
		reply_hold(rq, CONN_ASKING);
		return;
	}
	if (status >= 400)
		counter_add(COUNTER_api_failures, 1);
	reply_body(rq, status, "application/json",
	    status == 503 ? "Retry-After: 1\r\n" : NULL);
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
	[ROUTE_ROOMS_ORDER] = { CONF_API_ROOMS, "this key may not change rooms" },
	[ROUTE_HISTORY]	   = { CONF_API_PUBLISH, "this key may not publish" },
	[ROUTE_REVOKE]	   = { CONF_API_REVOKE, "this key may not revoke" },
	[ROUTE_ANSWERS]	   = { CONF_API_ANSWERS, "this key may not answer" },
	[ROUTE_HOOKS_RETRY] = { CONF_API_HOOKS, "this key may not see hooks" },
	[ROUTE_HOOKS_FORGET] = { CONF_API_HOOKS, "this key may not see hooks" },
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
	return (rq->match.route == ROUTE_ROOMS_ORDER ?
	    api_rooms(rq->w->hub, user, body, rq->c, b, later) :
	    api_disconnect(rq->w->hub, user, body, rq->c, b, later));
}

/* .../NAME/dead/retry and .../forget */
static int
api_letters(struct request *rq, struct slice body, struct buf *b,
    struct ask **later)
{
	struct api_hooks q = { .forget =
	    rq->match.route == ROUTE_HOOKS_FORGET };

	if (!api_hook_name(rq, rq->w->decoded, &q.name)) {
		error_encode(b, "bad_request", "NAME is no good: "
		    "/api/v1/hooks/NAME/dead/...");
		return (400);
	}
	return (api_hooks_order(rq->w->hub, &q, body, rq->c, b, later));
}

static int
api_history_edit(struct request *rq, struct slice body, struct buf *b,
    struct ask **later)
{
	struct api_edit q;

	if (api_history_order(rq, &q))
		return (api_edit(rq->w->hub, &q, body, rq->c, b, later));
	error_encode(b, "bad_request", "path is no good: history/NS/ROOM");
	return (400);
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
	else if (rq->match.route == ROUTE_ANSWERS)
		status = api_answers(rq->w->hub, body, rq->c, b, &later);
	else if (rq->match.route == ROUTE_HOOKS_RETRY ||
	    rq->match.route == ROUTE_HOOKS_FORGET)
		status = api_letters(rq, body, b, &later);
	else if (rq->match.route == ROUTE_HISTORY)
		status = api_history_edit(rq, body, b, &later);
	else
		status = api_members(rq, body, b, &later);
	api_reply(rq, status, later);
}

void
api_answered(void *worker, void *conn, int status, struct slice body)
{
	struct worker *w = worker;
	struct conn *c = conn;
	bool to_head;

	MUST(c->w == w && c->state == CONN_ASKING);
	to_head = ask_is_by_head(c->ask);
	c->ask = NULL;
	if (w->mode != WORKER_SERVING)
		reply_held_last(c);
	if (body.n != 0) {
		if (status >= 400)
			counter_add(COUNTER_api_failures, 1);
		reply_held_bytes(c, status, "application/json", status == 503 ?
		    "Retry-After: 1\r\n" : NULL, body, to_head);
		return;
	}
	counter_add(COUNTER_api_failures, 1);
	reply_held_bytes(c, 503, "application/json", "Retry-After: 1\r\n",
	    SLICE("{\"error\":{\"code\":\"internal\",\"message\":"
	    "\"out of memory\"}}"), to_head);
}

void
api_parting(struct conn *c)
{
	ask_forget(&c->ask);
	request_parting(c);
}
