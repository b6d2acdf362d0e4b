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
	uint64_t	 kind;		/* FORWARD_ASKS... */
	struct answers_place keep;	/* the answer, */
	struct buf	 key;		/* ... by this; empty: it is not kept */
	struct buf	 body;
	TAILQ_ENTRY(verdict_question) next;
};

TAILQ_HEAD(verdict_list, verdict_question);

/* What is asked, as requests say it. */
static const struct {
	const char	*type;
	const char	*header;
} verdict_kinds[FORWARD__MAX] = {
	[FORWARD_ASKS]		= { "event",	"X-Roost-Question: event" },
	[FORWARD_ASKS_CONNECT]	= { "connect",	"X-Roost-Question: connect" },
	[FORWARD_ASKS_JOIN]	= { "join",	"X-Roost-Question: join" },
};

bool
verdicts_init(struct verdicts *v, unsigned namespaces,
    const struct segment *segment)
{
	v->answers = answers_new(segment);
	buf_init(&v->parts.bytes);
	v->list = calloc(1, sizeof *v->list);
	v->open = calloc(namespaces, sizeof *v->open);
	if (v->list != NULL)
		TAILQ_INIT(v->list);
	return (v->list != NULL && v->open != NULL && v->answers != NULL);
}

void
verdicts_conf(struct verdicts *v, const struct conf *conf)
{
	answers_conf(v->answers, conf);
}

static void
verdicts_end(struct verdict_question *q)
{
	struct verdicts *v = q->of;

	TAILQ_REMOVE(v->list, q, next);
	v->open[q->ns]--;
	post_stop(&q->post);
	buf_fini(&q->key);
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
	answers_free(&v->answers);
	buf_fini(&v->parts.bytes);
}

static void
verdicts_on_done(struct post *p, const struct post_result *r)
{
	struct verdict_question *q = container_of(p, struct verdict_question,
	    post);
	struct asker to = q->asker;
	struct verdicts *v = q->of;
	bool ok = r->why == NULL && r->status >= 200 && r->status < 300;

	if (ok && q->key.wpos != 0)
		answers_keep(v->answers, &q->keep, buf_unread(&q->key),
		    r->body);
	verdicts_end(q);
	v->answer(v->arg, &to, ok, r->body);
}

static bool
verdicts_fill(struct verdicts *v, struct verdict_question *q,
    const struct conf_namespace *ns, const struct bus_publish *p)
{
	struct entry *e;

	entry_begin(&v->parts, slice_str(verdict_kinds[p->kept].type),
	    p->sent_us);
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
	const char *headers[] = { line, verdict_kinds[q->kind].header };
	struct post_request r = { .headers = headers,
		.nheaders = nitems(headers), .body = buf_unread(&q->body),
		.timeout_ms = hook->timeout_ms,
		.answer_max = VERDICT_ANSWER_MAX };

	body_sign(sign, slice_str(hook->secret), now_ms / 1000, r.body);
	(void)snprintf(line, sizeof line, "X-Roost-Signature: %s", sign);
	return (post_start(&q->post, t, &r));
}

static struct verdict_question *
verdicts_new(struct verdicts *v, const struct conf_namespace *ns,
    const struct bus_envelope *b, struct slice key)
{
	struct verdict_question *q = calloc(1, sizeof *q);

	if (q == NULL)
		return (NULL);
	q->of = v;
	q->post.done = verdicts_on_done;
	q->asker = (struct asker){ b->from, b->generation, b->ref };
	q->ns = ns->index;
	q->kind = b->publish.kept;
	q->keep = answers_place(v->answers, ns->hook);
	buf_init(&q->key);
	buf_init(&q->body);
	buf_slice(&q->key, key);
	TAILQ_INSERT_TAIL(v->list, q, next);
	v->open[ns->index]++;
	return (q);
}

bool
verdicts_ask(struct verdicts *v, const struct conf_namespace *ns,
    struct target *t, const struct bus_envelope *b, uint64_t now_ms)
{
	const struct asker to = { b->from, b->generation, b->ref };
	struct verdict_question *q;
	struct slice key, body;

	if (b->publish.kept >= FORWARD__MAX)
		return (false);
	key = answers_key(v->answers, ns, &b->publish);
	if (answers_find(v->answers, key, &b->publish, &body)) {
		v->answer(v->arg, &to, true, body);
		return (true);
	}
	if (v->open[ns->index] >= ns->hook->questions)
		return (false);
	q = verdicts_new(v, ns, b, key);
	if (q != NULL && !q->key.oom && verdicts_fill(v, q, ns, &b->publish) &&
	    verdicts_send(q, ns->hook, t, now_ms))
		return (true);		/* and it may be over by now */
	counter_add(COUNTER_memory_failures, 1);
	if (q != NULL)
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
