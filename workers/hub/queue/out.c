/*
 * The side of the queues that the hub calls: references and batches are put
 * there.  The picture and the reasons are in out.h.
 */
#include "hub/queue/out_int.h"

#include <stdlib.h>

#define RING_MIN	8u		/* entries of a pooled ring */
#define RING_MAX	16384u		/* a queue of more refs is refused */
#define RINGS_KEPT	1024u

void
out_init(struct out *o)
{
	memset(o, 0, sizeof *o);
	o->magic = OUT_MAGIC;
	out_late_init(o);
}

void
out_fini(struct out *o)
{
	struct batch *b;
	struct out_ring *r;

	CHECK_MAGIC(o, OUT_MAGIC);
	MUST(o->batches == NULL);
	while ((b = o->free_batches) != NULL) {
		o->free_batches = b->next;
		free(b->waiting);
		free(b);
	}
	while ((r = o->free_rings) != NULL) {
		o->free_rings = r->next;
		free(r);
	}
	out_late_fini(o);
	if (o->scratch != NULL)
		msg_unref(&o->scratch);
	free(o->dirty);
	memset(o, 0, sizeof *o);
}

/* --- the ring behind the first reference --------------------------------- */

static struct out_ring *
out_ring_new(struct out *o, uint32_t cap)
{
	struct out_ring *r = o->free_rings;

	if (cap == RING_MIN && r != NULL) {
		o->free_rings = r->next;
		o->nfree_rings--;
	} else {
		r = malloc(sizeof *r + cap * sizeof r->v[0]);
		if (r == NULL)
			return (NULL);
		r->cap = cap;
	}
	r->head = 0;
	return (r);
}

void
out_ring_free(struct out *o, struct outq *q)
{
	struct out_ring *r = q->more;

	q->more = NULL;
	if (r->cap == RING_MIN && o->nfree_rings < RINGS_KEPT) {
		r->next = o->free_rings;
		o->free_rings = r;
		o->nfree_rings++;
	} else
		free(r);
}

static bool
out_ring_grow(struct out *o, struct outq *q)
{
	uint32_t i, cap = q->more == NULL ? RING_MIN : q->more->cap * 2;
	struct out_ring *r;

	if (cap > RING_MAX)
		return (false);
	r = out_ring_new(o, cap);
	if (r == NULL)
		return (false);
	for (i = 1; i < q->n; i++)
		r->v[i - 1] = *ref_at(q, i);
	if (q->more != NULL)
		out_ring_free(o, q);
	q->more = r;
	return (true);
}

/* --- dirty list ----------------------------------------------------------- */

static bool
out_mark_dirty(struct out *o, struct outq *q)
{
	struct outq **v;
	size_t cap;

	if (q->dirty)
		return (true);
	if (o->ndirty == o->dirty_cap) {
		cap = o->dirty_cap == 0 ? 256 : o->dirty_cap * 2;
		v = reallocarray(o->dirty, cap, sizeof(struct outq *));
		if (v == NULL)
			return (false);
		o->dirty = v;
		o->dirty_cap = cap;
	}
	o->dirty[o->ndirty++] = q;
	q->dirty = true;
	return (true);
}

/* --- references ----------------------------------------------------------- */

/* Something else comes behind an open reference. */
static void
out_detach(struct outq *q)
{
	struct batch *b = q->open;

	if (b == NULL)
		return;
	close_tail(q);
	batch_wait(b, q);
}

/* Append without looking at what is open; bytes are the caller's business. */
static bool
out_append(struct out *o, struct outq *q, struct msg *m, uint32_t off,
    uint32_t end)
{
	if (!out_mark_dirty(o, q))
		return (false);
	if (q->n > (q->more == NULL ? 0 : q->more->cap) && !out_ring_grow(o, q))
		return (false);
	q->n++;
	*ref_at(q, q->n - 1) = (struct out_ref){ m, off, end };
	msg_ref(m, 1);
	return (true);
}

bool
out_push(struct out *o, struct outq *q, struct msg *m, uint32_t off,
    uint32_t end)
{
	struct out_ref *tail;

	if (q->dead)
		return (false);
	out_detach(q);
	if (q->n > 0) {
		tail = ref_at(q, q->n - 1);
		if (tail->m == m && tail->end == off && out_mark_dirty(o, q)) {
			tail->end = end;
			q->bytes += end - off;
			return (true);
		}
	}
	if (!out_append(o, q, m, off, end)) {
		q->lossy = true;
		return (false);
	}
	q->bytes += end - off;
	return (true);
}

bool
outq_touch(struct out *o, struct outq *q)
{
	return (out_mark_dirty(o, q));
}

void
outq_settle(struct outq *q)
{
	out_detach(q);
}

/* --- one receiver --------------------------------------------------------- */

uint8_t *
out_direct(struct out *o, struct outq *q, size_t n)
{
	struct msg *m = o->scratch;
	uint32_t off;

	if (q->dead || n > UINT32_MAX / 4)
		return (NULL);
	if (m == NULL || (m->len != 0 && m->len + n > m->cap)) {
		m = msg_new(n < SCRATCH_CAP ? SCRATCH_CAP : n);
		if (m == NULL)
			return (NULL);
		if (o->scratch != NULL)
			msg_unref(&o->scratch);
		o->scratch = m;
	}
	if (msg_room(m, n) == NULL)
		return (NULL);
	off = m->len;
	m->len += (uint32_t)n;
	if (!out_push(o, q, m, off, m->len)) {
		m->len = off;
		return (NULL);
	}
	return (m->data + off);
}

bool
out_bytes(struct out *o, struct outq *q, struct slice s)
{
	uint8_t *p;

	if (s.n == 0)
		return (true);
	p = out_direct(o, q, s.n);
	if (p == NULL)
		return (false);
	memcpy(p, s.p, s.n);
	return (true);
}

/* --- batches -------------------------------------------------------------- */

struct batch *
batch_open(struct out *o)
{
	struct batch *b = o->free_batches;

	if (b != NULL) {
		o->free_batches = b->next;
	} else {
		b = calloc(1, sizeof *b);
		if (b == NULL)
			return (NULL);
	}
	b->m = msg_new(0);
	if (b->m == NULL) {
		b->next = o->free_batches;
		o->free_batches = b;
		return (NULL);
	}
	b->nwaiting = 0;
	b->next = o->batches;
	o->batches = b;
	return (b);
}

bool
batch_attach(struct out *o, struct batch *b, struct outq *q)
{
	struct out_ref *tail;

	if (unlikely(q->dead))
		return (false);
	if (q->open == b)
		return (true);
	out_detach(q);
	if (q->n > 0) {
		tail = ref_at(q, q->n - 1);
		if (tail->m == b->m && tail->end == b->m->len &&
		    out_mark_dirty(o, q)) {
			q->bytes -= tail->end - tail->off;
			tail->end = OUT_OPEN;
			q->open = b;
			return (true);
		}
	}
	if (!out_append(o, q, b->m, b->m->len, OUT_OPEN)) {
		q->lossy = true;
		return (false);
	}
	q->open = b;
	return (true);
}

void
batch_wait(struct batch *b, struct outq *q)
{
	struct outq **v;
	uint32_t cap;

	if (b->nwaiting == b->cap) {
		cap = b->cap == 0 ? 16 : b->cap * 2;
		v = reallocarray(b->waiting, cap, sizeof(struct outq *));
		if (v == NULL) {
			q->lossy = true; /* misses the rest of this turn */
			return;
		}
		b->waiting = v;
		b->cap = cap;
	}
	b->waiting[b->nwaiting++] = q;
}

void
batch_except(struct batch *b, struct outq *q)
{
	if (q->open == b)
		out_detach(q);
}

uint8_t *
batch_append(struct out *o, struct batch *b, size_t n,
    const struct outq *except, bool *excepted)
{
	struct outq *q;
	uint32_t i, kept = 0;
	uint8_t *p;

	for (i = 0; i < b->nwaiting; i++) {
		q = b->waiting[i];
		if (q == except)
			b->waiting[kept++] = q;
		else
			(void)batch_attach(o, b, q);
	}
	*excepted = kept > 0;
	b->nwaiting = kept;
	p = msg_room(b->m, n);
	if (p == NULL)
		return (NULL);
	b->m->len += (uint32_t)n;
	return (p);
}

uint32_t
batch_size(const struct batch *b)
{
	return (b->m->len);
}
