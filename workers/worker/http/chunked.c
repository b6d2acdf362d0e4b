/*
 * Responses in pieces; see chunked.h.
 */
#include "worker/http/chunked.h"

#include <stdio.h>

#include "worker/http/reply.h"
#include "worker/http/reply_int.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

void
chunked_begin(struct request *rq, const char *type, const char *extra)
{
	struct worker *w = rq->w;
	struct conn *c = rq->c;
	bool chunks = rq->head.minor > 0;
	const char *lines;

	if (!reply_lines(w, extra, rq->lines, &lines)) {
		conn_abort(c, REASON_memory);
		return;
	}
	if (!chunks || !reply_may_stay(rq))
		rq->keep_alive = false;
	buf_reset(&w->text);
	http_encode_head(&w->text, 200, w->wall.ms / 1000, rq->keep_alive,
	    type, -1, lines);
	reply_name(w, &rq->trace);
	if (chunks && !w->text.oom) {
		w->text.wpos -= 2;	/* the empty line */
		buf_str(&w->text, "Transfer-Encoding: chunked\r\n\r\n");
	}
	if (w->text.oom) {
		conn_abort(c, REASON_memory);
		return;
	}
	reply_count(200);
	conn_say(c, buf_unread(&w->text));
	c->state = CONN_CHUNKED;
	c->after = !chunks ? CONN_UNFRAMED : rq->keep_alive ? CONN_STAYS :
	    reply_goes_on(rq) ? CONN_LINGERS : CONN_ENDS;
	c->deadline.us = UINT64_MAX;	/* whose body it is has deadlines */
}

static bool
chunked_say(struct conn *c, struct slice s)
{
	return (s.n == 0 || out_bytes(c->w->out, &c->outq, s));
}

void
chunked_put(struct conn *c, const struct chunked_piece *p)
{
	bool chunks = c->after != CONN_UNFRAMED;
	char size[24];
	int n;

	MUST(c->state == CONN_CHUNKED);
	n = snprintf(size, sizeof size, "%zx\r\n", p->before.n + p->n +
	    p->behind.n);
	if (!chunked_say(c, slice_of(size, chunks ? (size_t)n : 0)) ||
	    !chunked_say(c, p->before) ||
	    (p->n > 0 && !outq_move(c->w->out, p->from, &c->outq, p->n)) ||
	    !chunked_say(c, p->behind) ||
	    !chunked_say(c, chunks ? SLICE("\r\n") : slice_of(NULL, 0)))
		conn_abort(c, REASON_memory);
}

void
chunked_end(struct conn *c)
{
	bool stays = c->after == CONN_STAYS && !conn_is_last(c) &&
	    c->w->mode != WORKER_STOPPING;

	MUST(c->state == CONN_CHUNKED);
	if (c->after != CONN_UNFRAMED &&
	    !chunked_say(c, SLICE("0\r\n\r\n"))) {
		conn_abort(c, REASON_memory);
		return;
	}
	c->state = CONN_HTTP;
	c->half = c->after == CONN_LINGERS ||
	    (c->after == CONN_STAYS && !stays);
	reply_sent(c, 200, stays);
	conn_later(c, CONN_LATER_READ);	/* what came behind it */
}
