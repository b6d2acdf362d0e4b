/*
 * The side of the queues that the owner of the socket calls: looks, takes,
 * moves, gives up, keeps a log of it (sentlog.h); and the end of a turn.  See
 * out.h.
 */
#include "hub/queue/out_int.h"

#include <sys/uio.h>

#include "hub/queue/pack.h"
#include "hub/queue/sentlog.h"

static struct slice
out_ref_slice(const struct out_ref *r)
{
	uint32_t end = r->end == OUT_OPEN ? r->m->len : r->end;

	return (slice_of(r->m->data + r->off, end - r->off));
}

bool
outq_peek(const struct outq *q, struct slice *s)
{
	if (q->n == 0)
		return (false);
	*s = out_ref_slice(&q->one);
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
	s = out_ref_slice(r);
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
	*s = out_ref_slice(ref_at(q, i));
	return (true);
}

struct msg *
outq_msg(const struct outq *q, uint32_t i)
{
	MUST(i < q->n);
	return (ref_at(q, i)->m);
}

unsigned
outq_iov(const struct outq *q, struct iovec *iov, unsigned max)
{
	struct slice s;
	uint32_t i;

	for (i = 0; i < q->n && i < max; i++) {
		s = out_ref_slice(ref_at(q, i));
		iov[i].iov_base = (void *)(uintptr_t)s.p;
		iov[i].iov_len = s.n;
	}
	return (i);
}

static void
out_pop_head(struct out *o, struct outq *q)
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
		out_ring_free(o, q);
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
		out_pop_head(o, q);
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
	if (unlikely(q->late) && !outq_touch(o, q))
		outq_late_flush(o, q);	/* it goes with what comes next */
}

uint64_t
outq_bytes(const struct outq *q)
{
	uint64_t n = q->bytes;

	if (q->open != NULL)
		n += out_ref_slice(ref_at(q, q->n - 1)).n;
	return (n);
}

uint64_t
outq_behind(const struct outq *q)
{
	return (q->n == 0 ? 0 : outq_bytes(q) - out_ref_slice(ref_at(q, 0)).n);
}

void
outq_log(struct outq *q, struct sentlog *l)
{
	sentlog_begin(l, outq_bytes(q));
	q->log = l;
}

uint64_t
outq_pos(const struct outq *q)
{
	return (sentlog_end(q->log, outq_bytes(q)));
}

void
outq_walk(const struct outq *q, enum wire w, struct pack *pack,
    void (*each)(void *, const struct sent_packet *), void *arg)
{
	struct slice run;
	uint64_t pos = 0;
	uint32_t i;

	for (i = 0; outq_run(q, i, &run); i++) {
		sentlog_run(run, pos, w, pack, each, arg);
		pos += run.n;
	}
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
	outq_late_forget(o, q);
	if (q->open != NULL)
		close_tail(q);
	while (q->n > 0)
		out_pop_head(o, q);
	if (q->more != NULL)
		out_ring_free(o, q);
	q->bytes = 0;
	outq_unblock(o, q);
	q->dead = true;
}

/*
 * What a slow receiver still waits for must not pin the scratch of a whole
 * turn: such references get bytes of their own.
 */
static void
out_keep(struct out *o, struct outq *q)
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
			continue;	/* no memory: pinned, still right */
		msg_unref(&r->m);
		*r = (struct out_ref){ m, 0, n };
	}
}

static void
out_forget_batches(struct out *o)
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
		if (unlikely(q->late) && !q->blocked)
			outq_late_flush(o, q);
		q->dirty = false;
		if (q->dead)
			continue;
		if (q->open != NULL)
			close_tail(q);
		flush(arg, q);
		if (q->n > 0 && o->scratch != NULL)
			out_keep(o, q);
	}
	o->ndirty = 0;
	out_forget_batches(o);
	if (o->pack != NULL)
		pack_turn(o->pack);
}
