/*
 * How a session of SockJS ends.  Closing is put off to the end of the turn: the
 * hub must not be called back.
 */
#include <stdlib.h>

#include "hub/client.h"
#include "sys/log.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"
#include "worker/net/names.h"
#include "worker/sockjs/sockjs_int.h"
#include "worker/worker.h"

struct story_of
sockjs_story(const struct sockjs *s)
{
	return ((struct story_of){ .w = s->all->w, .client = s->client,
	    .kind = RECORD_SOCKJS, .queue = &s->outq,
	    .reason = (enum reason)s->reason });
}

void
sockjs_note(struct sockjs *s, const struct client_noted *n)
{
	const struct story_of of = sockjs_story(s);

	story_note(&s->story, &of, n);
}

void
sockjs_list(struct sockjs *s)
{
	if (s->frozen)
		return;
	s->next = s->all->parting;
	s->all->parting = s;
}

void
sockjs_close(struct sockjs *s, enum reason r)
{
	CHECK_MAGIC(s, SOCKJS_MAGIC);
	if (s->parting)
		return;
	s->parting = true;
	if (s->state == SOCKJS_OPEN)
		s->reason = (uint8_t)r;
	sockjs_list(s);
}

/* --- its connections ------------------------------------------------------- */

/* What it received by is gone: what was on its way may be lost. */
static void
end_unreceived(struct sockjs *s, const struct conn *c)
{
	enum reason r = (enum reason)c->reason;

	sockjs_close(s, r == REASON_slow_consumer || r == REASON_memory ||
	    r == REASON_client_reset ? r : REASON_client_gone);
}

void
sockjs_conn_parting(struct conn *c)
{
	struct sockjs *s = c->sockjs;

	if (s != NULL) {
		sockjs_check(s);
		c->sockjs = NULL;
		if (s->recv == c) {
			s->recv = NULL;
			end_unreceived(s, c);
		} else {
			MUST(s->post == c);
			s->post = NULL;	/* what it brought is done */
			free(s->post_lines);
			s->post_lines = NULL;
		}
	} else if (c->state == CONN_AWAITS)
		sockjs_again_gone(c->w->sockjs, c);
	if (c->state == CONN_AWAITS)
		request_parting(c);
	else
		conn_finish(c);
}

void
sockjs_conn_close(struct conn *c, enum reason r)
{
	MUST(c->state == CONN_AWAITS || c->state == CONN_CHUNKED);
	if (c->sockjs != NULL)
		sockjs_close(c->sockjs, r);
	else
		conn_close(c, r);
}

/* --- the last words -------------------------------------------------------- */

/* All that is queued and, unless it asks for the next frame itself, why. */
static void
end_say(struct sockjs *s)
{
	bool polls = s->transport == SOCKJS_XHR;
	struct buf b;

	if (s->outq.n > 0 && (polls || !s->recv->outq.blocked))
		sockjs_deliver(s);
	if (s->recv == NULL || s->recv->abort)
		return;
	buf_init(&b);
	sockjs_put_close(&b, s);
	if (b.oom)
		conn_abort(s->recv, REASON_memory);
	else
		sockjs_say(s, buf_unread(&b));
	buf_fini(&b);
	if (s->recv != NULL && !s->recv->abort)
		sockjs_let_go(s);
}

static void
end_drop(struct sockjs *s)
{
	if (s->recv != NULL) {
		s->recv->sockjs = NULL;
		conn_abort(s->recv, (enum reason)s->reason);
		s->recv = NULL;
	}
	sockjs_answer_post(s);
	sockjs_remove(s);
	sockjs_bury(s);
}

static void
end_part(struct sockjs *s)
{
	const struct story_of of = sockjs_story(s);
	bool was_open = s->state == SOCKJS_OPEN;

	sockjs_check(s);
	log_debug("session_end reason=%s",
	    reason_row((enum reason)s->reason)->name);
	sockjs_forget_rest(s);
	sockjs_answer_post(s);
	if (was_open) {
		story_end(&s->story, &of);
		client_gone(&s->client, (enum reason)s->reason);
		s->state = SOCKJS_CLOSED;
	}
	if (was_open && s->recv != NULL)
		end_say(s);
	/* nobody comes any more, or nobody is to */
	if (!was_open || s->alone || s->all->w->mode >= WORKER_DRAINING ||
	    (s->recv != NULL && s->recv->abort)) {
		end_drop(s);
		return;
	}
	s->parting = false;
	sockjs_alone(s);
}

static void
end_close_one(struct hashtab_link *l, void *arg)
{
	sockjs_close(container_of(l, struct sockjs, by_key),
	    *(const enum reason *)arg);
}

void
sockjs_close_all(struct sockjs_all *all, enum reason r)
{
	hashtab_each(&all->table, end_close_one, &r);
}

bool
sockjs_turn_end(struct sockjs_all *all)
{
	struct sockjs *s;

	if (all->parting == NULL)
		return (false);
	while ((s = all->parting) != NULL) {
		all->parting = s->next;
		end_part(s);
	}
	return (true);
}

void
sockjs_free_doomed(struct sockjs_all *all)
{
	struct sockjs *s, *next, *keep = NULL;

	if (all->doomed == NULL)
		return;
	for (s = all->doomed; s != NULL; s = next) {
		next = s->next;
		if (s->queued) {	/* until the next turn */
			s->next = keep;
			keep = s;
			continue;
		}
		names_drop(all->w->names, s->story.number);
		s->magic = 0;
		slab_put(&all->slab, s);
	}
	all->doomed = keep;
}
