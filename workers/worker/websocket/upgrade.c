/*
 * From HTTP to WebSocket: the handshake and its 101; and plain WebSocket, which
 * refuses as the API does.
 */
#include "worker/websocket/upgrade.h"

#include "hub/client.h"
#include "proto/ws.h"
#include "worker/http/admit.h"
#include "worker/http/origin.h"
#include "worker/http/refusal.h"
#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"
#include "worker/websocket/frames.h"
#include "worker/worker.h"

#define UPGRADE_PROTOCOL	"roost.v1"

/*
 * Ours if it was offered (plain only).  A bearer one is echoed only when
 * nothing else was offered: browsers insist on an answer.
 */
static struct slice
upgrade_protocol(const struct request *rq, bool plain)
{
	struct http_list l = admit_protocols(rq);
	struct slice name, bearer = { NULL, 0 };
	unsigned n = 0;

	while (http_list_next(&l, &name)) {
		n++;
		if (plain && slice_eq(name, SLICE(UPGRADE_PROTOCOL)))
			return (name);
		if (slice_starts(name, SLICE(ADMIT_BEARER)))
			bearer = name;
	}
	return (n == 1 ? bearer : slice_of(NULL, 0));
}

/* What is not allowed here is declined. */
static void
upgrade_deflate(struct request *rq, struct ws_offer *offer,
    const struct conf_namespace *ns)
{
	struct conn *c = rq->c;

	if (!rq->w->conf->deflate || c->deflate == CONN_NO_DEFLATE ||
	    (ns != NULL && !ns->deflate))
		offer->deflate.window = DEFLATE_NONE;
	c->deflate = (unsigned)offer->deflate.window & 3;
	counter_add(COUNTER_ws_deflate_handshakes, c->deflate != DEFLATE_NONE);
}

enum deflate_window
upgrade_accept(struct request *rq, struct ws_offer *offer, bool plain,
    const struct conf_namespace *ns)
{
	struct buf *b = &rq->w->text;
	char name[TRACE_LINE_MAX];

	upgrade_deflate(rq, offer, ns);
	buf_reset(b);
	ws_encode_accept(b, offer, upgrade_protocol(rq, plain),
	    trace_line(&rq->trace, name));
	if (b->oom) {
		conn_abort(rq->c, REASON_memory);
		return (DEFLATE_NONE);
	}
	from_keep(rq);
	counter_add(COUNTER_http_1xx, 1);
	conn_say(rq->c, buf_unread(b));
	return (offer->deflate.window);
}

static void
upgrade_bad_handshake(struct request *rq, const struct ws_offer *offer)
{
	admit_refuse(rq, COUNTER_refused_handshake, "bad_handshake");
	buf_reset(&rq->w->body);
	buf_str(&rq->w->body, offer->why);
	reply_body(rq, offer->status, "text/plain; charset=utf-8",
	    offer->status == 426 ?
	    "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n" : NULL);
}

bool
upgrade_offer(struct request *rq, struct ws_offer *offer)
{
	if (ws_check_request(&rq->head, offer) == 0)
		return (true);
	upgrade_bad_handshake(rq, offer);
	return (false);
}

/* A provider of Yjs comes again for ever where HTTP refuses it: it is told in its
 * own words, and by a code that ends that. */
static bool
upgrade_denies(struct request *rq, struct ws_offer *offer,
    const struct refusal *r, const struct client_request *cr,
    const struct admission *adm)
{
	struct buf *b = &rq->w->body;

	if (cr->route == NULL || cr->route->format != CONF_FORMAT_YJS ||
	    (r->status != 401 && r->status != 403))
		return (false);
	refusal_told(rq, admission_user(adm), r->code);
	counter_add(COUNTER_refused_handshake, 1);
	(void)upgrade_accept(rq, offer, true, cr->ns);
	buf_reset(b);
	yjs_denied(b, r);
	frames_refuse(rq->c, buf_unread(b), b->oom ? REASON_memory :
	    r->status == 401 ? REASON_document_unauthorized :
	    REASON_document_forbidden);
	return (true);
}

void
upgrade_client(struct request *rq, struct client *(*open)(struct hub *,
    struct admission *, struct outq *))
{
	struct client_request cr = { .ns = NULL };
	struct admission adm = { .who = NULL };
	struct refusal refusal;
	struct ws_offer offer;
	struct client *client;

	if (!admit_target(rq, &cr)) {
		admit_refuse(rq, COUNTER_refused_handshake, "not_found");
		reply_error(rq, 404, "not_found", "no such namespace");
		return;
	}
	if (!upgrade_offer(rq, &offer))
		return;
	if (!origin_asks(rq) || !admit_asks(rq, &cr))
		return;
	cr.since = admit_since(rq);
	if (!plain_admit(rq->w->hub, &cr, &adm, &refusal)) {
		if (!upgrade_denies(rq, &offer, &refusal, &cr, &adm))
			admit_refused(rq, &refusal, admission_user(&adm));
		admission_fini(&adm);
		return;
	}
	adm.window = upgrade_accept(rq, &offer, true, adm.ns);
	client = open(rq->w->hub, &adm, &rq->c->outq);
	admission_fini(&adm);
	frames_open(rq->c, client);
}

void
upgrade_plain(struct request *rq)
{
	const struct conf_route *r = rq->match.conf;

	upgrade_client(rq, r != NULL && r->format == CONF_FORMAT_YJS ?
	    yjs_open : plain_open);
}
