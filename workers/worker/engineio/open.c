/*
 * Sessions of Engine.IO open; see open.h.  It refuses in its own words (text,
 * status 400), and is as mild with a token as its reference.
 */
#include "worker/engineio/open.h"

#include "hub/client.h"
#include "hub/session/limit.h"
#include "proto/ws.h"
#include "worker/http/admit.h"
#include "worker/http/refusal.h"
#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"
#include "worker/websocket/frames.h"
#include "worker/websocket/upgrade.h"
#include "worker/worker.h"

/* In the words of the transport. */
static void
open_refuse(struct request *rq, enum eio_error e, const char *words,
    enum counter why)
{
	struct buf *b = &rq->w->body;

	if (rq->head.upgrade_websocket) {
		admit_refuse(rq, why, words);
		reply_send(rq, 400, "text/html", slice_str(words), NULL);
		return;
	}
	refusal_told(rq, slice_of(NULL, 0), words);
	if (e == EIO_FORBIDDEN)
		counter_add(why, 1);
	buf_reset(b);
	eio_encode_error(b, e, words);
	reply_body(rq, eio_error_status(e), "application/json", NULL);
}

void
open_error(struct request *rq, enum eio_error e)
{
	if (e == EIO_SID_UNKNOWN)
		counter_add(COUNTER_eio_unknown_sid, 1);
	if (e == EIO_FORBIDDEN)
		refusal_origin(rq);
	if (e == EIO_UNSUPPORTED_VERSION)
		refusal_version(rq);
	open_refuse(rq, e, eio_error_message(e),
	    e == EIO_FORBIDDEN ? COUNTER_refused_origin :
	    COUNTER_refused_handshake);
}

/* A route of Engine.IO: as for plain WebSocket, who asks is looked at now. */
static bool
open_admit_route(struct request *rq, struct client_request *cr,
    struct admission *adm)
{
	struct refusal r;

	if (!admit_target(rq, cr)) {
		open_error(rq, EIO_BAD_REQUEST);
		return (false);
	}
	cr->polls = !rq->head.upgrade_websocket;
	if (plain_admit(rq->w->hub, cr, adm, &r))
		return (true);
	if (r.status == 0 || r.status == 429 || r.status == 503 ||
	    r.data.n != 0 ||
	    strcmp(r.code, "rollout") == 0)
		admit_refused(rq, &r, admission_user(adm));
	else {
		if (r.status == 401)	/* no guessing on one connection */
			admit_end(rq);
		open_refuse(rq, r.status == 400 ? EIO_BAD_REQUEST :
		    EIO_FORBIDDEN, r.message, COUNTER_refused_handshake);
	}
	admission_fini(adm);
	return (false);
}

bool
open_admit(struct request *rq, struct admission *adm)
{
	struct client_request cr = { .ns = NULL };

	if (!admit_asks(rq, &cr))
		return (false);
	if (rq->match.conf != NULL)
		return (open_admit_route(rq, &cr, adm));
	engine_admit(rq->w->hub, &cr, adm);
	if (adm->fail != AUTHFAIL_rate_limited)
		return (true);
	admit_refuse(rq, COUNTER_refused_rate, "rate_limited");
	reply_too_many(rq, "rate_limited", authfail_words(adm->fail),
	    limit_retry_ms(rq->w->hub));
	admission_fini(adm);
	return (false);
}

void
open_websocket(struct request *rq, bool b64)
{
	struct admission adm = { .who = NULL };
	struct ws_offer offer;
	struct client *client;

	if (!upgrade_offer(rq, &offer))
		return;
	if (!open_admit(rq, &adm))
		return;
	adm.window = upgrade_accept(rq, &offer, false, adm.ns);
	client = engine_open(rq->w->hub, &adm, b64, &rq->c->outq);
	admission_fini(&adm);
	frames_open(rq->c, client);
}
