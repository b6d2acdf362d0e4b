/*
 * MessagePack, written: each value in its smallest form, and JSON text as
 * such values; see msgpack.h.
 */
#include "relay/bridge/msgpack.h"


#include "proto/json.h"

/* --- values ---------------------------------------------------------------*/

static void
put_word(struct buf *b, uint8_t first, uint64_t v, unsigned n)
{
	uint8_t bytes[9] = { first };
	unsigned i;

	for (i = n; i > 0; i--, v >>= 8)
		bytes[i] = (uint8_t)v;
	buf_append(b, bytes, n + 1);
}

void
msgpack_put_nil(struct buf *b)
{
	buf_byte(b, 0xc0);
}

void
msgpack_put_bool(struct buf *b, bool yes)
{
	buf_byte(b, yes ? 0xc3 : 0xc2);
}

void
msgpack_put_uint(struct buf *b, uint64_t v)
{
	if (v < 0x80)
		buf_byte(b, (uint8_t)v);
	else if (v <= UINT8_MAX)
		put_word(b, 0xcc, v, 1);
	else if (v <= UINT16_MAX)
		put_word(b, 0xcd, v, 2);
	else if (v <= UINT32_MAX)
		put_word(b, 0xce, v, 4);
	else
		put_word(b, 0xcf, v, 8);
}

static void
put_negative(struct buf *b, int64_t v)
{
	if (v >= -0x20)
		buf_byte(b, (uint8_t)v);
	else if (v >= INT8_MIN)
		put_word(b, 0xd0, (uint64_t)v, 1);
	else if (v >= INT16_MIN)
		put_word(b, 0xd1, (uint64_t)v, 2);
	else if (v >= INT32_MIN)
		put_word(b, 0xd2, (uint64_t)v, 4);
	else
		put_word(b, 0xd3, (uint64_t)v, 8);
}

void
msgpack_put_number(struct buf *b, double v)
{
	uint64_t word;

	if (v >= 0 && v < 0x1p64 && !((double)(uint64_t)v < v)) {
		msgpack_put_uint(b, (uint64_t)v);
		return;
	}
	if (v < 0 && v >= -0x1p63 && !((double)(int64_t)v > v)) {
		put_negative(b, (int64_t)v);
		return;
	}
	memcpy(&word, &v, sizeof word);
	put_word(b, 0xcb, word, 8);
}

static void
put_str_head(struct buf *b, size_t n)
{
	MUST(n <= UINT32_MAX);
	if (n < 0x20)
		buf_byte(b, (uint8_t)(0xa0 | n));
	else if (n <= UINT8_MAX)
		put_word(b, 0xd9, n, 1);
	else if (n <= UINT16_MAX)
		put_word(b, 0xda, n, 2);
	else
		put_word(b, 0xdb, n, 4);
}

void
msgpack_put_str(struct buf *b, struct slice s)
{
	put_str_head(b, s.n);
	buf_slice(b, s);
}

void
msgpack_put_bin(struct buf *b, struct slice s)
{
	MUST(s.n <= UINT32_MAX);
	if (s.n <= UINT8_MAX)
		put_word(b, 0xc4, s.n, 1);
	else if (s.n <= UINT16_MAX)
		put_word(b, 0xc5, s.n, 2);
	else
		put_word(b, 0xc6, s.n, 4);
	buf_slice(b, s);
}

static void
put_count(struct buf *b, uint8_t fixed, uint8_t wide, size_t n)
{
	MUST(n <= UINT32_MAX);
	if (n < 16)
		buf_byte(b, (uint8_t)(fixed | n));
	else if (n <= UINT16_MAX)
		put_word(b, wide, n, 2);
	else
		put_word(b, wide + 1, n, 4);
}

void
msgpack_put_array(struct buf *b, size_t n)
{
	put_count(b, 0x90, 0xdc, n);
}

void
msgpack_put_map(struct buf *b, size_t n)
{
	put_count(b, 0x80, 0xde, n);
}

/* --- JSON: its tokens -----------------------------------------------------*/

enum put_token { PUT_END, PUT_OPEN, PUT_CLOSE, PUT_SCALAR };

/* Takes the next off *in; commas and colons say nothing. */
static enum put_token
put_token(struct slice *in, struct slice *scalar)
{
	ssize_t n;
	uint8_t c;

	while (in->n > 0) {
		c = in->p[0];
		switch (c) {
		case ' ': case '\t': case '\r': case '\n': case ',': case ':':
			*in = slice_from(*in, 1);
			continue;
		case '{': case '[': case '}': case ']':
			*scalar = slice_of(in->p, 1);
			*in = slice_from(*in, 1);
			return (c == '{' || c == '[' ? PUT_OPEN : PUT_CLOSE);
		}
		n = json_value(*in, scalar);
		MUST(n > 0);	/* it was checked */
		*in = slice_from(*in, (size_t)n);
		return (PUT_SCALAR);
	}
	return (PUT_END);
}

/* --- JSON: how many, and which are placeholders --------------------------- */

struct put_mark {		/* of an array or object, in their order */
	uint32_t	 count;		/* elements; members */
	bool		 object;
	bool		 placeholder;	/* "_placeholder":true */
	int16_t		 num;		/* "num"; -1: no attachment's */
};

struct put_survey {
	struct buf	*marks;		/* struct put_mark */
	struct put_mark	 levels[JSON_DEPTH_MAX + 1];
	size_t		 at[JSON_DEPTH_MAX + 1];	/* their places */
	size_t		 depth;
	struct slice	 key;		/* of the value that comes next */
	bool		 has_key;
	size_t		 nattach;
};

/* A member of the innermost object: the last of a name counts. */
static void
put_survey_member(struct put_survey *s, struct slice value)
{
	struct put_mark *m = &s->levels[s->depth];
	int64_t num;

	if (s->nattach == 0)
		return;
	if (json_string_eq(s->key, SLICE("_placeholder")))
		m->placeholder = json_type(value) == JSON_TRUE;
	else if (json_string_eq(s->key, SLICE("num")))
		m->num = json_int(value, &num) && num >= 0 &&
		    (uint64_t)num < s->nattach ? (int16_t)num : -1;
}

/* A value starts, or a key stands there. */
static void
put_survey_value(struct put_survey *s, struct slice value, bool scalar)
{
	struct put_mark *m = &s->levels[s->depth];

	if (!m->object) {
		m->count++;
		return;
	}
	if (!s->has_key) {
		s->key = value;
		s->has_key = true;
		return;
	}
	m->count++;
	s->has_key = false;
	put_survey_member(s, scalar ? value : SLICE("[]"));
}

static void
put_survey_open(struct put_survey *s, bool object)
{
	struct put_mark *m;

	s->depth++;
	MUST(s->depth < nitems(s->levels));
	m = &s->levels[s->depth];
	*m = (struct put_mark){ .object = object, .num = -1 };
	s->at[s->depth] = s->marks->wpos;
	buf_append(s->marks, m, sizeof *m);	/* its place */
}

static void
put_survey_close(struct put_survey *s)
{
	if (!s->marks->oom)
		memcpy(s->marks->data + s->at[s->depth], &s->levels[s->depth],
		    sizeof s->levels[0]);
	s->depth--;
}

/* Marks of all arrays and objects; returns the elements outside of them. */
static size_t
put_survey(struct slice in, size_t nattach, struct buf *marks)
{
	struct put_survey s = { .marks = marks, .nattach = nattach };
	struct slice token;

	for (;;)
		switch (put_token(&in, &token)) {
		case PUT_OPEN:
			put_survey_value(&s, token, false);
			put_survey_open(&s, token.p[0] == '{');
			break;
		case PUT_CLOSE:
			put_survey_close(&s);
			break;
		case PUT_SCALAR:
			put_survey_value(&s, token, true);
			break;
		case PUT_END:
			return (s.levels[0].count);
		}
}

/* --- JSON: its values ----------------------------------------------------- */

static void
put_string(struct buf *b, struct slice raw)
{
	size_t n = json_plain_size(raw, 0);

	put_str_head(b, n);
	if (buf_reserve(b, n)) {
		(void)json_plain_to(b->data + b->wpos, raw, 0);
		b->wpos += n;
	}
}

static void
put_digits(struct buf *b, struct slice raw)
{
	int64_t i;
	double v;

	if (json_int(raw, &i) && i >= 0)
		msgpack_put_uint(b, (uint64_t)i);
	else if (json_double(raw, &v))
		msgpack_put_number(b, v);
}

static void
put_scalar(struct buf *b, struct slice raw)
{
	switch (json_type(raw)) {
	case JSON_STRING:
		put_string(b, raw);
		break;
	case JSON_NUMBER:
		put_digits(b, raw);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		msgpack_put_bool(b, json_type(raw) == JSON_TRUE);
		break;
	case JSON_NULL:
	case JSON_NONE:
	case JSON_OBJECT:
	case JSON_ARRAY:
		msgpack_put_nil(b);
		break;
	}
}

/* Behind its opening bracket; *at: the mark that comes next. */
static void
put_skip(struct slice *in, const struct put_mark **at)
{
	enum put_token token;
	struct slice scalar;
	size_t open = 1;

	while (open > 0) {
		token = put_token(in, &scalar);
		MUST(token != PUT_END);
		open += token == PUT_OPEN;
		open -= token == PUT_CLOSE;
		*at += token == PUT_OPEN;
	}
}

static void
put_values(struct buf *b, struct slice in, const struct put_mark *at,
    const struct slice *attachments)
{
	const struct put_mark *m;
	enum put_token token;
	struct slice scalar;

	while ((token = put_token(&in, &scalar)) != PUT_END) {
		if (token == PUT_SCALAR)
			put_scalar(b, scalar);
		if (token != PUT_OPEN)
			continue;
		m = at++;
		if (m->placeholder && m->num >= 0) {
			msgpack_put_bin(b, attachments[m->num]);
			put_skip(&in, &at);
		} else if (m->object)
			msgpack_put_map(b, m->count);
		else
			msgpack_put_array(b, m->count);
	}
}

size_t
msgpack_put_elements(struct buf *b, struct slice elements,
    const struct slice *attachments, size_t nattach)
{
	struct buf marks;
	size_t n;

	buf_init(&marks);
	n = put_survey(elements, nattach, &marks);
	if (marks.oom)
		b->oom = true;
	else
		put_values(b, elements, (const void *)marks.data, attachments);
	buf_fini(&marks);
	return (n);
}

size_t
msgpack_count_elements(struct slice elements)
{
	struct slice value;
	size_t n = 0;
	ssize_t got;

	while (elements.n > 0) {
		got = json_value(elements, &value);
		MUST(got > 0);	/* it was checked */
		n++;
		elements = slice_from(elements, (size_t)got);
		if (elements.n > 0)	/* the comma */
			elements = slice_from(elements, 1);
	}
	return (n);
}
