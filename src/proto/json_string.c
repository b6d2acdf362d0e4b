/*
 * Strings of JSON: compared, unescaped, escaped; see json.h.  What is read
 * here was found valid before.
 */
#include "proto/json_int.h"

#include "base/utf8.h"

#define LONE_SURROGATE	UINT32_MAX

static bool
string_hex4(const uint8_t *p, const uint8_t *end, uint32_t *v)
{
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || !json_is_hex4(p + 2))
		return (false);
	*v = (uint32_t)(json_hex[p[2]] - 1) << 12 |
	    (uint32_t)(json_hex[p[3]] - 1) << 8 |
	    (uint32_t)(json_hex[p[4]] - 1) << 4 |
	    (uint32_t)(json_hex[p[5]] - 1);
	return (true);
}

/*
 * *p is at a backslash: the code point that the escape (or the pair of
 * surrogate escapes) stands for, and *p moved behind it.
 */
static uint32_t
string_take_escape(const uint8_t **p, const uint8_t *end)
{
	uint32_t hi, lo;

	if (!string_hex4(*p, end, &hi)) {
		hi = end - *p > 1 ? json_escapes[(*p)[1]] : LONE_SURROGATE;
		*p += end - *p > 1 ? 2 : 1;
		return (hi);
	}
	*p += 6;
	if (hi < 0xd800 || hi > 0xdfff)
		return (hi);
	if (hi > 0xdbff || !string_hex4(*p, end, &lo) || lo < 0xdc00 ||
	    lo > 0xdfff)
		return (LONE_SURROGATE);
	*p += 6;
	return (0x10000 + ((hi & 0x3ff) << 10 | (lo & 0x3ff)));
}

/* The bytes between the quotes. */
static struct slice
string_inside(struct slice raw)
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
		cp = string_take_escape(&p, end);
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
	struct slice in = string_inside(raw);
	const uint8_t *p = in.p, *end = slice_end(in);
	uint8_t *o = out;
	uint32_t cp;

	while (p < end) {
		if (*p != '\\') {
			*o++ = *p++;
			continue;
		}
		cp = string_take_escape(&p, end);
		if (cp == LONE_SURROGATE || cp == 0)
			return (-1);
		o += utf8_put(o, cp);
	}
	return (o - out);
}

ssize_t
json_name(struct slice value, uint8_t *out, size_t max)
{
	struct slice in = string_inside(value);
	const uint8_t *p = in.p, *end = slice_end(in);
	uint8_t u[4], high = 0;
	uint32_t cp;
	size_t n, at = 0;

	if (json_type(value) != JSON_STRING)
		return (-1);
	while (p < end) {
		if (*p != '\\') {	/* one byte of it */
			if (*p < 0x20 || *p == 0x7f || at == max)
				return (-1);
			high |= *p;
			out[at++] = *p++;
			continue;
		}
		cp = string_take_escape(&p, end);
		if (cp == LONE_SURROGATE || cp < 0x20 || cp == 0x7f)
			return (-1);
		n = utf8_put(u, cp);
		if (n > max - at)
			return (-1);
		high |= u[0];
		memcpy(out + at, u, n);
		at += n;
	}
	if (high >= 0x80 && utf8_lossy(slice_of(out, at)))
		return (-1);
	return ((ssize_t)at);
}

ssize_t
json_text(struct slice object, struct slice member, uint8_t *out, size_t max,
    struct slice *raw)
{
	return (json_get(object, member, raw) ? json_name(*raw, out, max) :
	    -1);
}

void
json_mend(uint8_t *p, size_t n)
{
	const uint8_t *end, *at = p, *next;

	if (n == 0)
		return;
	end = p + n;
	while (at < end &&
	    (at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
		next = at;
		if (string_take_escape(&next, end) == LONE_SURROGATE &&
		    end - at >= 6)
			memcpy(p + (at - p) + 2, "fffd", 4);
		at = next;
	}
}

/* The escape at *p as UTF-8; *p moves behind it.  Returns bytes in u. */
static size_t
string_text_escape(const uint8_t **p, const uint8_t *end, uint8_t without,
    uint8_t u[4])
{
	uint32_t cp = string_take_escape(p, end);

	if (cp == LONE_SURROGATE || (without != 0 && cp == without))
		cp = 0xfffd;
	return (utf8_put(u, cp));
}

/* What comes before the next escape. */
static size_t
string_text_run(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *escape = memchr(p, '\\', (size_t)(end - p));

	return ((size_t)((escape == NULL ? end : escape) - p));
}

size_t
json_plain_size(struct slice raw, uint8_t without)
{
	struct slice in = string_inside(raw);
	const uint8_t *p = in.p, *end = slice_end(in);
	size_t n = 0, run;
	uint8_t u[4];

	while (p < end) {
		run = string_text_run(p, end);
		n += run;
		p += run;
		if (p < end)
			n += string_text_escape(&p, end, without, u);
	}
	return (n);
}

uint8_t *
json_plain_to(uint8_t *out, struct slice raw, uint8_t without)
{
	struct slice in = string_inside(raw);
	const uint8_t *p = in.p, *end = slice_end(in);
	uint8_t u[4];
	size_t run;

	while (p < end) {
		run = string_text_run(p, end);
		memcpy(out, p, run);
		out += run;
		p += run;
		if (p == end)
			break;
		run = string_text_escape(&p, end, without, u);
		memcpy(out, u, run);
		out += run;
	}
	return (out);
}

size_t
json_string_chars(struct slice raw)
{
	struct slice in = string_inside(raw);
	const uint8_t *p = in.p, *end = slice_end(in);
	size_t n = 0;

	while (p < end) {
		if (*p == '\\') {
			(void)string_take_escape(&p, end);
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
string_escape_letter(uint8_t c)
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
		l = string_escape_letter(plain.p[i]);
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
		l = string_escape_letter(c);
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
