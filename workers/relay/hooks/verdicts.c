/*
 * Questions to hooks; see verdicts.h.  Called by hooks.c.
 */
#include "relay/hooks/verdicts.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/hooks/body.h"
#include "shm/counters.h"

#define VERDICT_ANSWER_MAX	(64u << 10)	/* bytes */

struct verdict_question {
	struct post	 post;
	struct verdicts	*of;
	struct asker	 asker;
	uint16_t	 ns;
	struct buf	 body;
	TAILQ_ENTRY(verdict_question) next;
};

TAILQ_HEAD(verdict_list, verdict_question);

bool
verdicts_init(struct verdicts *v, unsigned namespaces)
{
	buf_init(&v->parts.bytes);
	v->list = calloc(1, sizeof *v->list);
	v->open = calloc(namespaces, sizeof *v->open);
	if (v->list != NULL)
		TAILQ_INIT(v->list);
	return (v->list != NULL && v->open != NULL);
}

static void
verdicts_end(struct verdict_question *q)
{
	struct verdicts *v = q->of;

	TAILQ_REMOVE(v->list, q, next);
	v->open[q->ns]--;
	post_stop(&q->post);
	buf_fini(&q->body);
	free(q);
}

void
verdicts_fini(struct verdicts *v)
{
	while (v->list != NULL && !TAILQ_EMPTY(v->list))
		verdicts_end(TAILQ_FIRST(v->list));
	free(v->list);
	free(v->open);
	buf_fini(&v->parts.bytes);
}

static void
verdicts_on_done(struct post *p, const struct post_result *r)
{
	struct verdict_question *q = container_of(p, struct verdict_question,
	    post);
	struct asker to = q->asker;
	struct verdicts *v = q->of;

	verdicts_end(q);
	v->answer(v->arg, &to, r->why == NULL && r->status >= 200 &&
	    r->status < 300, r->body);
}

static bool
verdicts_fill(struct verdicts *v, struct verdict_question *q,
    const struct conf_namespace *ns, const struct bus_publish *p)
{
	struct entry *e;

	entry_begin(&v->parts, SLICE("event"), p->sent_us);
	entry_put_event(&v->parts, p);
	e = entry_new(&v->parts);
	if (e == NULL)
		return (false);
	body_put_question(&q->body, slice_str(ns->name), e);
	free(e);
	return (!q->body.oom);
}

static bool
verdicts_send(struct verdict_question *q, const struct conf_hook *hook,
    struct target *t, uint64_t now_ms)
{
	char sign[BODY_SIGNATURE], line[BODY_SIGNATURE + 32];
	const char *headers[] = { line, "X-Roost-Question: event" };
	struct post_request r = { .headers = headers,
		.nheaders = nitems(headers), .body = buf_unread(&q->body),
		.timeout_ms = hook->timeout_ms,
		.answer_max = VERDICT_ANSWER_MAX };

	body_sign(sign, slice_str(hook->secret), now_ms / 1000, r.body);
	(void)snprintf(line, sizeof line, "X-Roost-Signature: %s", sign);
	return (post_start(&q->post, t, &r));
}

bool
verdicts_ask(struct verdicts *v, const struct conf_namespace *ns,
    struct target *t, const struct bus_envelope *b, uint64_t now_ms)
{
	struct verdict_question *q;

	if (v->open[ns->index] >= ns->hook->questions)
		return (false);
	q = calloc(1, sizeof *q);
	if (q == NULL)
		return (false);
	q->of = v;
	q->post.done = verdicts_on_done;
	q->asker = (struct asker){ b->from, b->generation, b->ref };
	q->ns = ns->index;
	buf_init(&q->body);
	TAILQ_INSERT_TAIL(v->list, q, next);
	v->open[ns->index]++;
	if (verdicts_fill(v, q, ns, &b->publish) &&
	    verdicts_send(q, ns->hook, t, now_ms))
		return (true);		/* and it may be over by now */
	counter_add(COUNTER_memory_failures, 1);
	verdicts_end(q);
	return (false);
}

void
verdicts_leave(struct verdicts *v, const struct target *t)
{
	const struct slice nothing = { NULL, 0 };
	struct verdict_question *q, *next;
	struct asker to;

	for (q = TAILQ_FIRST(v->list); q != NULL; q = next) {
		next = TAILQ_NEXT(q, next);
		if (q->post.target != t)
			continue;
		to = q->asker;
		verdicts_end(q);
		v->answer(v->arg, &to, false, nothing);
	}
}
