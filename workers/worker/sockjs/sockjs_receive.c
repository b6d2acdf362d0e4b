/*
 * A request by which a client of SockJS receives: it opens a session, waits for
 * what one has, or is told that there is nothing more.
 */
#include <bsd/stdlib.h>
#include <stdlib.h>

#include "hub/client.h"
#include "shm/count.h"
#include "shm/counters.h"
#include "worker/http/admit.h"
#include "worker/http/chunked.h"
#include "worker/http/origin.h"
#include "worker/http/reply.h"
#include "worker/net/age.h"
#include "worker/net/conn.h"
#include "worker/sockjs/sockjs_int.h"
#include "worker/worker.h"

bool
sockjs_lines(const struct request *rq, char **lines)
{
	char name[TRACE_LINE_MAX];
	struct buf b;

	buf_init(&b);
	if (rq->lines != NULL)
		buf_str(&b, rq->lines);
	if (rq->trace.kept)
		buf_str(&b, trace_line(&rq->trace, name));
	buf_byte(&b, '\0');
	if (b.oom)
		buf_fini(&b);
	*lines = (char *)b.data;
	return (*lines != NULL);
}

/* What follows on the connection is answered in its turn. */
static void
receive_frames(struct request *rq, enum sockjs_transport t)
{
	reply_body(rq, 200, sockjs_texts[t].type, NULL);
}

/* This frame, and the end. */
static void
receive_only(struct request *rq, enum sockjs_transport t,
    struct slice callback, struct slice frame)
{
	struct buf *b = &rq->w->body;

	buf_reset(b);
	sockjs_text_prelude(b, t, callback);
	sockjs_text_frame(b, t, frame);
	receive_frames(rq, t);
}

/* What a closed session has to say still, and why it was closed: each a
 * response where it receives so, as a stream both. */
static void
receive_closed(struct sockjs *s, struct request *rq, enum sockjs_transport t,
    struct slice callback)
{
	struct buf frame, *b = &rq->w->body;
	bool some = s->outq.n > 0;

	buf_init(&frame);
	buf_reset(b);
	sockjs_text_prelude(b, t, callback);
	if (some) {
		sockjs_put_queue(&frame, s);
		sockjs_text_frame(b, t, buf_unread(&frame));
		buf_reset(&frame);
	}
	if (!some || t != SOCKJS_XHR) {
		sockjs_put_close(&frame, s);
		sockjs_text_frame(b, t, buf_unread(&frame));
	}
	b->oom |= frame.oom;
	buf_fini(&frame);
	receive_frames(rq, t);
}

/* --- one that is open ------------------------------------------------------ */

static void
receive_no_memory(struct sockjs *s, struct request *rq)
{
	counter_add(COUNTER_memory_failures, 1);
	reply_no_memory(rq);
	sockjs_close(s, REASON_memory);
}

static void
receive_by(struct sockjs *s, struct conn *c, enum sockjs_transport t)
{
	struct worker *w = s->all->w;

	s->recv = c;
	c->sockjs = s;
	s->transport = (uint8_t)t;
	s->sent = 0;
	s->gone_at.us = UINT64_MAX;
	s->beat_at = mono_add_ms(w->now, w->conf->ping_interval_ms);
	sockjs_rearm(s);
	if (s->outq.n > 0 && !outq_touch(w->out, &s->outq))
		sockjs_close(s, REASON_memory);
}

/* The beginning of a stream; frame: the first one, or empty. */
static void
receive_stream(struct sockjs *s, struct request *rq, enum sockjs_transport t,
    struct slice callback, struct slice frame)
{
	struct buf *b = &rq->w->body;

	buf_reset(b);
	sockjs_text_prelude(b, t, callback);
	if (frame.n > 0)
		sockjs_text_frame(b, t, frame);
	if (b->oom) {
		receive_no_memory(s, rq);
		return;
	}
	chunked_begin(rq, sockjs_texts[t].type,
	    "X-Accel-Buffering: no\r\n");
	if (rq->c->state != CONN_CHUNKED) {
		sockjs_close(s, REASON_memory);
		return;
	}
	chunked_put(rq->c, &(struct chunked_piece){
	    .before = buf_unread(b) });
	receive_by(s, rq->c, t);
}

static void
receive_poll(struct sockjs *s, struct request *rq)
{
	free(s->lines);
	if (!sockjs_lines(rq, &s->lines)) {
		receive_no_memory(s, rq);
		return;
	}
	reply_hold(rq, CONN_AWAITS);
	receive_by(s, rq->c, SOCKJS_XHR);
}

/* It is there; false: it has to ask again. */
static void
receive_more(struct sockjs *s, struct request *rq, enum sockjs_transport t,
    struct slice callback)
{
	story_in(&s->story, rq->w, 0);
	if (s->client != NULL && client_due(s->client).us <= rq->w->now.us)
		client_tick(s->client);	/* before the timer, which is coarse */
	if (s->frozen || s->parting) {
		rq->later = true;	/* it is known in a moment */
		return;
	}
	if (!origin_asks(rq))
		return;
	counter_add(COUNTER_sockjs_receives, 1);
	if (s->state == SOCKJS_CLOSED) {
		receive_closed(s, rq, t, callback);
	} else if (s->recv != NULL) {
		counter_add(COUNTER_sockjs_second, 1);
		receive_only(rq, t, callback,
		    SLICE("c[2010,\"Another connection still open\"]"));
	} else if (t == SOCKJS_XHR)
		receive_poll(s, rq);
	else
		receive_stream(s, rq, t, callback, slice_of(NULL, 0));
}

/* --- a new one ------------------------------------------------------------- */

/* What was counted for it; false: it may not come. */
struct receive_new {
	uint32_t	 address_node, key_node;
	struct admission adm;
};

static bool
receive_admit(struct request *rq, const uint8_t key[SOCKJS_KEY],
    struct receive_new *new)
{
	struct client_request cr = { .ns = NULL };
	bool keep_alive = rq->keep_alive;
	struct refusal refusal;

	if (!admit_target(rq, &cr)) {
		admit_refuse(rq, COUNTER_refused_handshake, "not_found");
		reply_error(rq, 404, "not_found", "no such endpoint");
		return (false);
	}
	/* before a token is looked at */
	if (!origin_asks(rq) || !admit_session(rq,
	    sockjs_waiting(rq->w->sockjs), &new->address_node) ||
	    !sockjs_owner_claim(rq, key, &new->key_node) ||
	    !admit_asks(rq, &cr))
		return (false);
	rq->keep_alive = keep_alive;
	cr.since = admit_since(rq);
	if (plain_admit(rq->w->hub, &cr, &new->adm, &refusal))
		return (true);
	admit_refused(rq, &refusal, admission_user(&new->adm));
	return (false);
}

/* NULL: no memory; what was counted is given back. */
static struct sockjs *
receive_session(struct request *rq, const uint8_t key[SOCKJS_KEY],
    struct receive_new *new)
{
	struct worker *w = rq->w;
	struct sockjs *s = sockjs_session_new(w->sockjs);

	if (s == NULL)
		return (NULL);
	memcpy(s->key, key, SOCKJS_KEY);
	s->key_node = new->key_node;
	s->address_node = new->address_node;
	s->address_key = from_key(rq);
	new->key_node = new->address_node = 0;
	s->client = sockjs_open_polling(w->hub, &new->adm, &s->outq);
	if (s->client == NULL) {
		sockjs_bury(s);
		return (NULL);
	}
	s->old_at = age_due(w->age_unit_us, age_draw(w->age_unit_us, w->now,
	    arc4random()), w->now);
	sockjs_insert(s);
	return (s);
}

static void
receive_open(struct request *rq, enum sockjs_transport t,
    const uint8_t key[SOCKJS_KEY], struct slice callback)
{
	struct receive_new new = { .key_node = 0 };
	struct worker *w = rq->w;
	struct story_of of;
	struct sockjs *s;

	if (!receive_admit(rq, key, &new))
		goto out;
	s = receive_session(rq, key, &new);
	if (s == NULL) {
		counter_add(COUNTER_refused_memory, 1);
		reply_no_memory(rq);
		goto out;
	}
	of = sockjs_story(s);
	story_begin(&s->story, &of, rq->from.address, rq->from.port);
	counter_add(sockjs_texts[t].opened, 1);
	counter_add(COUNTER_sockjs_receives, 1);
	if (t == SOCKJS_XHR) {
		receive_only(rq, t, callback, SLICE("o"));
		sockjs_alone(s);
	} else
		receive_stream(s, rq, t, callback, SLICE("o"));
out:
	admission_fini(&new.adm);
	count_leave_key(w->count, new.key_node);
	count_leave_key(w->count, new.address_node);
}

void
sockjs_receive(struct request *rq, enum sockjs_transport t,
    const uint8_t key[SOCKJS_KEY], struct slice callback)
{
	struct sockjs *s = sockjs_find(rq->w->sockjs, key);

	if (s != NULL)
		receive_more(s, rq, t, callback);
	else if (!sockjs_owner_pass(rq, key))
		receive_open(rq, t, key, callback);
}
