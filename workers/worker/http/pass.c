/*
 * Requests passed to the worker that has their session; see pass.h.
 */
#include "worker/http/pass.h"

#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"
#include "worker/net/parcel.h"
#include "worker/worker.h"

void
pass_request(struct request *rq, unsigned slot, bool inherited,
    enum counter passed)
{
	struct conn *c = rq->c;

	if (parcel_fits(rq->w, slot, rq->all.n)) {
		rq->wait = c->outq.n > 0; /* the response before it */
		rq->passed = !rq->wait && parcel_pass(c, slot, rq->all,
		    inherited);
	}
	if (rq->passed)
		counter_add(passed, 1);
	if (rq->passed || rq->wait)
		return;
	rq->keep_alive = false;
	reply_error(rq, 503, "unavailable",
	    "the session's worker does not answer");
}
