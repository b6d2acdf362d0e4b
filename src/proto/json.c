/*
 * JSON text without a tree; see json.h.  One scanner checks a value in one
 * pass: a table says what a byte may start, strings are skipped eight bytes
 * at a time, nesting is a stack of bits (1: object).  The functions for
 * values that were found valid skip without checking again, but never leave
 * the slice they were given.
 */
#include "proto/json.h"

#include <stdio.h>
#include <stdlib.h>

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

/* Value of a hexadecimal digit + 1; 0: none. */
static const uint8_t hex[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6,
	['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
	['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16
};

/* What a one-letter escape means; 0: not one. */
static const uint8_t escapes[256] = {
	['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f',
	['n'] = '\n', ['r'] = '\r', ['t'] = '\t'
};
/* clang-format on */

#define ONES	UINT64_C(0x0101010101010101)
#define HIGHS	UINT64_C(0x8080808080808080)

static inline const uint8_t *
skip_space(const uint8_t *p, const uint8_t *end)
{
	while (p < end && classes[*p] == C_SPACE)
		p++;
	return (p);
}

static inline bool
is_digit(uint8_t c)
{
	return ((uint8_t)(c - '0') < 10);
}

/*
 * The first quote, backslash or control byte from p on, or end.  *high
 * collects the top bits of what was passed (and a little beyond).  The lowest
 * mark of each test below is exact, only marks above it may be false.
 */
static inline const uint8_t *
find_special(const uint8_t *p, const uint8_t *end, uint64_t *high)
{
	uint64_t w, q, b, marks;

	while (end - p >= 8) {
		memcpy(&w, p, 8);
		*high |= w;
		q = w ^ ONES * '"';
		b = w ^ ONES * '\\';
		marks = ((q - ONES) & ~q) | ((b - ONES) & ~b) |
		    ((w - ONES * 0x20) & ~w);
		marks &= HIGHS;
		if (marks != 0)
			return (p + (__builtin_ctzll(marks) >> 3));
		p += 8;
	}
	for (; p < end && *p != '"' && *p != '\\' && *p >= 0x20; p++)
		*high |= *p;
	return (p);
}

/* p is at a backslash: behind the escape, or NULL. */
static const uint8_t *
check_escape(const uint8_t *p, const uint8_t *end)
{
	if (end - p < 2)
		return (NULL);
	if (escapes[p[1]] != 0)
		return (p + 2);
	if (p[1] != 'u' || end - p < 6 || hex[p[2]] == 0 || hex[p[3]] == 0 ||
	    hex[p[4]] == 0 || hex[p[5]] == 0)
		return (NULL);
	return (p + 6);
}

/* p is behind the opening quote: behind the closing one, or NULL. */
static inline const uint8_t *
check_string(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *start = p;
	uint64_t high = 0;

	for (;;) {
		p = find_special(p, end, &high);
		if (p == end)
			return (NULL);
		if (*p == '"')
			break;
		if (*p != '\\' || (p = check_escape(p, end)) == NULL)
			return (NULL);
	}
	if (unlikely(high & HIGHS) &&
	    !utf8_valid(slice_of(start, (size_t)(p - start))))
		return (NULL);
	return (p + 1);
}

static inline const uint8_t *
skip_digits(const uint8_t *p, const uint8_t *end)
{
	while (p < end && is_digit(*p))
		p++;
	return (p);
}

/* p is at a minus or a digit: behind the number, or NULL. */
static inline const uint8_t *
check_number(const uint8_t *p, const uint8_t *end)
{
	if (*p == '-' && ++p == end)
		return (NULL);
	if (*p == '0')
		p++;
	else if (is_digit(*p))
		p = skip_digits(p, end);
	else
		return (NULL);
	if (p < end && *p == '.') {
		if (++p == end || !is_digit(*p))
			return (NULL);
		p = skip_digits(p, end);
	}
	if (p < end && (*p | 0x20) == 'e') {
		if (++p < end && (*p == '+' || *p == '-'))
			p++;
		if (p == end || !is_digit(*p))
			return (NULL);
		p = skip_digits(p, end);
	}
	return (p);
}

static inline const uint8_t *
check_literal(const uint8_t *p, const uint8_t *end)
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
check_key(const uint8_t *p, const uint8_t *end)
{
	p = skip_space(p, end);
	if (p == end || *p != '"')
		return (NULL);
	p = check_string(p + 1, end);
	if (p == NULL)
		return (NULL);
	p = skip_space(p, end);
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
check_open(struct nest *s, const uint8_t *p, const uint8_t *end, bool *empty)
{
	bool object = *p == '{';

	if (s->depth == JSON_DEPTH_MAX)
		return (NULL);
	s->depth++;
	s->objects = s->objects << 1 | object;
	p = skip_space(p + 1, end);
	if (p == end)
		return (NULL);
	*empty = *p == (object ? '}' : ']');
	if (object && !*empty)
		return (check_key(p, end));
	return (p);
}

/*
 * A value ends at p: close what closes here.  Where the next value must be,
 * or, with depth 0, the end of all; NULL when neither fits.
 */
static inline const uint8_t *
check_after(struct nest *s, const uint8_t *p, const uint8_t *end)
{
	while (s->depth > 0) {
		p = skip_space(p, end);
		if (p == end)
			return (NULL);
		if (*p == ',') {
			if ((s->objects & 1) == 0)
				return (p + 1);
			return (check_key(p + 1, end));
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
check_value(const uint8_t *p, const uint8_t *end)
{
	struct nest s = { 0, 0 };
	bool empty;

	do {
		p = skip_space(p, end);
		if (p == end)
			return (NULL);
		switch ((enum class)classes[*p]) {
		case C_STRING:
			p = check_string(p + 1, end);
			break;
		case C_NUMBER:
			p = check_number(p, end);
			break;
		case C_LITERAL:
			p = check_literal(p, end);
			break;
		case C_OBJECT:
		case C_ARRAY:
			p = check_open(&s, p, end, &empty);
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
		p = check_after(&s, p, end);
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
	start = skip_space(in.p, end);
	p = check_value(start, end);
	if (p == NULL)
		return (CODEC_BAD);
	*value = slice_of(start, (size_t)(p - start));
	return (skip_space(p, end) - in.p);
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
skip_string(const uint8_t *p, const uint8_t *end)
{
	uint64_t high = 0;

	while ((p = find_special(p, end, &high)) < end) {
		if (*p == '"')
			return (p + 1);
		p += *p == '\\' && end - p > 1 ? 2 : 1;
	}
	return (end);
}

/* p is at an opening bracket: behind the one that closes it, or end. */
static const uint8_t *
skip_container(const uint8_t *p, const uint8_t *end)
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
			p = skip_string(p + 1, end);
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
skip_value(const uint8_t *p, const uint8_t *end)
{
	switch (classes[*p]) {
	case C_STRING:
		return (skip_string(p + 1, end));
	case C_OBJECT:
	case C_ARRAY:
		return (skip_container(p, end));
	default:
		while (p < end && *p != ',' && classes[*p] != C_END &&
		    classes[*p] != C_SPACE)
			p++;
		return (p);
	}
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
	p = skip_space(p, end);
	if (p < end && *p == ',')
		p = skip_space(p + 1, end);
	if (p == end)
		return (false);
	start = p;
	p = skip_value(p, end);
	*value = slice_of(start, (size_t)(p - start));
	p = skip_space(p, end);
	if (p < end && *p == ':') {
		*key = *value;
		start = p = skip_space(p + 1, end);
		if (p < end)
			p = skip_value(p, end);
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

/* --- strings ------------------------------------------------------------- */

#define LONE_SURROGATE	UINT32_MAX

static bool
hex4(const uint8_t *p, const uint8_t *end, uint32_t *v)
{
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || hex[p[2]] == 0 ||
	    hex[p[3]] == 0 || hex[p[4]] == 0 || hex[p[5]] == 0)
		return (false);
	*v = (uint32_t)(hex[p[2]] - 1) << 12 | (uint32_t)(hex[p[3]] - 1) << 8 |
	    (uint32_t)(hex[p[4]] - 1) << 4 | (uint32_t)(hex[p[5]] - 1);
	return (true);
}

/*
 * *p is at a backslash: the code point that the escape (or the pair of
 * surrogate escapes) stands for, and *p moved behind it.
 */
static uint32_t
take_escape(const uint8_t **p, const uint8_t *end)
{
	uint32_t hi, lo;

	if (!hex4(*p, end, &hi)) {
		hi = end - *p > 1 ? escapes[(*p)[1]] : LONE_SURROGATE;
		*p += end - *p > 1 ? 2 : 1;
		return (hi);
	}
	*p += 6;
	if (hi < 0xd800 || hi > 0xdfff)
		return (hi);
	if (hi > 0xdbff || !hex4(*p, end, &lo) || lo < 0xdc00 || lo > 0xdfff)
		return (LONE_SURROGATE);
	*p += 6;
	return (0x10000 + ((hi & 0x3ff) << 10 | (lo & 0x3ff)));
}

/* The bytes between the quotes. */
static struct slice
inside(struct slice raw)
{
	if (raw.n < 2 || raw.p[0] != '"')
		return (slice_of(NULL, 0));
	return (slice_of(raw.p + 1, raw.n - 2));
}

bool
json_string_eq(struct slice raw, struct slice plain)
{
	const uint8_t *p, *end, *q = plain.p, *qend = slice_end(plain);
	uint8_t u[4];
	uint32_t cp;
	size_t n;

	if (raw.n < 2 || raw.p[0] != '"' || raw.n - 2 < plain.n)
		return (false);
	end = raw.p + raw.n - 1;
	for (p = raw.p + 1; p < end && q < qend;) {
		if (*p != '\\') {
			if (*p++ != *q++)
				return (false);
			continue;
		}
		cp = take_escape(&p, end);
		if (cp == LONE_SURROGATE)
			return (false);
		n = utf8_put(u, cp);
		if (n > (size_t)(qend - q) || memcmp(u, q, n) != 0)
			return (false);
		q += n;
	}
	return (p == end && q == qend);
}

ssize_t
json_unescape(struct slice raw, uint8_t *out)
{
	struct slice in = inside(raw);
	const uint8_t *p = in.p, *end = slice_end(in);
	uint8_t *o = out;
	uint32_t cp;

	while (p < end) {
		if (*p != '\\') {
			*o++ = *p++;
			continue;
		}
		cp = take_escape(&p, end);
		if (cp == LONE_SURROGATE || cp == 0)
			return (-1);
		o += utf8_put(o, cp);
	}
	return (o - out);
}

/* The escape at *p as UTF-8; *p moves behind it.  Returns bytes in u. */
static size_t
text_escape(const uint8_t **p, const uint8_t *end, uint8_t without,
    uint8_t u[4])
{
	uint32_t cp = take_escape(p, end);

	if (cp == LONE_SURROGATE || (without != 0 && cp == without))
		cp = 0xfffd;
	return (utf8_put(u, cp));
}

/* What comes before the next escape. */
static size_t
text_run(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *escape = memchr(p, '\\', (size_t)(end - p));

	return ((size_t)((escape == NULL ? end : escape) - p));
}

size_t
json_text_size(struct slice raw, uint8_t without)
{
	struct slice in = inside(raw);
	const uint8_t *p = in.p, *end = slice_end(in);
	size_t n = 0, run;
	uint8_t u[4];

	while (p < end) {
		run = text_run(p, end);
		n += run;
		p += run;
		if (p < end)
			n += text_escape(&p, end, without, u);
	}
	return (n);
}

uint8_t *
json_text_to(uint8_t *out, struct slice raw, uint8_t without)
{
	struct slice in = inside(raw);
	const uint8_t *p = in.p, *end = slice_end(in);
	uint8_t u[4];
	size_t run;

	while (p < end) {
		run = text_run(p, end);
		memcpy(out, p, run);
		out += run;
		p += run;
		if (p == end)
			break;
		run = text_escape(&p, end, without, u);
		memcpy(out, u, run);
		out += run;
	}
	return (out);
}

size_t
json_string_chars(struct slice raw)
{
	struct slice in = inside(raw);
	const uint8_t *p = in.p, *end = slice_end(in);
	size_t n = 0;

	while (p < end) {
		if (*p == '\\') {
			(void)take_escape(&p, end);
			n++;
			continue;
		}
		n += (*p & 0xc0) != 0x80;	/* not a continuation byte */
		p++;
	}
	return (n);
}

/* Letter behind the backslash; 'u': as \u00XX; 0: no escape needed. */
static inline uint8_t
escape_letter(uint8_t c)
{
	static const uint8_t letters[0x20] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
		['\r'] = 'r'
	};

	if (c >= 0x20)
		return (c == '"' || c == '\\' ? c : 0);
	return (letters[c] != 0 ? letters[c] : 'u');
}

size_t
json_escape_size(struct slice plain)
{
	size_t i, n = plain.n + 2;
	uint8_t l;

	for (i = 0; i < plain.n; i++) {
		l = escape_letter(plain.p[i]);
		if (l != 0)
			n += l == 'u' ? 5 : 1;
	}
	return (n);
}

uint8_t *
json_escape_to(uint8_t *out, struct slice plain)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t c, l;
	size_t i;

	*out++ = '"';
	for (i = 0; i < plain.n; i++) {
		c = plain.p[i];
		l = escape_letter(c);
		if (l == 0) {
			*out++ = c;
			continue;
		}
		*out++ = '\\';
		*out++ = l;
		if (l != 'u')
			continue;
		*out++ = '0';
		*out++ = '0';
		*out++ = (uint8_t)digits[c >> 4];
		*out++ = (uint8_t)digits[c & 15];
	}
	*out++ = '"';
	return (out);
}

void
json_escape(struct buf *b, struct slice plain)
{
	size_t n = json_escape_size(plain);

	if (!buf_reserve(b, n))
		return;
	(void)json_escape_to(b->data + b->wpos, plain);
	b->wpos += n;
}

/* --- numbers ------------------------------------------------------------- */

/* A number in pieces: 0.DIGITS times ten to the power of point. */
struct decimal {
	bool		 negative;
	struct slice	 digits[2];	/* before and behind the dot */
	int64_t		 point;
};

#define EXPONENT_MAX	INT64_C(1000000000000)	/* more is the same */

static int64_t
take_exponent(const uint8_t *p, const uint8_t *end)
{
	bool negative = false;
	int64_t e = 0;

	if (p < end && (*p == '+' || *p == '-'))
		negative = *p++ == '-';
	for (; p < end && is_digit(*p); p++)
		if (e < EXPONENT_MAX)
			e = e * 10 + (*p - '0');
	return (negative ? -e : e);
}

static bool
take_number(struct slice in, struct decimal *d)
{
	const uint8_t *p = in.p, *end = slice_end(in), *start;

	if (json_type(in) != JSON_NUMBER)
		return (false);
	d->negative = *p == '-';
	start = p += d->negative;
	p = skip_digits(p, end);
	d->digits[0] = slice_of(start, (size_t)(p - start));
	d->digits[1] = slice_of(NULL, 0);
	if (p < end && *p == '.') {
		start = ++p;
		p = skip_digits(p, end);
		d->digits[1] = slice_of(start, (size_t)(p - start));
	}
	d->point = (int64_t)d->digits[0].n;
	if (p < end)
		d->point += take_exponent(p + 1, end);
	return (d->digits[0].n > 0);
}

static uint8_t
decimal_digit(const struct decimal *d, size_t i)
{
	if (i < d->digits[0].n)
		return (d->digits[0].p[i]);
	return (d->digits[1].p[i - d->digits[0].n]);
}

bool
json_int(struct slice value, int64_t *out)
{
	const int64_t max = (INT64_C(1) << 53) - 1;
	struct decimal d;
	int64_t v = 0, i, n;

	if (!take_number(value, &d))
		return (false);
	n = (int64_t)(d.digits[0].n + d.digits[1].n);
	for (i = 0; i < n; i++) {
		uint8_t c = decimal_digit(&d, (size_t)i);

		if (i >= d.point) {
			if (c != '0')
				return (false);
			continue;
		}
		v = v * 10 + (c - '0');
		if (v > max)
			return (false);
	}
	for (; i < d.point && v != 0; i++)
		if ((v *= 10) > max)
			return (false);
	*out = d.negative ? -v : v;
	return (true);
}

/* strtod(3) needs an end: a copy, cut behind more digits than can matter. */
bool
json_double(struct slice value, double *out)
{
	char tmp[832], *o = tmp;
	struct decimal d;
	size_t i, n;

	if (!take_number(value, &d))
		return (false);
	n = d.digits[0].n + d.digits[1].n;
	for (i = 0; i < n && decimal_digit(&d, i) == '0'; i++)
		d.point--;
	if (d.negative)
		*o++ = '-';
	*o++ = '0';
	*o++ = '.';
	for (; i < n && o < tmp + 780; i++)
		*o++ = (char)decimal_digit(&d, i);
	for (; i < n; i++)
		if (decimal_digit(&d, i) != '0') {
			*o++ = '1';	/* only says: a little more than that */
			break;
		}
	(void)snprintf(o, (size_t)(tmp + sizeof tmp - o), "0e%lld",
	    (long long)d.point);
	*out = strtod(tmp, NULL);
	return (true);
}
