/*
 * The door of Engine.IO: which transport a request is for, and which worker.
 * What a session over polling does is polling.c's, a handshake over WebSocket
 * upgrade.c's, the way to another worker handover.c's.
 */
#include "worker/conn.h"
#include "worker/handover.h"
#include "worker/polling.h"
#include "worker/request.h"
#include "worker/upgrade.h"
#include "worker/worker.h"

static void
transport_session(struct request *rq, const struct engineio *e)
{
	const struct heritage *h = rq->w->h;

	if (e->owner == (uint16_t)((unsigned)h->slot << 8 |
	    (h->generation & 0xff))) {
		polling_session(rq, e);
		return;
	}
	switch (handover_pass(rq, e)) {
	case HANDOVER_DONE:
		break;
	case HANDOVER_NOBODY:
		upgrade_engine_error(rq, EIO_SID_UNKNOWN);
		break;
	case HANDOVER_FULL:
		rq->keep_alive = false;
		request_error(rq, 503, "unavailable", "too many requests");
		break;
	}
}

void
transport_serve(struct request *rq)
{
	struct engineio e;
	int r;

	r = engineio_check(&rq->head, upgrade_origin_allowed(rq),
	    rq->w->decoded, &e);
	switch (r) {
	case ENGINEIO_POLLING:
		polling_open(rq, &e);
		break;
	case ENGINEIO_WEBSOCKET:
		upgrade_engine(rq, e.b64);
		break;
	case ENGINEIO_SESSION:
		transport_session(rq, &e);
		break;
	default:
		upgrade_engine_error(rq, (enum eio_error)r);
		break;
	}
}
