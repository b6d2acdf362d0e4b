/*
 * From HTTP to WebSocket: who may, as what, and the 101.  Engine.IO refuses
 * in its own words (text, status 400), plain WebSocket as the API does.
 */
#include "hub/api.h"
#include "hub/client.h"
#include "hub/limit.h"
#include "proto/ws.h"
#include "worker/conn.h"
#include "worker/refusal.h"
#include "worker/request.h"
#include "worker/upgrade.h"
#include "worker/worker.h"

#define UPGRADE_PROTOCOL	"roost.v1"
#define UPGRADE_BEARER		"bearer."

/* An upgrade that is refused ends the connection: what the client sent behind
 * it was meant for a WebSocket. */
static void
upgrade_end(struct request *rq)
{
	rq->keep_alive = false;
	rq->head.keep_alive = true;	/* linger */
}

static void
upgrade_refuse(struct request *rq, enum counter why)
{
	counter_add(why, 1);
	upgrade_end(rq);
}

bool
upgrade_origin_allowed(const struct request *rq)
{
	struct slice origin;

	switch (http_field_count(&rq->head, "Origin")) {
	case 0:
		return (true);	/* not a browser */
	case 1:
		return (http_field(&rq->head, "Origin", &origin) &&
		    conf_origin_allowed(rq->w->conf, origin, rq->head.host,
		    rq->c->secure));
	default:
		return (false);
	}
}

/* One more handshake of this address; true: too many, and it is told so. */
static bool
upgrade_too_fast(struct request *rq)
{
	if (limit_connect(rq->w->hub, limit_address(rq->c->address)))
		return (false);
	upgrade_refuse(rq, COUNTER_refused_rate);
	request_later(rq, "rate_limited", "too many connects of your address",
	    limit_retry_ms(rq->w->hub));
	return (true);
}

/* --- tokens and subprotocols --------------------------------------------- */

static bool
upgrade_token_query(struct request *rq, struct slice *token)
{
	const char *name = rq->w->conf->jwt.query;
	ssize_t n;

	if (name[0] == '\0')
		return (false);
	n = http_query_filled(rq->head.query, name, rq->w->decoded);
	if (n <= 0)
		return (false);
	*token = slice_of(rq->w->decoded, (size_t)n);
	return (true);
}

static struct http_list
upgrade_protocols(const struct request *rq)
{
	return (http_list(&rq->head, "Sec-WebSocket-Protocol"));
}

static bool
upgrade_token_protocol(const struct request *rq, struct slice *token)
{
	struct http_list l = upgrade_protocols(rq);
	struct slice name;

	while (http_list_next(&l, &name)) {
		*token = slice_from(name, sizeof UPGRADE_BEARER - 1);
		if (slice_starts(name, SLICE(UPGRADE_BEARER)) && token->n > 0)
			return (true);
	}
	return (false);
}

/* The first one found counts, where an empty one is none; empty: none. */
static struct slice
upgrade_token(struct request *rq)
{
	const char *cookie = rq->w->conf->jwt.cookie;
	struct slice token;

	if (http_bearer(&rq->head, &token) > 0 ||
	    (cookie[0] != '\0' &&
	    http_cookie(&rq->head, slice_str(cookie), &token)) ||
	    upgrade_token_query(rq, &token) ||
	    upgrade_token_protocol(rq, &token))
		return (token);
	return (slice_of(NULL, 0));
}

/*
 * Ours if it was offered (plain only).  A bearer one is echoed only when
 * nothing else was offered: browsers insist on an answer.
 */
static struct slice
upgrade_protocol(const struct request *rq, bool plain)
{
	struct http_list l = upgrade_protocols(rq);
	struct slice name, bearer = { NULL, 0 };
	unsigned n = 0;

	while (http_list_next(&l, &name)) {
		n++;
		if (plain && slice_eq(name, SLICE(UPGRADE_PROTOCOL)))
			return (name);
		if (slice_starts(name, SLICE(UPGRADE_BEARER)))
			bearer = name;
	}
	return (n == 1 ? bearer : slice_of(NULL, 0));
}

static void
upgrade_accept(struct request *rq, const struct ws_offer *offer, bool plain)
{
	struct buf *b = &rq->w->text;

	buf_reset(b);
	ws_encode_accept(b, offer, upgrade_protocol(rq, plain), NULL);
	counter_add(COUNTER_http_1xx, 1);
	conn_say(rq->c, buf_unread(b));
}

/* --- Engine.IO ----------------------------------------------------------- */

/* In the words of the transport. */
static void
upgrade_engine_refuse(struct request *rq, enum eio_error e, const char *words,
    enum counter why)
{
	struct buf *b = &rq->w->body;

	if (rq->head.upgrade_websocket) {
		upgrade_refuse(rq, why);
		request_reply(rq, 400, "text/html", slice_str(words), NULL);
		return;
	}
	if (e == EIO_FORBIDDEN)
		counter_add(why, 1);
	buf_reset(b);
	eio_encode_error(b, e, words);
	request_reply(rq, eio_error_status(e), "application/json",
	    buf_unread(b), NULL);
}

void
upgrade_engine_error(struct request *rq, enum eio_error e)
{
	if (e == EIO_SID_UNKNOWN)
		counter_add(COUNTER_eio_unknown_sid, 1);
	if (e == EIO_FORBIDDEN)
		refusal_origin(rq);
	if (e == EIO_UNSUPPORTED_VERSION)
		refusal_version(rq);
	upgrade_engine_refuse(rq, e, eio_error_message(e),
	    e == EIO_FORBIDDEN ? COUNTER_refused_origin :
	    COUNTER_refused_handshake);
}

static void
upgrade_bad_handshake(struct request *rq, const struct ws_offer *offer)
{
	upgrade_refuse(rq, COUNTER_refused_handshake);
	buf_reset(&rq->w->body);
	buf_str(&rq->w->body, offer->why);
	request_reply(rq, offer->status, "text/plain; charset=utf-8",
	    buf_unread(&rq->w->body), offer->status == 426 ?
	    "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n" : NULL);
}

static bool
upgrade_leaving(struct request *rq)
{
	if (rq->w->mode == WORKER_SERVING)
		return (false);
	upgrade_refuse(rq, COUNTER_refused_draining);
	request_error(rq, 503, "unavailable", "this server is going away");
	return (true);
}

/* Name and parameters out of the path; false: there is no such endpoint. */
static bool
upgrade_target(struct request *rq, struct client_request *cr)
{
	uint8_t *p = rq->w->decoded + HTTP_LINE_MAX; /* behind the token */
	struct slice name = rq->match.ns_name;
	ssize_t n;

	cr->route = rq->match.conf;
	if (cr->route == NULL) {
		n = http_path_decode(name, p);
		if (n == 0) {
			p[0] = '/';
			n = 1;
		}
		cr->ns = n < 0 ? NULL : conf_namespace_find(rq->w->conf,
		    slice_of(p, (size_t)n));
		if (cr->ns == NULL && n > 1 && slice_end(name)[-1] == '/')
			cr->ns = conf_namespace_find(rq->w->conf,
			    slice_of(p, (size_t)n - 1));
		return (cr->ns != NULL);
	}
	cr->ns = cr->route->ns;
	return (route_values(cr->route, rq->head.path, p, cr->values));
}

static void
upgrade_not_admitted(struct request *rq, const struct refusal *r)
{
	if (r->status != 429) {
		upgrade_refuse(rq, COUNTER_refused_handshake);
		request_error(rq, r->status, r->code, r->message);
		return;
	}
	upgrade_end(rq);
	/* a user with too many connections is counted by the hub */
	if (r->retry_ms != 0)
		counter_add(COUNTER_refused_rate, 1);
	request_later(rq, r->code, r->message, r->retry_ms);
}

/* A route of Engine.IO: as for plain WebSocket, who asks is looked at now. */
static bool
upgrade_admit_route(struct request *rq, struct admission *adm)
{
	struct client_request cr = { .ns = NULL };
	struct refusal r;

	if (!upgrade_target(rq, &cr)) {
		upgrade_engine_error(rq, EIO_BAD_REQUEST);
		return (false);
	}
	cr.address = limit_address(rq->c->address);
	cr.token = upgrade_token(rq);
	if (plain_admit(rq->w->hub, &cr, adm, &r))
		return (true);
	admission_fini(adm);
	if (r.status == 429 || r.status == 503)
		upgrade_not_admitted(rq, &r);
	else {
		if (r.status == 401)	/* no guessing on one connection */
			upgrade_end(rq);
		upgrade_engine_refuse(rq, r.status == 400 ? EIO_BAD_REQUEST :
		    EIO_FORBIDDEN, r.message, COUNTER_refused_handshake);
	}
	return (false);
}

bool
upgrade_admit(struct request *rq, struct admission *adm)
{
	struct client_request cr = { .ns = NULL };

	if (upgrade_leaving(rq) || upgrade_too_fast(rq))
		return (false);
	if (rq->match.conf != NULL)
		return (upgrade_admit_route(rq, adm));
	cr.address = limit_address(rq->c->address);
	cr.token = upgrade_token(rq);
	engine_admit(rq->w->hub, &cr, adm);
	if (adm->fail != AUTHFAIL_rate_limited)
		return (true);
	upgrade_refuse(rq, COUNTER_refused_rate);
	request_later(rq, "rate_limited", authfail_words(adm->fail),
	    limit_retry_ms(rq->w->hub));
	admission_fini(adm);
	return (false);
}

void
upgrade_engine(struct request *rq, bool b64)
{
	struct admission adm = { .who = NULL };
	struct ws_offer offer;
	struct client *client;

	if (ws_check_request(&rq->head, &offer) != 0) {
		upgrade_bad_handshake(rq, &offer);
		return;
	}
	if (!upgrade_admit(rq, &adm))
		return;
	upgrade_accept(rq, &offer, false);
	client = engine_open(rq->w->hub, &adm, b64, &rq->c->outq);
	admission_fini(&adm);
	conn_upgraded(rq->c, client);
}

bool
upgrade_candidate(struct request *rq)
{
	struct ws_offer offer;

	if (ws_check_request(&rq->head, &offer) != 0) {
		upgrade_bad_handshake(rq, &offer);
		return (false);
	}
	upgrade_accept(rq, &offer, false);
	return (true);
}

/* --- plain WebSocket ----------------------------------------------------- */

void
upgrade_plain(struct request *rq)
{
	struct client_request cr = { .ns = NULL };
	struct admission adm = { .who = NULL };
	struct refusal refusal;
	struct ws_offer offer;
	struct client *client;

	if (!upgrade_target(rq, &cr)) {
		upgrade_refuse(rq, COUNTER_refused_handshake);
		request_error(rq, 404, "not_found", "no such namespace");
		return;
	}
	if (ws_check_request(&rq->head, &offer) != 0) {
		upgrade_bad_handshake(rq, &offer);
		return;
	}
	if (!upgrade_origin_allowed(rq)) {
		upgrade_refuse(rq, COUNTER_refused_origin);
		refusal_origin(rq);
		request_error(rq, 403, "origin", "origin not allowed");
		return;
	}
	if (upgrade_leaving(rq) || upgrade_too_fast(rq))
		return;
	cr.address = limit_address(rq->c->address);
	cr.token = upgrade_token(rq);
	if (!plain_admit(rq->w->hub, &cr, &adm, &refusal)) {
		admission_fini(&adm);
		upgrade_not_admitted(rq, &refusal);
		return;
	}
	upgrade_accept(rq, &offer, true);
	client = plain_open(rq->w->hub, &adm, &rq->c->outq);
	admission_fini(&adm);
	conn_upgraded(rq->c, client);
}
