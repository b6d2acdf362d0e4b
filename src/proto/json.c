/*
 * JSON text without a tree; see json.h.  One scanner checks a value in one
 * pass: a table says what a byte may start, strings are skipped eight bytes
 * at a time, nesting is a stack of bits (1: object).  The functions for
 * values that were found valid skip without checking again, but never leave
 * the slice they were given.
 */
#include "proto/json_int.h"

#include "base/utf8.h"

/* What a byte can be outside strings. */
enum class {
	C_BAD = 0, C_SPACE, C_OBJECT, C_ARRAY, C_END, C_STRING, C_NUMBER,
	C_LITERAL, C_COMMA, C_COLON
};

/* clang-format off */
static const uint8_t classes[256] = {
	[' '] = C_SPACE, ['\t'] = C_SPACE, ['\n'] = C_SPACE, ['\r'] = C_SPACE,
	['{'] = C_OBJECT, ['['] = C_ARRAY, ['}'] = C_END, [']'] = C_END,
	['"'] = C_STRING, ['-'] = C_NUMBER, ['0'] = C_NUMBER,
	['1'] = C_NUMBER, ['2'] = C_NUMBER, ['3'] = C_NUMBER, ['4'] = C_NUMBER,
	['5'] = C_NUMBER, ['6'] = C_NUMBER, ['7'] = C_NUMBER, ['8'] = C_NUMBER,
	['9'] = C_NUMBER, ['t'] = C_LITERAL, ['f'] = C_LITERAL,
	['n'] = C_LITERAL, [','] = C_COMMA, [':'] = C_COLON
};
/* clang-format on */

static inline const uint8_t *
json_skip_space(const uint8_t *p, const uint8_t *end)
{
	while (p < end && classes[*p] == C_SPACE)
		p++;
	return (p);
}

/* p is at a backslash: behind the escape, or NULL. */
static const uint8_t *
json_check_escape(const uint8_t *p, const uint8_t *end)
{
	if (end - p < 2)
		return (NULL);
	if (json_escapes[p[1]] != 0)
		return (p + 2);
	if (p[1] != 'u' || end - p < 6 || !json_is_hex4(p + 2))
		return (NULL);
	return (p + 6);
}

/* p is behind the opening quote: behind the closing one, or NULL. */
static inline const uint8_t *
json_check_string(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *start = p;
	uint64_t high = 0;

	for (;;) {
		p = json_find_special(p, end, &high);
		if (p == end)
			return (NULL);
		if (*p == '"')
			break;
		if (*p != '\\' || (p = json_check_escape(p, end)) == NULL)
			return (NULL);
	}
	if (unlikely(high & JSON_HIGHS) &&
	    !utf8_valid(slice_of(start, (size_t)(p - start))))
		return (NULL);
	return (p + 1);
}

/* p is at a minus or a digit: behind the number, or NULL. */
static inline const uint8_t *
json_check_number(const uint8_t *p, const uint8_t *end)
{
	if (*p == '-' && ++p == end)
		return (NULL);
	if (*p == '0')
		p++;
	else if (ascii_digit(*p))
		p = json_skip_digits(p, end);
	else
		return (NULL);
	if (p < end && *p == '.') {
		if (++p == end || !ascii_digit(*p))
			return (NULL);
		p = json_skip_digits(p, end);
	}
	if (p < end && (*p | 0x20) == 'e') {
		if (++p < end && (*p == '+' || *p == '-'))
			p++;
		if (p == end || !ascii_digit(*p))
			return (NULL);
		p = json_skip_digits(p, end);
	}
	return (p);
}

static inline const uint8_t *
json_check_literal(const uint8_t *p, const uint8_t *end)
{
	size_t n = (size_t)(end - p);

	if (n >= 4 && (memcmp(p, "true", 4) == 0 || memcmp(p, "null", 4) == 0))
		return (p + 4);
	if (n >= 5 && memcmp(p, "false", 5) == 0)
		return (p + 5);
	return (NULL);
}

/* p is where a member's key must be: behind its colon, or NULL. */
static inline const uint8_t *
json_check_key(const uint8_t *p, const uint8_t *end)
{
	p = json_skip_space(p, end);
	if (p == end || *p != '"')
		return (NULL);
	p = json_check_string(p + 1, end);
	if (p == NULL)
		return (NULL);
	p = json_skip_space(p, end);
	if (p == end || *p != ':')
		return (NULL);
	return (p + 1);
}

/* A stack of at most JSON_DEPTH_MAX containers; bit 0 is the innermost. */
struct nest {
	uint64_t	 objects;
	unsigned	 depth;
};

/*
 * p is at an opening bracket.  Behind it, and behind the first key of an
 * object; at the closing one when there is nothing inside (*empty).
 */
static inline const uint8_t *
json_check_open(struct nest *s, const uint8_t *p, const uint8_t *end,
    bool *empty)
{
	bool object = *p == '{';

	if (s->depth == JSON_DEPTH_MAX)
		return (NULL);
	s->depth++;
	s->objects = s->objects << 1 | object;
	p = json_skip_space(p + 1, end);
	if (p == end)
		return (NULL);
	*empty = *p == (object ? '}' : ']');
	if (object && !*empty)
		return (json_check_key(p, end));
	return (p);
}

/*
 * A value ends at p: close what closes here.  Where the next value must be,
 * or, with depth 0, the end of all; NULL when neither fits.
 */
static inline const uint8_t *
json_check_after(struct nest *s, const uint8_t *p, const uint8_t *end)
{
	while (s->depth > 0) {
		p = json_skip_space(p, end);
		if (p == end)
			return (NULL);
		if (*p == ',') {
			if ((s->objects & 1) == 0)
				return (p + 1);
			return (json_check_key(p + 1, end));
		}
		if (*p != ((s->objects & 1) != 0 ? '}' : ']'))
			return (NULL);
		p++;
		s->depth--;
		s->objects >>= 1;
	}
	return (p);
}

/* One value, exactly at p: its end, or NULL. */
static const uint8_t *
json_check_value(const uint8_t *p, const uint8_t *end)
{
	struct nest s = { 0, 0 };
	bool empty;

	do {
		p = json_skip_space(p, end);
		if (p == end)
			return (NULL);
		switch ((enum class)classes[*p]) {
		case C_STRING:
			p = json_check_string(p + 1, end);
			break;
		case C_NUMBER:
			p = json_check_number(p, end);
			break;
		case C_LITERAL:
			p = json_check_literal(p, end);
			break;
		case C_OBJECT:
		case C_ARRAY:
			p = json_check_open(&s, p, end, &empty);
			if (p != NULL && !empty)
				continue;
			break;
		case C_BAD:
		case C_SPACE:
		case C_END:
		case C_COMMA:
		case C_COLON:
			return (NULL);
		}
		if (p == NULL)
			return (NULL);
		p = json_check_after(&s, p, end);
	} while (p != NULL && s.depth > 0);
	return (p);
}

ssize_t
json_value(struct slice in, struct slice *value)
{
	const uint8_t *end = slice_end(in), *start, *p;

	*value = slice_of(NULL, 0);
	if (in.n == 0)
		return (CODEC_BAD);
	start = json_skip_space(in.p, end);
	p = json_check_value(start, end);
	if (p == NULL)
		return (CODEC_BAD);
	*value = slice_of(start, (size_t)(p - start));
	return (json_skip_space(p, end) - in.p);
}

bool
json_valid(struct slice in)
{
	struct slice value;
	ssize_t n = json_value(in, &value);

	return (n > 0 && (size_t)n == in.n);
}

/* --- values known to be valid -------------------------------------------- */

enum json_type
json_type(struct slice value)
{
	if (value.n == 0)
		return (JSON_NONE);
	switch (value.p[0]) {
	case '{':
		return (JSON_OBJECT);
	case '[':
		return (JSON_ARRAY);
	case '"':
		return (JSON_STRING);
	case 't':
		return (JSON_TRUE);
	case 'f':
		return (JSON_FALSE);
	case 'n':
		return (JSON_NULL);
	default:
		return (JSON_NUMBER);
	}
}

/* p is behind the opening quote: behind the closing one, or end. */
static inline const uint8_t *
json_skip_string(const uint8_t *p, const uint8_t *end)
{
	uint64_t high = 0;

	while ((p = json_find_special(p, end, &high)) < end) {
		if (*p == '"')
			return (p + 1);
		p += *p == '\\' && end - p > 1 ? 2 : 1;
	}
	return (end);
}

/* p is at an opening bracket: behind the one that closes it, or end. */
static const uint8_t *
json_skip_container(const uint8_t *p, const uint8_t *end)
{
	size_t depth = 0;

	while (p < end) {
		switch (classes[*p]) {
		case C_OBJECT:
		case C_ARRAY:
			depth++;
			p++;
			break;
		case C_END:
			p++;
			if (--depth == 0)
				return (p);
			break;
		case C_STRING:
			p = json_skip_string(p + 1, end);
			break;
		default:
			p++;
			break;
		}
	}
	return (end);
}

/* p is at the first byte of a value: its end. */
static inline const uint8_t *
json_skip_value(const uint8_t *p, const uint8_t *end)
{
	switch (classes[*p]) {
	case C_STRING:
		return (json_skip_string(p + 1, end));
	case C_OBJECT:
	case C_ARRAY:
		return (json_skip_container(p, end));
	default:
		while (p < end && *p != ',' && classes[*p] != C_END &&
		    classes[*p] != C_SPACE)
			p++;
		return (p);
	}
}

struct slice
json_trim(struct slice s)
{
	while (s.n > 0 && classes[s.p[0]] == C_SPACE)
		s = slice_from(s, 1);
	while (s.n > 0 && classes[s.p[s.n - 1]] == C_SPACE)
		s.n--;
	return (s);
}

bool
json_enter(struct slice value, struct json_iter *it)
{
	it->rest = slice_of(NULL, 0);
	if (value.n < 2 || (value.p[0] != '{' && value.p[0] != '['))
		return (false);
	it->rest = slice_of(value.p + 1, value.n - 2);
	return (true);
}

bool
json_next(struct json_iter *it, struct slice *key, struct slice *value)
{
	const uint8_t *p = it->rest.p, *end = slice_end(it->rest), *start;

	*key = *value = slice_of(NULL, 0);
	if (it->rest.n == 0)
		return (false);
	p = json_skip_space(p, end);
	if (p < end && *p == ',')
		p = json_skip_space(p + 1, end);
	if (p == end)
		return (false);
	start = p;
	p = json_skip_value(p, end);
	*value = slice_of(start, (size_t)(p - start));
	p = json_skip_space(p, end);
	if (p < end && *p == ':') {
		*key = *value;
		start = p = json_skip_space(p + 1, end);
		if (p < end)
			p = json_skip_value(p, end);
		*value = slice_of(start, (size_t)(p - start));
	}
	it->rest = slice_of(p, (size_t)(end - p));
	return (true);
}

bool
json_get(struct slice object, struct slice name, struct slice *value)
{
	struct json_iter it;
	struct slice k, v;
	bool found = false;

	*value = slice_of(NULL, 0);
	if (json_type(object) != JSON_OBJECT || !json_enter(object, &it))
		return (false);
	while (json_next(&it, &k, &v))
		if (json_string_eq(k, name)) {
			*value = v;
			found = true;
		}
	return (found);
}

bool
json_get_path(struct slice object, struct slice name, struct slice *value)
{
	const uint8_t *dot;
	struct slice inner;
	size_t n;

	while (!json_get(object, name, value)) {
		dot = name.n == 0 ? NULL : memchr(name.p, '.', name.n);
		n = dot == NULL ? 0 : (size_t)(dot - name.p);
		if (dot == NULL || !json_get(object, slice_of(name.p, n),
		    &inner))
			return (false);
		object = inner;
		name = slice_from(name, n + 1);
	}
	return (true);
}
