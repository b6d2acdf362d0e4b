/*
 * Queues of references and batches; the picture and the reasons are in out.h.
 * Called by the hub to queue and by the worker's conn.c to take.
 */
#include "hub/out.h"

#include <sys/uio.h>

#include <stdlib.h>

#include "base/msg.h"
#include "hub/sentlog.h"

#define SCRATCH_CAP	(64u << 10)	/* direct messages of one turn */
#define RING_MIN	8u		/* entries of a pooled ring */
#define RING_MAX	16384u		/* a queue of more refs is refused */
#define RINGS_KEPT	1024u

struct batch {
	struct batch	*next;		/* used this turn, or free */
	struct msg	*m;
	struct outq	**waiting;	/* attached by the next message */
	uint32_t	 nwaiting, cap;
};

struct out_ring {
	struct out_ring	*next;		/* while it is free */
	uint32_t	 cap;		/* power of two */
	uint32_t	 head;
	struct out_ref	 v[];
};

void
out_init(struct out *o)
{
	memset(o, 0, sizeof *o);
	o->magic = OUT_MAGIC;
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
	if (o->scratch != NULL)
		msg_unref(&o->scratch);
	free(o->dirty);
	memset(o, 0, sizeof *o);
}

/* --- the ring behind the first reference --------------------------------- */

/* i-th reference of the queue, 0 = head. */
static struct out_ref *
ref_at(const struct outq *q, uint32_t i)
{
	struct out_ring *r = q->more;

	if (i == 0)
		return ((struct out_ref *)(uintptr_t)&q->one);
	return (&r->v[(r->head + i - 1) & (r->cap - 1)]);
}

static struct out_ring *
ring_new(struct out *o, uint32_t cap)
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

static void
ring_free(struct out *o, struct outq *q)
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
ring_grow(struct out *o, struct outq *q)
{
	uint32_t i, cap = q->more == NULL ? RING_MIN : q->more->cap * 2;
	struct out_ring *r;

	if (cap > RING_MAX)
		return (false);
	r = ring_new(o, cap);
	if (r == NULL)
		return (false);
	for (i = 1; i < q->n; i++)
		r->v[i - 1] = *ref_at(q, i);
	if (q->more != NULL)
		ring_free(o, q);
	q->more = r;
	return (true);
}

/* --- dirty list ----------------------------------------------------------- */

static bool
mark_dirty(struct out *o, struct outq *q)
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

static void
drop_tail(struct outq *q)
{
	msg_unref(&ref_at(q, q->n - 1)->m);
	q->n--;
}

/* The tail stops growing with its batch. */
static void
close_tail(struct outq *q)
{
	struct out_ref *r = ref_at(q, q->n - 1);

	q->open = NULL;
	r->end = r->m->len;
	if (r->end == r->off)
		drop_tail(q);
	else
		q->bytes += r->end - r->off;
}

/* Something else comes behind an open reference. */
static void
detach(struct outq *q)
{
	struct batch *b = q->open;

	if (b == NULL)
		return;
	close_tail(q);
	batch_wait(b, q);
}

/* Append without looking at what is open; bytes are the caller's business. */
static bool
append_ref(struct out *o, struct outq *q, struct msg *m, uint32_t off,
    uint32_t end)
{
	if (!mark_dirty(o, q))
		return (false);
	if (q->n > (q->more == NULL ? 0 : q->more->cap) && !ring_grow(o, q))
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
	detach(q);
	if (q->n > 0) {
		tail = ref_at(q, q->n - 1);
		if (tail->m == m && tail->end == off && mark_dirty(o, q)) {
			tail->end = end;
			q->bytes += end - off;
			return (true);
		}
	}
	if (!append_ref(o, q, m, off, end)) {
		q->lossy = true;
		return (false);
	}
	q->bytes += end - off;
	return (true);
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
	detach(q);
	if (q->n > 0) {
		tail = ref_at(q, q->n - 1);
		if (tail->m == b->m && tail->end == b->m->len &&
		    mark_dirty(o, q)) {
			q->bytes -= tail->end - tail->off;
			tail->end = OUT_OPEN;
			q->open = b;
			return (true);
		}
	}
	if (!append_ref(o, q, b->m, b->m->len, OUT_OPEN)) {
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
		detach(q);
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

/* --- the owner of the socket ---------------------------------------------- */

static struct slice
ref_slice(const struct out_ref *r)
{
	uint32_t end = r->end == OUT_OPEN ? r->m->len : r->end;

	return (slice_of(r->m->data + r->off, end - r->off));
}

bool
outq_peek(const struct outq *q, struct slice *s)
{
	if (q->n == 0)
		return (false);
	*s = ref_slice(&q->one);
	return (true);
}

bool
outq_share(const struct out *o, const struct outq *q, uint32_t i,
    struct out_ref *r)
{
	struct slice s;

	if (i >= q->n)
		return (false);
	*r = *ref_at(q, i);
	s = ref_slice(r);
	if (r->m != o->scratch) {
		r->end = r->off + (uint32_t)s.n;
		msg_ref(r->m, 1);
		return (true);
	}
	*r = (struct out_ref){ msg_copy(s), 0, (uint32_t)s.n };
	return (r->m != NULL);
}

bool
outq_run(const struct outq *q, uint32_t i, struct slice *s)
{
	if (i >= q->n)
		return (false);
	*s = ref_slice(ref_at(q, i));
	return (true);
}

unsigned
outq_iov(const struct outq *q, struct iovec *iov, unsigned max)
{
	struct slice s;
	uint32_t i;

	for (i = 0; i < q->n && i < max; i++) {
		s = ref_slice(ref_at(q, i));
		iov[i].iov_base = (void *)(uintptr_t)s.p;
		iov[i].iov_len = s.n;
	}
	return (i);
}

static void
pop_head(struct out *o, struct outq *q)
{
	struct out_ring *r = q->more;

	if (q->log != NULL)
		sentlog_take(q->log, o->scratch, &q->one);
	else
		msg_unref(&q->one.m);
	if (--q->n > 0) {
		q->one = r->v[r->head];
		r->head = (r->head + 1) & (r->cap - 1);
	}
	if (q->n <= 1 && r != NULL)
		ring_free(o, q);
}

void
outq_sent(struct out *o, struct outq *q, size_t n)
{
	size_t left;

	if (q->open != NULL)
		close_tail(q);
	MUST(n <= q->bytes);
	q->bytes -= (uint32_t)n;
	while (n > 0) {
		left = q->one.end - q->one.off;
		if (n < left) {
			q->one.off += (uint32_t)n;
			if (q->log != NULL)
				sentlog_partly(q->log, (uint32_t)n);
			return;
		}
		n -= left;
		pop_head(o, q);
	}
}

bool
outq_move(struct out *o, struct outq *from, struct outq *to, size_t n)
{
	const struct out_ref *r = &from->one;
	size_t len;

	if (from->open != NULL)
		close_tail(from);
	MUST(n <= from->bytes);
	while (n > 0) {
		len = r->end - r->off;
		if (len > n)
			len = n;
		if (!out_push(o, to, r->m, r->off, r->off + (uint32_t)len))
			return (false);
		outq_sent(o, from, len);
		n -= len;
	}
	return (true);
}

bool
outq_touch(struct out *o, struct outq *q)
{
	return (mark_dirty(o, q));
}

void
outq_block(struct out *o, struct outq *q)
{
	if (!q->blocked) {
		q->blocked = true;
		o->nblocked++;
	}
}

void
outq_unblock(struct out *o, struct outq *q)
{
	if (q->blocked) {
		q->blocked = false;
		MUST(o->nblocked > 0);
		o->nblocked--;
	}
}

uint64_t
outq_bytes(const struct outq *q)
{
	uint64_t n = q->bytes;

	if (q->open != NULL)
		n += ref_slice(ref_at(q, q->n - 1)).n;
	return (n);
}

void
outq_settle(struct outq *q)
{
	detach(q);
}

void
outq_log_rest(struct out *o, struct outq *q)
{
	struct out_ref r;
	uint32_t i;

	if (q->open != NULL)
		close_tail(q);
	for (i = 0; i < q->n; i++) {
		r = *ref_at(q, i);
		msg_ref(r.m, 1);
		sentlog_take(q->log, o->scratch, &r);
	}
	q->log = NULL;
}

void
outq_kill(struct out *o, struct outq *q)
{
	q->log = NULL;		/* what it has is its owner's */
	if (q->open != NULL)
		close_tail(q);
	while (q->n > 0)
		pop_head(o, q);
	if (q->more != NULL)
		ring_free(o, q);
	q->bytes = 0;
	outq_unblock(o, q);
	q->dead = true;
}

/*
 * What a slow receiver still waits for must not pin the scratch of a whole
 * turn: such references get bytes of their own.
 */
static void
keep(struct out *o, struct outq *q)
{
	struct out_ref *r;
	struct msg *m;
	uint32_t i, n;

	for (i = 0; i < q->n; i++) {
		r = ref_at(q, i);
		if (r->m != o->scratch)
			continue;
		n = r->end - r->off;
		m = msg_copy(slice_of(r->m->data + r->off, n));
		if (m == NULL)
			continue;	/* short of memory: pinned, still right */
		msg_unref(&r->m);
		*r = (struct out_ref){ m, 0, n };
	}
}

static void
forget_batches(struct out *o)
{
	struct batch *b;

	while ((b = o->batches) != NULL) {
		o->batches = b->next;
		if (b->m->refs > 1)
			msg_shrink(b->m);
		msg_unref(&b->m);
		b->nwaiting = 0;
		b->next = o->free_batches;
		o->free_batches = b;
	}
	if (o->scratch == NULL)
		return;
	if (o->scratch->refs == 1 && o->scratch->cap <= SCRATCH_CAP)
		o->scratch->len = 0;
	else
		msg_unref(&o->scratch);
}

void
out_turn_end(struct out *o, void (*flush)(void *, struct outq *), void *arg)
{
	struct outq *q;
	size_t i;

	CHECK_MAGIC(o, OUT_MAGIC);
	for (i = 0; i < o->ndirty; i++) {
		q = o->dirty[i];
		q->dirty = false;
		if (q->dead)
			continue;
		if (q->open != NULL)
			close_tail(q);
		flush(arg, q);
		if (q->n > 0 && o->scratch != NULL)
			keep(o, q);
	}
	o->ndirty = 0;
	forget_batches(o);
}
