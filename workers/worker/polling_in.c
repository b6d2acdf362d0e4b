/*
 * The POST of a session over polling: its body is the client's packets.
 */
#include "hub/client.h"
#include "worker/conn.h"
#include "worker/polling_int.h"
#include "worker/worker.h"

void
poller_refuse(struct request *rq, int status)
{
	rq->keep_alive = false;
	request_reply(rq, status, NULL, slice_of(NULL, 0), NULL);
}

void
poller_post(struct poller *p, struct request *rq)
{
	struct slice type;

	if (p->post != NULL) {	/* one at a time */
		conn_abort(p->post, REASON_http_bad);
		poller_let_go(p, &p->post);
		poller_refuse(rq, 400);
		polling_close(p, REASON_http_bad);
		return;
	}
	if (http_field(&rq->head, "Content-Type", &type) &&
	    slice_caseeq(type, SLICE("application/octet-stream"))) {
		poller_refuse(rq, 400);
		polling_close(p, REASON_unsupported_data);
		return;
	}
	p->post = rq->c;
	rq->c->poller = p;
	request_want_body(rq);
}

void
polling_body(struct request *rq, struct slice body)
{
	struct poller *p = rq->c->poller;
	struct client *client;

	poller_check(p);
	MUST(p->post == rq->c);
	poller_let_go(p, &p->post);
	/* it may have been upgraded since the head came */
	client = p->state == POLLER_UPGRADED ? p->ws->client : p->client;
	if (client != NULL && !p->parting) /* the buffer is ours to write */
		engine_payload(client, (uint8_t *)(uintptr_t)body.p, body.n);
	request_reply(rq, 200, "text/html", SLICE("ok"), POLLING_NO_STORE);
}

void
polling_body_refused(struct request *rq)
{
	struct poller *p = rq->c->poller;

	poller_check(p);
	poller_let_go(p, &p->post);
}
