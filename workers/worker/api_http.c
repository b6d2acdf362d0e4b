/*
 * The HTTP API's door: key, media type and body limits.  What a body means is
 * the hub's (hub/api.h).
 */
#include "base/digest.h"
#include "hub/api.h"
#include "worker/request.h"
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

static bool
api_bearer(const struct http_request *rq, struct slice *key)
{
	if (http_field_count(rq, "Authorization") != 1 ||
	    !http_field(rq, "Authorization", key) || key->n < 8 ||
	    !slice_caseeq(slice_of(key->p, 7), SLICE("Bearer ")))
		return (false);
	*key = slice_from(*key, 7);
	return (true);
}

/* Absent, or application/json with any parameters. */
static bool
api_json(const struct http_request *rq)
{
	struct slice type;
	size_t n = sizeof "application/json" - 1;

	if (!http_field(rq, "Content-Type", &type))
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
	request_error(rq, status, code, message);
}

void
api_head(struct request *rq)
{
	const struct conf_api_key *k;
	struct slice key;

	counter_add(COUNTER_api_requests, 1);
	if (!api_bearer(&rq->head, &key) ||
	    (k = api_key_find(rq->w->conf, key)) == NULL) {
		api_refuse(rq, 401, "unauthorized", "a valid key is needed");
		return;
	}
	if (!(k->allow & CONF_API_PUBLISH)) {
		api_refuse(rq, 403, "forbidden", "this key may not publish");
		return;
	}
	if (!api_json(&rq->head)) {
		api_refuse(rq, 415, "unsupported_media_type",
		    "the body must be application/json");
		return;
	}
	request_want_body(rq);
}

void
api_body(struct request *rq, struct slice body)
{
	struct buf *b = &rq->w->body;
	int status;

	buf_reset(b);
	status = rq->match.route == ROUTE_BATCH ?
	    api_batch(rq->w->hub, body, b) : api_publish(rq->w->hub, body, b);
	if (status >= 400)
		counter_add(COUNTER_api_failures, 1);
	request_reply(rq, status, "application/json", buf_unread(b), NULL);
}
