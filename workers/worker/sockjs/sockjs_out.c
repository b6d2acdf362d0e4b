/*
 * What a session of SockJS sends: its strings, of which a frame is made as the
 * turn ends, by reference; and frames of its own.
 */
#include <stdlib.h>

#include "shm/counters.h"
#include "worker/http/chunked.h"
#include "worker/http/reply.h"
#include "worker/net/conn.h"
#include "worker/sockjs/sockjs_int.h"
#include "worker/worker.h"

#define OUT_BLOCK_BYTES	(64u << 10)	/* unreceived: no volatile messages */

void
sockjs_put_close(struct buf *b, const struct sockjs *s)
{
	const struct reason_row *row = reason_row((enum reason)s->reason);

	if (s->reason == REASON_client_gone ||
	    s->reason == REASON_client_reset)
		sockjs_encode_close(b, 1002, "Connection interrupted");
	else if (row->code == 0)
		sockjs_encode_close(b, 3000, "Go away!");
	else
		sockjs_encode_close(b, row->code, row->words);
}

/* The strings, without the last comma. */
static void
out_put_strings(struct buf *b, struct sockjs *s, bool script)
{
	size_t n = (size_t)outq_bytes(&s->outq) - 1;
	struct slice run;
	uint32_t i;

	for (i = 0; n > 0 && outq_run(&s->outq, i, &run); i++) {
		run.n = run.n < n ? run.n : n;
		n -= run.n;
		if (script)
			sockjs_encode_script(b, run);
		else
			buf_slice(b, run);
	}
}

static void
out_taken(struct sockjs *s, size_t n)
{
	outq_sent(s->all->w->out, &s->outq, n);
	outq_unblock(s->all->w->out, &s->outq);
}

void
sockjs_put_queue(struct buf *b, struct sockjs *s)
{
	buf_str(b, "a[");
	out_put_strings(b, s, false);
	buf_byte(b, ']');
	out_taken(s, (size_t)outq_bytes(&s->outq));
}

/* --- to who receives ------------------------------------------------------- */

static void
out_failed(struct sockjs *s, const struct conn *c)
{
	if (c->abort)		/* it does not go out */
		sockjs_close(s, (enum reason)c->reason);
}

static struct conn *
out_let_conn(struct sockjs *s)
{
	struct conn *c = s->recv;

	s->recv = NULL;
	c->sockjs = NULL;
	return (c);
}

void
sockjs_let_go(struct sockjs *s)
{
	chunked_end(out_let_conn(s));
	sockjs_alone(s);
}

void
sockjs_say(struct sockjs *s, struct slice frame)
{
	struct conn *c = s->recv;
	struct buf b;

	buf_init(&b);
	sockjs_text_frame(&b, (enum sockjs_transport)s->transport, frame);
	if (b.oom) {
		conn_abort(c, REASON_memory);
	} else if (s->transport == SOCKJS_XHR) {
		(void)out_let_conn(s);
		reply_held_bytes(c, 200, sockjs_texts[SOCKJS_XHR].type,
		    s->lines, buf_unread(&b), false);
		sockjs_alone(s);
	} else
		chunked_put(c, &(struct chunked_piece){
		    .before = buf_unread(&b) });
	buf_fini(&b);
}

static void
out_poll(struct sockjs *s, size_t n)
{
	const struct sockjs_text *t = &sockjs_texts[SOCKJS_XHR];
	struct conn *c = out_let_conn(s);

	reply_held_within(c, t->type, s->lines, t->messages, &s->outq, n - 1,
	    t->messages_end);
	sockjs_alone(s);
	out_failed(s, c);
}

/* In a string of JavaScript each has to be written anew. */
static void
out_script(struct sockjs *s, size_t n)
{
	const struct sockjs_text *t = &sockjs_texts[SOCKJS_HTMLFILE];
	struct buf b;

	buf_init(&b);
	buf_slice(&b, t->messages);
	out_put_strings(&b, s, true);
	buf_slice(&b, t->messages_end);
	if (b.oom) {
		conn_abort(s->recv, REASON_memory);
	} else {
		chunked_put(s->recv, &(struct chunked_piece){
		    .before = buf_unread(&b) });
		outq_sent(s->all->w->out, &s->outq, n - 1);
	}
	buf_fini(&b);
}

static void
out_stream(struct sockjs *s, size_t n)
{
	const struct sockjs_text *t = &sockjs_texts[s->transport];
	struct conn *c = s->recv;

	if (s->transport == SOCKJS_HTMLFILE)
		out_script(s, n);
	else
		chunked_put(c, &(struct chunked_piece){
		    .before = t->messages, .from = &s->outq, .n = n - 1,
		    .behind = t->messages_end });
	out_failed(s, c);
	s->sent += n;
	s->beat_at = mono_add_ms(s->all->w->now,
	    s->all->w->conf->ping_interval_ms);
	if (c->abort || s->sent < s->all->w->conf->sockjs.response_bytes)
		return;
	counter_add(COUNTER_sockjs_renewed, 1);
	sockjs_let_go(s);
}

void
sockjs_deliver(struct sockjs *s)
{
	size_t n = (size_t)outq_bytes(&s->outq);

	MUST(n > 1 && s->recv != NULL);
	story_out(&s->story, s->all->w, n);
	if (s->transport == SOCKJS_XHR)
		out_poll(s, n);
	else
		out_stream(s, n);
	if (outq_bytes(&s->outq) == 1)	/* the last comma */
		outq_sent(s->all->w->out, &s->outq, 1);
	outq_unblock(s->all->w->out, &s->outq);
	sockjs_resume(s);
}

/* Nobody takes it: how much may wait?  Whose socket is full is slow at once. */
static void
out_waits(struct sockjs *s)
{
	const struct worker *w = s->all->w;
	uint64_t limit = w->conf->send_queue_bytes;
	uint64_t n = outq_bytes(&s->outq), behind = outq_behind(&s->outq);

	/* a single event may be larger */
	if (behind > limit)
		sockjs_close(s, REASON_slow_consumer);
	else if (n > OUT_BLOCK_BYTES || (n > 0 && s->recv != NULL))
		outq_block(w->out, &s->outq);
}

void
sockjs_flush(struct outq *q)
{
	struct sockjs *s = container_of(q, struct sockjs, outq);

	sockjs_check(s);
	if (s->parting || s->frozen)
		return;		/* it goes out with the last word */
	if (q->lossy)		/* something could not be queued */
		sockjs_close(s, REASON_slow_consumer);
	else if (s->recv == NULL || s->recv->outq.blocked)
		out_waits(s);
	else if (q->n > 0 && !s->recv->parting)
		sockjs_deliver(s);
}

void
sockjs_conn_drained(struct conn *c)
{
	struct sockjs *s = c->sockjs;

	if (s == NULL || s->outq.n == 0 || s->frozen || s->parting)
		return;
	if (!outq_touch(s->all->w->out, &s->outq))
		sockjs_close(s, REASON_memory);
}
