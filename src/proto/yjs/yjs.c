/*
 * Messages of y-websocket; see yjs.h.  Called by who speaks to its providers.
 */
#include "proto/yjs/yjs.h"

#include <stdlib.h>

/* --- numbers ---------------------------------------------------------------- */

bool
yjs_number(struct slice *in, uint64_t *v)
{
	unsigned shift = 0;
	size_t i;

	*v = 0;
	for (i = 0; i < in->n && i < YJS_NUMBER_BYTES; i++, shift += 7) {
		*v |= (uint64_t)(in->p[i] & 0x7f) << shift;
		if (in->p[i] & 0x80)
			continue;
		*in = slice_from(*in, i + 1);
		return (*v <= YJS_NUMBER_MAX);
	}
	return (false);
}

bool
yjs_bytes(struct slice *in, struct slice *out)
{
	uint64_t n;

	if (!yjs_number(in, &n) || n > in->n)
		return (false);
	*out = slice_of(in->p, (size_t)n);
	*in = slice_from(*in, (size_t)n);
	return (true);
}

void
yjs_number_put(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_byte(b, (uint8_t)(v | 0x80));
	buf_byte(b, (uint8_t)v);
}

void
yjs_bytes_put(struct buf *b, struct slice s)
{
	yjs_number_put(b, s.n);
	buf_slice(b, s);
}

/* --- messages ---------------------------------------------------------------- */

enum { TYPE_SYNC, TYPE_AWARENESS, TYPE_AUTH, TYPE_QUERY };

static ssize_t
yjs_decode_sync(struct slice in, size_t n, struct yjs_message *m)
{
	uint64_t step;

	if (!yjs_number(&in, &step))
		return (CODEC_BAD);
	if (step > 2)
		return ((ssize_t)n);	/* unknown */
	if (!yjs_bytes(&in, &m->body))
		return (CODEC_BAD);
	m->kind = (enum yjs_kind)(YJS_STEP1 + step);
	return ((ssize_t)n);
}

static ssize_t
yjs_decode_auth(struct slice in, size_t n, struct yjs_message *m)
{
	uint64_t what;

	if (!yjs_number(&in, &what))
		return (CODEC_BAD);
	if (what != 0)
		return ((ssize_t)n);
	if (!yjs_bytes(&in, &m->body))
		return (CODEC_BAD);
	m->kind = YJS_AUTH;
	return ((ssize_t)n);
}

ssize_t
yjs_decode(struct slice in, struct yjs_message *m)
{
	const size_t n = in.n;
	uint64_t type;

	*m = (struct yjs_message){ .kind = YJS_UNKNOWN };
	if (!yjs_number(&in, &type))
		return (CODEC_BAD);
	switch (type) {
	case TYPE_SYNC:
		return (yjs_decode_sync(in, n, m));
	case TYPE_AWARENESS:
		if (!yjs_bytes(&in, &m->body))
			return (CODEC_BAD);
		m->kind = YJS_AWARENESS;
		break;
	case TYPE_AUTH:
		return (yjs_decode_auth(in, n, m));
	case TYPE_QUERY:
		m->kind = YJS_QUERY;
		break;
	}
	return ((ssize_t)n);
}

bool
yjs_is_empty(struct slice update)
{
	return (slice_eq(update, slice_of("\0\0", 2)));
}

void
yjs_put(struct buf *b, enum yjs_kind kind, struct slice body)
{
	switch (kind) {
	case YJS_STEP1:
	case YJS_STEP2:
	case YJS_UPDATE:
		buf_byte(b, TYPE_SYNC);
		buf_byte(b, (uint8_t)(kind - YJS_STEP1));
		break;
	case YJS_AWARENESS:
		buf_byte(b, TYPE_AWARENESS);
		break;
	case YJS_AUTH:
		buf_byte(b, TYPE_AUTH);
		buf_byte(b, 0);
		break;
	case YJS_QUERY:
		buf_byte(b, TYPE_QUERY);
		return;
	case YJS_UNKNOWN:
		MUST(kind != YJS_UNKNOWN);
	}
	yjs_bytes_put(b, body);
}

/* --- state vectors ------------------------------------------------------------ */

struct pair {
	uint64_t	 client, clock;
};

static bool
yjs_vector_pair(struct slice *in, struct pair *p)
{
	return (yjs_number(in, &p->client) && yjs_number(in, &p->clock));
}

/* Every pair has two bytes, so a count that is larger is none. */
static bool
yjs_vector_count(struct slice *in, uint64_t *count)
{
	return (yjs_number(in, count) && *count <= in->n / 2);
}

bool
yjs_vector_is_good(struct slice in)
{
	uint64_t count;
	struct pair p;

	if (!yjs_vector_count(&in, &count))
		return (false);
	while (count-- > 0)
		if (!yjs_vector_pair(&in, &p))
			return (false);
	return (in.n == 0);
}

static size_t
yjs_vector_pairs(struct slice in, struct pair *v)
{
	uint64_t count, i;

	if (in.n == 0)
		return (0);
	MUST(yjs_vector_count(&in, &count));
	for (i = 0; i < count; i++)
		MUST(yjs_vector_pair(&in, &v[i]));
	return ((size_t)count);
}

static int
yjs_vector_order(const void *va, const void *vb)
{
	const struct pair *a = va, *b = vb;

	if (a->client != b->client)
		return (a->client < b->client ? -1 : 1);
	return (a->clock == b->clock ? 0 : a->clock > b->clock ? -1 : 1);
}

/* Of each client the first, which is the largest. */
static size_t
yjs_vector_unique(struct pair *v, size_t n)
{
	size_t i, kept = 0;

	for (i = 0; i < n; i++)
		if (kept == 0 || v[kept - 1].client != v[i].client)
			v[kept++] = v[i];
	return (kept);
}

bool
yjs_vector_merge(struct buf *out, struct slice a, struct slice b, size_t max)
{
	const size_t before = out->wpos;
	struct pair *v = calloc((a.n + b.n) / 2 + 1, sizeof *v);
	size_t n, i;

	if (v == NULL)
		return (false);
	n = yjs_vector_pairs(a, v);
	n += yjs_vector_pairs(b, v + n);
	qsort(v, n, sizeof *v, yjs_vector_order);
	n = yjs_vector_unique(v, n);
	yjs_number_put(out, n);
	for (i = 0; i < n; i++) {
		yjs_number_put(out, v[i].client);
		yjs_number_put(out, v[i].clock);
	}
	free(v);
	if (!out->oom && out->wpos - before <= max)
		return (true);
	out->wpos = before;
	out->oom = false;
	return (false);
}

/* --- awareness ---------------------------------------------------------------- */

/* Client, clock and the length of the text: three bytes at least. */
bool
yjs_states(struct slice *in, uint64_t *count)
{
	return (yjs_number(in, count) && *count <= in->n / 3);
}

bool
yjs_state_next(struct slice *in, struct yjs_state *s)
{
	return (yjs_number(in, &s->client) && yjs_number(in, &s->clock) &&
	    yjs_bytes(in, &s->json));
}

void
yjs_state_put(struct buf *b, const struct yjs_state *s)
{
	yjs_number_put(b, s->client);
	yjs_number_put(b, s->clock);
	yjs_bytes_put(b, s->json);
}

bool
yjs_state_is_gone(const struct yjs_state *s)
{
	return (slice_eq(s->json, SLICE("null")));
}

/* --- beside an update in the log ----------------------------------------------- */

bool
yjs_note_read(struct slice in, struct yjs_note *note)
{
	return (yjs_bytes(&in, &note->epoch) &&
	    yjs_number(&in, &note->covers) &&
	    yjs_bytes(&in, &note->vector) && in.n == 0 &&
	    yjs_vector_is_good(note->vector));
}

void
yjs_note_put(struct buf *b, const struct yjs_note *note)
{
	yjs_bytes_put(b, note->epoch);
	yjs_number_put(b, note->covers);
	yjs_bytes_put(b, note->vector);
}
