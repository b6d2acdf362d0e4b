/*
 * The log of what a client may have missed; see sentlog.h.  Called by
 * out_take.c as bytes leave, by engine.c for pings, by recover.c to read it.
 */
#include "hub/queue/sentlog.h"

#include <stdlib.h>

#include "hub/queue/out.h"
#include "hub/queue/pack.h"
#include "proto/eio.h"
#include "proto/ws.h"

struct sentlog *
sentlog_new(uint32_t max_refs, uint64_t max_bytes)
{
	struct sentlog *l = calloc(1, sizeof *l);

	if (l == NULL)
		return (NULL);
	l->magic = SENTLOG_MAGIC;
	l->refs = 1;
	l->max_refs = max_refs;
	l->max_bytes = max_bytes;
	return (l);
}

static void
sentlog_drop_first(struct sentlog *l)
{
	struct out_ref *r = &l->v[l->head];

	l->first += r->end - r->off;
	msg_unref(&r->m);
	l->head = (l->head + 1) & (l->cap - 1);
	l->n--;
}

struct sentlog *
sentlog_ref(struct sentlog *l)
{
	CHECK_MAGIC(l, SENTLOG_MAGIC);
	l->refs++;
	return (l);
}

void
sentlog_clear(struct sentlog *l)
{
	while (l->n > 0)
		sentlog_drop_first(l);
	l->first = l->proven = l->mark = l->pos;
}

void
sentlog_unref(struct sentlog **lp)
{
	struct sentlog *l = *lp;

	if (l == NULL)
		return;
	CHECK_MAGIC(l, SENTLOG_MAGIC);
	*lp = NULL;
	if (--l->refs > 0)
		return;
	sentlog_clear(l);
	free(l->v);
	l->magic = 0;
	free(l);
}

static bool
sentlog_grow(struct sentlog *l)
{
	uint32_t i, cap = l->cap == 0 ? 16 : l->cap * 2;
	struct out_ref *v = reallocarray(NULL, cap, sizeof *v);

	if (v == NULL)
		return (false);
	for (i = 0; i < l->n; i++)
		v[i] = l->v[(l->head + i) & (l->cap - 1)];
	free(l->v);
	l->v = v;
	l->cap = cap;
	l->head = 0;
	return (true);
}

bool
sentlog_append(struct sentlog *l, const struct out_ref *r)
{
	if (l->n == l->cap && !sentlog_grow(l))
		return (false);
	l->v[(l->head + l->n++) & (l->cap - 1)] = *r;
	return (true);
}

/* The scratch is used again next turn: what stays needs bytes of its own. */
static bool
sentlog_own(const struct msg *scratch, struct out_ref *r)
{
	struct msg *m;
	uint32_t n = r->end - r->off;

	if (r->m != scratch)
		return (true);
	m = msg_copy(slice_of(r->m->data + r->off, n));
	if (m == NULL)
		return (false);
	msg_unref(&r->m);
	*r = (struct out_ref){ m, 0, n };
	return (true);
}

void
sentlog_take(struct sentlog *l, const struct msg *scratch, struct out_ref *r)
{
	uint32_t n;

	CHECK_MAGIC(l, SENTLOG_MAGIC);
	r->off -= l->partial;	/* whole frames */
	l->partial = 0;
	if (l->ignore > 0) {
		n = r->end - r->off;
		if (n <= l->ignore) {
			l->ignore -= n;
			msg_unref(&r->m);
			return;
		}
		r->off += (uint32_t)l->ignore;
		l->ignore = 0;
	}
	l->pos += r->end - r->off;
	if (r->m != scratch)
		msg_shrink(r->m);	/* it may be kept for long */
	if ((l->n == l->cap && !sentlog_grow(l)) || !sentlog_own(scratch, r)) {
		/* short of memory: the log begins behind this one */
		while (l->n > 0)
			sentlog_drop_first(l);
		l->first = l->pos;
		msg_unref(&r->m);
		return;
	}
	l->v[(l->head + l->n++) & (l->cap - 1)] = *r;
	while (l->n > l->max_refs || (l->n > 1 &&
	    l->pos - l->first > l->max_bytes))
		sentlog_drop_first(l);
}

void
sentlog_partly(struct sentlog *l, uint32_t n)
{
	l->partial += n;
}

void
sentlog_begin(struct sentlog *l, uint64_t queued)
{
	l->ignore = queued;
}

uint64_t
sentlog_end(const struct sentlog *l, uint64_t queued)
{
	return (l->pos + l->partial + queued - l->ignore);
}

void
sentlog_ping(struct sentlog *l, uint64_t queued)
{
	l->mark = sentlog_end(l, queued);
}

void
sentlog_pong(struct sentlog *l)
{
	struct out_ref *r;

	l->proven = l->mark;
	while (l->n > 0) {
		r = &l->v[l->head];
		if (l->first + (r->end - r->off) > l->proven)
			break;
		sentlog_drop_first(l);
	}
}

uint64_t
sentlog_size(const struct sentlog *l)
{
	return (sizeof *l + l->cap * sizeof *l->v);
}

void
sentlog_each(const struct sentlog *l, void (*each)(void *, struct msg *),
    void *arg)
{
	uint32_t i;

	for (i = 0; i < l->n; i++)
		each(arg, l->v[(l->head + i) & (l->cap - 1)].m);
}

bool
sentlog_complete(const struct sentlog *l)
{
	return (l->first <= l->proven);
}

/* --- reading -------------------------------------------------------------- */

/* One WebSocket frame of ours at the start of in: its size. */
static size_t
sentlog_frame(struct slice in, struct sent_packet *p)
{
	size_t head = 2, n = in.p[1], i;

	if (n >= 126) {
		head = n == 126 ? 4 : 10;
		for (n = 0, i = 2; i < head; i++)
			n = n << 8 | in.p[i];
	}
	p->data = slice_of(in.p + head, n);
	p->binary = (in.p[0] & 15) == WS_OP_BINARY;
	if ((in.p[0] & 15) > WS_OP_BINARY)
		p->data.n = 0;	/* control: nothing to tell again */
	return (head + n);
}

static size_t
sentlog_polled(struct slice in, struct sent_packet *p)
{
	const uint8_t *end = memchr(in.p, EIO_SEPARATOR, in.n);

	MUST(end != NULL);
	p->binary = false;
	p->data = slice_of(in.p, (size_t)(end - in.p));
	return (p->data.n + 1);
}

void
sentlog_run(struct slice run, uint64_t pos, enum wire w, struct pack *pack,
    sent_each *each, void *arg)
{
	struct sent_packet p;
	size_t n;

	while (run.n > 0) {
		p.base64 = p.lost = false;
		p.pos = pos;
		n = w == WIRE_POLL ? sentlog_polled(run, &p) :
		    sentlog_frame(run, &p);
		MUST(n <= run.n);
		if (wire_is_framed(w) && pack_is_packed(run))
			p.lost = !pack_open(pack, p.data, &p.data);
		run = slice_from(run, n);
		pos += n;
		if (p.data.n == 0 && !p.binary && !p.lost)
			continue;
		if (!p.binary && p.data.n > 0 && p.data.p[0] == EIO_BINARY) {
			p.binary = p.base64 = true;
			p.data = slice_from(p.data, 1);
		}
		each(arg, &p);
	}
}

void
sentlog_walk(const struct sentlog *l, enum wire w, struct pack *pack,
    sent_each *each, void *arg)
{
	const struct out_ref *r;
	uint64_t pos;
	uint32_t i;

	CHECK_MAGIC(l, SENTLOG_MAGIC);
	pos = l->first;
	for (i = 0; i < l->n; i++) {
		r = &l->v[(l->head + i) & (l->cap - 1)];
		sentlog_run(slice_of(r->m->data + r->off, r->end - r->off),
		    pos, w, pack, each, arg);
		pos += r->end - r->off;
	}
}
