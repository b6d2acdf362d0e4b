/*
 * What clients of SockJS send over HTTP: a body with messages, of which as many
 * are done as may be in a turn (hub/work.h); the rest is kept and goes on turn by
 * turn, in order, and the request is answered when all of it is done.  Stock
 * clients send the next body when the last one is answered; another one while a
 * rest is kept is refused.
 */
#include <stdlib.h>

#include "hub/client.h"
#include "hub/session/limit.h"
#include "hub/work.h"
#include "shm/counters.h"
#include "worker/http/body.h"
#include "worker/http/origin.h"
#include "worker/http/reply.h"
#include "worker/net/conn.h"
#include "worker/sockjs/sockjs_int.h"
#include "worker/worker.h"

#define IN_TEXT	"text/plain; charset=UTF-8"

/* --- the rest -------------------------------------------------------------- */

void
sockjs_forget_rest(struct sockjs *s)
{
	s->is_busy = false;
	free(s->rest_bytes);
	s->rest_bytes = NULL;
}

void
sockjs_resume(struct sockjs *s)
{
	if (s->rest_bytes == NULL || s->is_busy)
		return;
	s->is_busy = true;
	if (!s->queued)
		later_add(s->all->busy, &s->later);
	s->queued = true;
}

/* So much is queued for it that more answers might be its end. */
static bool
in_is_behind(const struct sockjs *s)
{
	return (conn_is_behind(s->all->w, &s->outq));
}

/* Its share of this turn is had: the next turn, unless too much is queued. */
static void
in_next_turn(struct sockjs *s)
{
	if (in_is_behind(s)) {
		counter_add(COUNTER_input_paused, 1);
		return;		/* until somebody receives that */
	}
	counter_add(COUNTER_input_deferred, 1);
	sockjs_resume(s);
}

void
sockjs_answer_post(struct sockjs *s)
{
	struct conn *c = s->post;

	if (c == NULL)
		return;
	s->post = NULL;
	c->sockjs = NULL;
	reply_held_bytes(c, 204, IN_TEXT, s->post_lines, slice_of(NULL, 0),
	    false);
	free(s->post_lines);
	s->post_lines = NULL;
}

static void
in_go_on(struct later *l)
{
	struct sockjs *s = container_of(l, struct sockjs, later);

	s->queued = false;
	if (!s->is_busy || s->frozen)
		return;		/* it ended meanwhile, or may not now */
	sockjs_check(s);
	s->is_busy = false;
	if (s->parting || s->client == NULL)
		return;		/* it ends with this turn */
	work_begin(s->all->w->work);
	if (in_is_behind(s) || !sockjs_take(s->client, &s->rest)) {
		in_next_turn(s);
		return;
	}
	sockjs_forget_rest(s);
	sockjs_answer_post(s);
}

void
sockjs_go_on(struct sockjs_all *all)
{
	sockjs_again_all(all);
	later_walk(all->busy, all->w->work, in_go_on);
}

bool
sockjs_busy(const struct sockjs_all *all)
{
	return (!later_empty(all->busy) || !STAILQ_EMPTY(&all->again));
}

/* --- a body ---------------------------------------------------------------- */

/* What is left of it is kept, and its request is held. */
static void
in_keep(struct sockjs *s, struct request *rq, const struct sockjs_messages *m)
{
	size_t n = m->rest.rest.n;

	s->rest_bytes = malloc(n + 1);
	if (s->rest_bytes == NULL || !sockjs_lines(rq, &s->post_lines)) {
		counter_add(COUNTER_memory_failures, 1);
		reply_no_memory(rq);
		sockjs_forget_rest(s);
		sockjs_close(s, REASON_memory);
		return;
	}
	if (n > 0)
		memcpy(s->rest_bytes, m->rest.rest.p, n);
	s->rest = (struct sockjs_messages){
		.rest.rest = slice_of(s->rest_bytes, n) };
	reply_hold(rq, CONN_AWAITS);
	s->post = rq->c;
	rq->c->sockjs = s;
	in_next_turn(s);
}

static void
in_messages(struct sockjs *s, struct request *rq, struct slice body)
{
	struct sockjs_messages m;

	if (body.n == 0) {
		sockjs_page_words(rq, 500, "Payload expected.");
		return;
	}
	if (!sockjs_decode(body, &m)) {
		sockjs_page_words(rq, 500, "Broken JSON encoding.");
		return;
	}
	story_in(&s->story, rq->w, body.n);
	if (sockjs_take(s->client, &m))
		reply_send(rq, 204, IN_TEXT, slice_of(NULL, 0), NULL);
	else
		in_keep(s, rq, &m);
}

/* Who tries the ids of others is as slow as one who connects. */
static void
in_unknown(struct request *rq, uint64_t address)
{
	counter_add(COUNTER_sockjs_unknown, 1);
	if (address != 0 && !limit_connect(rq->w->hub, address)) {
		counter_add(COUNTER_refused_rate, 1);
		reply_too_many(rq, "rate_limited", "too many unknown sessions",
		    limit_retry_ms(rq->w->hub));
		return;
	}
	sockjs_page_words(rq, 404, "no such session");
}

void
sockjs_body(struct request *rq, struct slice body)
{
	struct slice name = rq->match.ns_name;
	bool named = name.n > SOCKJS_KEY;
	struct sockjs *s = named ? sockjs_find(rq->w->sockjs, name.p) : NULL;

	if ((s != NULL ? s->frozen :
	    named && sockjs_owner(rq->w, name.p) != 0) &&
	    sockjs_again(rq, name, body))
		return;
	if (s != NULL && (s->frozen || s->post != NULL ||
	    s->rest_bytes != NULL)) {
		rq->keep_alive = false;
		reply_error(rq, 503, "unavailable", "not now");
	} else if (s == NULL || s->parting || s->client == NULL) {
		in_unknown(rq, 0);
	} else
		in_messages(s, rq, body);
}

/* Its body is wanted where its session is. */
void
sockjs_send(struct request *rq, const uint8_t key[SOCKJS_KEY])
{
	struct sockjs *s = sockjs_find(rq->w->sockjs, key);

	if (s == NULL && sockjs_owner_pass(rq, key))
		return;
	if (s == NULL || s->state == SOCKJS_CLOSED) {
		in_unknown(rq, s == NULL ? from_key(rq) : 0);
		return;
	}
	if (s->frozen || s->parting) {
		rq->later = true;	/* it is known in a moment */
		return;
	}
	if (!origin_asks(rq))
		return;
	counter_add(COUNTER_sockjs_sends, 1);
	rq->match.ns_name = sockjs_again_name(rq, key);
	body_want(rq);
}
