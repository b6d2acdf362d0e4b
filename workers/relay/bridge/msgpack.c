/*
 * MessagePack, read: heads, whole values, a look into arrays and maps; see
 * msgpack.h.
 */
#include "relay/bridge/msgpack_int.h"

#include <math.h>

#include "base/number_js.h"
#include "base/utf8.h"

/* --- heads ----------------------------------------------------------------*/

/* Big-endian; n <= 8. */
static uint64_t
msgpack_word(const uint8_t *p, size_t n)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < n; i++)
		v = v << 8 | p[i];
	return (v);
}

static void
msgpack_signed(struct msgpack_value *v, int64_t i)
{
	v->type = i < 0 ? MSGPACK_INT : MSGPACK_UINT;
	if (i < 0)
		v->sint = i;
	else
		v->uint = (uint64_t)i;
}

static double
msgpack_float(uint64_t word, size_t n)
{
	uint32_t half = (uint32_t)word;
	float f;
	double d;

	if (n == 4) {
		memcpy(&f, &half, sizeof f);
		return ((double)f);
	}
	memcpy(&d, &word, sizeof d);
	return (d);
}

/* What a first byte from 0xc0 to 0xdf is followed by. */
static const struct msgpack_form {
	enum msgpack_type type;
	uint8_t		 word;		/* bytes of a number or a length */
	uint8_t		 fixed;		/* bytes of an extension */
	bool		 is_signed, bad;
} msgpack_forms[32] = {
	/* clang-format off */
	[0x00] = { MSGPACK_NIL,   0, 0, false, false },
	[0x01] = { MSGPACK_NIL,   0, 0, false, true },	/* never used */
	[0x02] = { MSGPACK_BOOL,  0, 0, false, false },
	[0x03] = { MSGPACK_BOOL,  0, 0, false, false },
	[0x04] = { MSGPACK_BIN,   1, 0, false, false },
	[0x05] = { MSGPACK_BIN,   2, 0, false, false },
	[0x06] = { MSGPACK_BIN,   4, 0, false, false },
	[0x07] = { MSGPACK_EXT,   1, 0, false, false },
	[0x08] = { MSGPACK_EXT,   2, 0, false, false },
	[0x09] = { MSGPACK_EXT,   4, 0, false, false },
	[0x0a] = { MSGPACK_FLOAT, 4, 0, false, false },
	[0x0b] = { MSGPACK_FLOAT, 8, 0, false, false },
	[0x0c] = { MSGPACK_UINT,  1, 0, false, false },
	[0x0d] = { MSGPACK_UINT,  2, 0, false, false },
	[0x0e] = { MSGPACK_UINT,  4, 0, false, false },
	[0x0f] = { MSGPACK_UINT,  8, 0, false, false },
	[0x10] = { MSGPACK_INT,   1, 0, true,  false },
	[0x11] = { MSGPACK_INT,   2, 0, true,  false },
	[0x12] = { MSGPACK_INT,   4, 0, true,  false },
	[0x13] = { MSGPACK_INT,   8, 0, true,  false },
	[0x14] = { MSGPACK_EXT,   0, 1, false, false },
	[0x15] = { MSGPACK_EXT,   0, 2, false, false },
	[0x16] = { MSGPACK_EXT,   0, 4, false, false },
	[0x17] = { MSGPACK_EXT,   0, 8, false, false },
	[0x18] = { MSGPACK_EXT,   0, 16, false, false },
	[0x19] = { MSGPACK_STR,   1, 0, false, false },
	[0x1a] = { MSGPACK_STR,   2, 0, false, false },
	[0x1b] = { MSGPACK_STR,   4, 0, false, false },
	[0x1c] = { MSGPACK_ARRAY, 2, 0, false, false },
	[0x1d] = { MSGPACK_ARRAY, 4, 0, false, false },
	[0x1e] = { MSGPACK_MAP,   2, 0, false, false },
	[0x1f] = { MSGPACK_MAP,   4, 0, false, false },
	/* clang-format on */
};

/* n bytes behind the head are what it holds; 0: they are not there. */
static size_t
msgpack_hold(struct slice in, size_t head, uint64_t n, struct msgpack_value *v)
{
	if (n > in.n - head)
		return (0);
	v->bytes = slice_of(in.p + head, (size_t)n);
	return (head + (size_t)n);
}

/* Of an array or a map: more elements than bytes there are not. */
static size_t
msgpack_open(struct slice in, size_t head, uint64_t n, struct msgpack_value *v)
{
	if (n > in.n - head)
		return (0);
	v->count = (uint32_t)n;
	v->bytes = slice_from(in, head);
	return (head);
}

static size_t
msgpack_head_fixed(struct slice in, struct msgpack_value *v)
{
	uint8_t c = in.p[0];

	if (c < 0x80 || c >= 0xe0) {
		msgpack_signed(v, (int8_t)c);
		return (1);
	}
	if (c >= 0xa0) {
		v->type = MSGPACK_STR;
		return (msgpack_hold(in, 1, c & 0x1f, v));
	}
	v->type = c < 0x90 ? MSGPACK_MAP : MSGPACK_ARRAY;
	return (msgpack_open(in, 1, c & 0x0f, v));
}

size_t
msgpack_head(struct slice in, struct msgpack_value *v)
{
	const struct msgpack_form *f;
	size_t head;
	uint64_t word;

	v->ext = 0;
	v->count = 0;
	v->bytes = slice_of(NULL, 0);
	v->uint = 0;
	if (in.n == 0)
		return (0);
	if (in.p[0] < 0xc0 || in.p[0] >= 0xe0)
		return (msgpack_head_fixed(in, v));
	f = &msgpack_forms[in.p[0] & 0x1f];
	head = 1u + f->word + (f->type == MSGPACK_EXT);
	if (f->bad || in.n < head)
		return (0);
	word = msgpack_word(in.p + 1, f->word);
	v->type = f->type;
	switch (f->type) {
	case MSGPACK_NIL:
		return (head);
	case MSGPACK_BOOL:
		v->yes = in.p[0] == 0xc3;
		return (head);
	case MSGPACK_UINT:
		v->uint = word;
		return (head);
	case MSGPACK_INT:
		word <<= 64 - 8 * f->word;	/* for its sign */
		msgpack_signed(v, (int64_t)word >> (64 - 8 * f->word));
		return (head);
	case MSGPACK_FLOAT:
		v->real = msgpack_float(word, f->word);
		return (head);
	case MSGPACK_EXT:
		v->ext = (int8_t)in.p[head - 1];
		return (msgpack_hold(in, head, word + f->fixed, v));
	case MSGPACK_STR:
	case MSGPACK_BIN:
		return (msgpack_hold(in, head, word, v));
	case MSGPACK_ARRAY:
	case MSGPACK_MAP:
		return (msgpack_open(in, head, word, v));
	}
	return (0);
}

/* --- whole values ---------------------------------------------------------*/

ssize_t
msgpack_value(struct slice in, struct msgpack_value *value)
{
	uint64_t left[MSGPACK_DEPTH_MAX + 1];
	struct msgpack_value inner, *v = value;
	size_t depth = 0, n, at = 0;

	left[0] = 1;
	for (;;) {
		while (left[depth] == 0) {
			if (depth-- == 0)
				goto done;
		}
		left[depth]--;
		n = msgpack_head(slice_from(in, at), v);
		if (n == 0)
			return (CODEC_BAD);
		at += n;
		if (msgpack_inside(v) > 0) {
			if (depth == MSGPACK_DEPTH_MAX)
				return (CODEC_BAD);
			left[++depth] = msgpack_inside(v);
		}
		v = &inner;
	}
done:
	value->raw = slice_of(in.p, at);
	if (value->type == MSGPACK_ARRAY || value->type == MSGPACK_MAP)
		value->bytes.n = (size_t)(in.p + at - value->bytes.p);
	return ((ssize_t)at);
}

bool
msgpack_enter(const struct msgpack_value *v, struct msgpack_iter *it)
{
	it->rest = v->bytes;
	it->left = v->count;
	it->map = v->type == MSGPACK_MAP;
	return (it->map || v->type == MSGPACK_ARRAY);
}

static void
msgpack_take(struct msgpack_iter *it, struct msgpack_value *v)
{
	ssize_t n = msgpack_value(it->rest, v);

	MUST(n > 0);	/* it was checked */
	it->rest = slice_from(it->rest, (size_t)n);
}

bool
msgpack_next(struct msgpack_iter *it, struct msgpack_value *key,
    struct msgpack_value *value)
{
	if (it->left == 0)
		return (false);
	it->left--;
	if (it->map)
		msgpack_take(it, key);
	msgpack_take(it, value);
	return (true);
}

bool
msgpack_get(const struct msgpack_value *map, struct slice name,
    struct msgpack_value *found)
{
	struct msgpack_value key, value;
	struct msgpack_iter it;
	bool is = false;

	if (map->type != MSGPACK_MAP || !msgpack_enter(map, &it))
		return (false);
	while (msgpack_next(&it, &key, &value))
		if (key.type == MSGPACK_STR && slice_eq(key.bytes, name)) {
			*found = value;
			is = true;
		}
	return (is);
}

bool
msgpack_name(const struct msgpack_value *v, char out[MSGPACK_NAME_MAX],
    struct slice *name)
{
	double number = 0;

	_Static_assert(MSGPACK_NAME_MAX >= NUMBER_JS_MAX, "digits fit");
	switch (v->type) {
	case MSGPACK_STR:
		*name = v->bytes;
		return (utf8_valid(v->bytes));
	case MSGPACK_UINT:
		number = (double)v->uint;
		break;
	case MSGPACK_INT:
		number = (double)v->sint;
		break;
	case MSGPACK_FLOAT:
		number = v->real;
		if (!isfinite(number))
			return (false);
		break;
	case MSGPACK_NIL:
	case MSGPACK_BOOL:
	case MSGPACK_BIN:
	case MSGPACK_EXT:
	case MSGPACK_ARRAY:
	case MSGPACK_MAP:
		return (false);
	}
	*name = slice_of(out, number_js(number, out));
	return (true);
}
