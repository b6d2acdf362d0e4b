/*
 * Requests with messages for a session that moves to another worker while their
 * body comes: the head is remembered, and when all of it is there, the request is
 * read once more as it came, waits, or is passed on as any other.
 */
#include <stdlib.h>

#include "worker/http/reply.h"
#include "worker/net/conn.h"
#include "worker/sockjs/sockjs_int.h"
#include "worker/worker.h"

struct slice
sockjs_again_name(const struct request *rq, const uint8_t key[SOCKJS_KEY])
{
	struct buf *b = &rq->w->text;

	buf_reset(b);
	buf_append(b, key, SOCKJS_KEY);
	buf_byte(b, rq->head.chunked ? 'c' : 'n');
	buf_slice(b, slice_of(rq->all.p, rq->all.n - rq->rest.n));
	return (b->oom ? slice_of(NULL, 0) : buf_unread(b));
}

/* As one chunk, if chunks are what the head announces. */
static void
again_put(struct buf *b, struct slice name, struct slice body)
{
	bool chunks = name.p[SOCKJS_KEY] == 'c';

	buf_slice(b, slice_from(name, SOCKJS_KEY + 1));
	if (chunks && body.n > 0)
		buf_printf(b, "%zx\r\n", body.n);
	buf_slice(b, body);
	if (chunks)
		buf_str(b, body.n > 0 ? "\r\n0\r\n\r\n" : "0\r\n\r\n");
}

static void
again_free(struct sockjs_again *a)
{
	buf_fini(&a->request);
	free(a);
}

bool
sockjs_again(struct request *rq, struct slice name, struct slice body)
{
	struct sockjs_again *a = calloc(1, sizeof *a);

	if (a == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	buf_init(&a->request);
	again_put(&a->request, name, body);
	if (a->request.oom || a->request.wpos > WORKER_RBUF) {
		again_free(a);
		return (false);
	}
	a->c = rq->c;
	STAILQ_INSERT_TAIL(&rq->w->sockjs->again, a, link);
	reply_hold(rq, CONN_AWAITS);
	return (true);
}

void
sockjs_again_all(struct sockjs_all *all)
{
	struct sockjs_again *a;
	struct conn *c;

	while ((a = STAILQ_FIRST(&all->again)) != NULL) {
		STAILQ_REMOVE_HEAD(&all->again, link);
		c = a->c;
		c->state = CONN_HTTP;
		c->deadline = mono_add_ms(all->w->now,
		    all->w->conf->handshake_timeout_ms);
		conn_rearm(c);
		if (!conn_read_again(c, buf_unread(&a->request)))
			conn_abort(c, REASON_memory);
		again_free(a);
	}
}

void
sockjs_again_gone(struct sockjs_all *all, const struct conn *c)
{
	struct sockjs_again *a;

	STAILQ_FOREACH(a, &all->again, link)
		if (a->c == c)
			break;
	if (a == NULL)
		return;
	STAILQ_REMOVE(&all->again, a, sockjs_again, link);
	again_free(a);
}
