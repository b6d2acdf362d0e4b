/*
 * What was answered last, by reference; see repeat.h.
 */
#include "worker/engineio/repeat.h"

#include <stdlib.h>

#include "base/buf.h"
#include "shm/counters.h"

#define REPEAT_CAP_KEPT	16u	/* references; a longer list is given back */

void
repeat_init(struct repeat *r, const struct hash_key *key,
    const struct engineio_t *opened)
{
	memset(r, 0, sizeof *r);
	r->key = *key;
	r->opened = *opened;
}

static void
repeat_drop(struct repeat *r)
{
	while (r->n > 0)
		msg_unref(&r->v[--r->n].m);
	if (r->cap > REPEAT_CAP_KEPT) {
		free(r->v);
		r->v = NULL;
		r->cap = 0;
	}
}

void
repeat_forget(struct repeat *r)
{
	repeat_drop(r);
	r->answered = false;
	memset(&r->get, 0, sizeof r->get);
}

void
repeat_fini(struct repeat *r)
{
	repeat_forget(r);
	free(r->v);
	r->v = NULL;
	r->cap = 0;
}

static bool
repeat_same(const struct engineio_t *a, const struct engineio_t *b)
{
	return (a->n != 0 && a->n == b->n && memcmp(a->s, b->s, a->n) == 0);
}

uint64_t
repeat_head(struct repeat *r, struct slice head, const struct engineio_t *t)
{
	uint64_t h;

	if (repeat_same(&r->opened, t))
		r->constant = true;
	if (r->constant || t->n == 0)
		return (0);
	h = hash_bytes(&r->key, head);
	return (h == 0 ? 1 : h);
}

void
repeat_body(struct repeat *r, struct slice body, bool all)
{
	r->post.done = all;
	r->post.lost = false;
	if (r->post.head == 0)
		return;
	r->post.n = body.n;
	r->post.body = hash_bytes(&r->key, body);
}

bool
repeat_is_body(const struct repeat *r, struct slice body)
{
	const struct repeat_of *p = &r->post;

	if (p->done ? body.n != p->n : body.n < p->n)
		return (false);
	return (hash_bytes(&r->key, slice_of(body.p, p->n)) == p->body);
}

void
repeat_keep(struct repeat *r, const struct out *o, const struct outq *q)
{
	struct out_ref *v;
	uint32_t i;

	repeat_drop(r);
	if (r->get.head == 0)
		return;
	r->answered = true;
	if (q->n > r->cap) {
		v = reallocarray(r->v, q->n, sizeof *v);
		if (v == NULL)
			goto out;
		r->v = v;
		r->cap = q->n;
	}
	for (i = 0; i < q->n; i++, r->n++)
		if (!outq_share(o, q, i, &r->v[r->n]))
			goto out;
	return;
out:
	counter_add(COUNTER_memory_failures, 1);
	repeat_drop(r);		/* answered, though nobody knows what */
}

bool
repeat_text(const struct repeat *r, struct buf *to)
{
	uint32_t i;

	for (i = 0; i < r->n; i++)
		buf_slice(to, slice_of(r->v[i].m->data + r->v[i].off,
		    r->v[i].end - r->v[i].off));
	return (r->n > 0 && !to->oom);
}
