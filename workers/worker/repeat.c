/*
 * What was answered last, by reference; see repeat.h.
 */
#include "worker/repeat.h"

#include <stdlib.h>

#include "base/buf.h"
#include "shm/counters.h"

#define REPEAT_CAP_KEPT	16u	/* references; a longer list is given back */

void
repeat_init(struct repeat *r, const struct engineio_t *opened)
{
	memset(r, 0, sizeof *r);
	r->opened = *opened;
}

void
repeat_forget(struct repeat *r)
{
	while (r->n > 0)
		msg_unref(&r->v[--r->n].m);
	if (r->cap > REPEAT_CAP_KEPT) {
		free(r->v);
		r->v = NULL;
		r->cap = 0;
	}
	r->answered = false;
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
same(const struct engineio_t *a, const struct engineio_t *b)
{
	return (a->n != 0 && a->n == b->n && memcmp(a->s, b->s, a->n) == 0);
}

bool
repeat_is(struct repeat *r, const struct engineio_t *last,
    const struct engineio_t *now)
{
	if (same(&r->opened, now))
		r->constant = true;
	return (!r->constant && same(last, now));
}

void
repeat_keep(struct repeat *r, const struct out *o, const struct outq *q)
{
	struct out_ref *v;
	uint32_t i;

	repeat_forget(r);
	if (r->constant || r->get.n == 0)
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
	repeat_forget(r);
	r->answered = true;	/* though nobody knows what */
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
