/*
 * Live state as bytes; see state.h.  Called by whoever saves or loads a part
 * of it.
 */
#include "base/state.h"

/* --- writing --------------------------------------------------------------- */

static void
state_put(struct buf *b, uint64_t v, unsigned n)
{
	uint8_t bytes[8];
	unsigned i;

	for (i = 0; i < n; i++)
		bytes[i] = (uint8_t)(v >> (8 * i));
	buf_append(b, bytes, n);
}

void
state_put_u8(struct buf *b, uint8_t v)
{
	state_put(b, v, 1);
}

void
state_put_u16(struct buf *b, uint16_t v)
{
	state_put(b, v, 2);
}

void
state_put_u32(struct buf *b, uint32_t v)
{
	state_put(b, v, 4);
}

void
state_put_u64(struct buf *b, uint64_t v)
{
	state_put(b, v, 8);
}

void
state_put_bool(struct buf *b, bool v)
{
	state_put(b, v, 1);
}

void
state_put_slice(struct buf *b, struct slice s)
{
	MUST(s.n <= UINT32_MAX);
	state_put(b, s.n, 4);
	buf_slice(b, s);
}

void
state_put_bytes(struct buf *b, const void *p, size_t n)
{
	buf_append(b, p, n);
}

size_t
state_open(struct buf *b, uint16_t tag, uint16_t version)
{
	state_put(b, tag, 2);
	state_put(b, version, 2);
	state_put(b, 0, 4);
	return (b->wpos);
}

void
state_close(struct buf *b, size_t at)
{
	size_t n;
	unsigned i;

	if (b->oom)
		return;
	MUST(at <= b->wpos && b->wpos - at <= UINT32_MAX);
	n = b->wpos - at;
	for (i = 0; i < 4; i++)
		b->data[at - 4 + i] = (uint8_t)(n >> (8 * i));
}

/* --- reading --------------------------------------------------------------- */

struct state_in
state_in(struct slice s)
{
	return ((struct state_in){ .p = s.p, .end = slice_end(s) });
}

static uint64_t
state_get(struct state_in *in, unsigned n)
{
	uint64_t v = 0;
	unsigned i;

	if (in->bad || (size_t)(in->end - in->p) < n) {
		in->bad = true;
		return (0);
	}
	for (i = 0; i < n; i++)
		v |= (uint64_t)in->p[i] << (8 * i);
	in->p += n;
	return (v);
}

uint8_t
state_get_u8(struct state_in *in)
{
	return ((uint8_t)state_get(in, 1));
}

uint16_t
state_get_u16(struct state_in *in)
{
	return ((uint16_t)state_get(in, 2));
}

uint32_t
state_get_u32(struct state_in *in)
{
	return ((uint32_t)state_get(in, 4));
}

uint64_t
state_get_u64(struct state_in *in)
{
	return (state_get(in, 8));
}

uint32_t
state_get_below(struct state_in *in, uint32_t n)
{
	uint32_t v = state_get_u32(in);

	if (v < n)
		return (v);
	in->bad = true;
	return (0);
}

bool
state_get_bool(struct state_in *in)
{
	uint8_t v = state_get_u8(in);

	if (v > 1)
		in->bad = true;
	return (v == 1);
}

/* The next n bytes. */
static struct slice
state_take(struct state_in *in, size_t n)
{
	struct slice s = { in->p, n };

	if (in->bad || (size_t)(in->end - in->p) < n) {
		in->bad = true;
		return (slice_of(NULL, 0));
	}
	if (n != 0)
		in->p += n;
	return (s);
}

struct slice
state_get_slice(struct state_in *in)
{
	uint32_t n = state_get_u32(in);

	return (state_take(in, n));
}

void
state_get_bytes(struct state_in *in, void *to, size_t n)
{
	struct slice s = state_take(in, n);

	if (s.n != 0)
		memcpy(to, s.p, n);
	else
		memset(to, 0, n);
}

bool
state_section(struct state_in *in, uint16_t tag, uint16_t *version,
    struct state_in *body)
{
	uint16_t got = state_get_u16(in);

	*version = state_get_u16(in);
	*body = state_in(state_get_slice(in));
	if (got != tag)
		in->bad = true;
	if (in->bad)
		body->bad = true;
	return (!in->bad);
}

bool
state_end(const struct state_in *in)
{
	return (!in->bad && in->p == in->end);
}

size_t
state_behind(struct slice s, uint16_t tag)
{
	struct state_in in = state_in(s), look = in, body;
	uint16_t version;

	if (s.n < 2 || state_get_u16(&look) != tag ||
	    !state_section(&in, tag, &version, &body))
		return (0);
	return (s.n - (size_t)(in.end - in.p));
}
