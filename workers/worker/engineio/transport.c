/*
 * Requests of Engine.IO; see transport.h.  What a session over polling does is
 * polling.c's, a handshake over WebSocket open.c's, which worker has a session
 * owner.c's, the way to it parcel.c's.
 */
#include "worker/engineio/transport.h"

#include "worker/endpoint/bundle.h"
#include "worker/engineio/open.h"
#include "worker/engineio/owner.h"
#include "worker/engineio/polling.h"
#include "worker/http/origin.h"
#include "worker/http/pass.h"
#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"
#include "worker/net/parcel.h"
#include "worker/worker.h"

/* Of a session that was opened by WebSocket: it is on its only transport.
 * Nobody keeps a list of these: one that has ended is answered so, too. */
static void
transport_websocket(struct request *rq, const struct engineio *e, bool lives,
    bool allowed)
{
	if (!lives)
		open_error(rq, EIO_SID_UNKNOWN);
	else if (e->polling || !e->version || !rq->head.upgrade_websocket)
		open_error(rq, EIO_BAD_REQUEST);
	else if (!allowed)
		open_error(rq, EIO_FORBIDDEN);
	else
		polling_candidate_unwanted(rq);
}

static void
transport_session(struct request *rq, const struct engineio *e, bool allowed)
{
	const struct heritage *h = rq->w->h;
	const struct heirs_name self = { .slot = (uint8_t)h->slot,
		.generation = (uint8_t)h->generation };
	struct heirs_name at, owner = { .slot = e->owner.slot,
		.generation = e->owner.generation };
	bool inherited = parcel_is_inherited(rq->c);
	struct owner_way way;

	if (e->owner.websocket)
		transport_websocket(rq, e, heirs_living(h->segment, owner,
		    &at), allowed);
	else if (polling_session(rq, e, allowed))
		return;
	else if (owner_ask(h->segment, self, owner, inherited, &way) &&
	    parcel_reaches(rq->w, way.slot))
		pass_request(rq, way.slot, way.inherited,
		    COUNTER_eio_forwarded);
	else
		open_error(rq, EIO_SID_UNKNOWN);
}

void
transport_serve(struct request *rq)
{
	const struct conf *conf = rq->w->conf;
	struct engineio_door door;
	struct engineio e;
	int r;

	if (origin_lines(rq) || (rq->match.conf == NULL && bundle_serve(rq)))
		return;
	door = (struct engineio_door){
		.polling = conf_transport_allowed(conf, CONF_TRANSPORT_POLLING),
		.websocket = conf_transport_allowed(conf,
		    CONF_TRANSPORT_WEBSOCKET),
		.origin = origin_allowed(rq),
	};
	r = engineio_check(&rq->head, &door, rq->w->decoded, &e);
	switch (r) {
	case ENGINEIO_POLLING:
		polling_open(rq, &e);
		break;
	case ENGINEIO_WEBSOCKET:
		open_websocket(rq, e.b64);
		break;
	case ENGINEIO_SESSION:
		transport_session(rq, &e, door.origin);
		break;
	default:
		open_error(rq, (enum eio_error)r);
		break;
	}
}
