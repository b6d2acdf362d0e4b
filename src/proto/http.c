/*
 * HTTP/1.1 heads and chunked bodies; see http.h.  A head is read line by
 * line, so that what is wrong is refused as soon as its line is there; the
 * fields that decide how the message ends, or whether it is refused, are a
 * table.  What a request asks for is the router's concern.
 */
#include "proto/http.h"

/* clang-format off */
#define T(c) [c] = 1
/* tchar, RFC 9110 section 5.6.2 */
static const uint8_t tchars[256] = {
	T('!'), T('#'), T('$'), T('%'), T('&'), T('\''), T('*'), T('+'),
	T('-'), T('.'), T('^'), T('_'), T('`'), T('|'), T('~'),
	T('0'), T('1'), T('2'), T('3'), T('4'), T('5'), T('6'), T('7'), T('8'),
	T('9'), T('A'), T('B'), T('C'), T('D'), T('E'), T('F'), T('G'), T('H'),
	T('I'), T('J'), T('K'), T('L'), T('M'), T('N'), T('O'), T('P'), T('Q'),
	T('R'), T('S'), T('T'), T('U'), T('V'), T('W'), T('X'), T('Y'), T('Z'),
	T('a'), T('b'), T('c'), T('d'), T('e'), T('f'), T('g'), T('h'), T('i'),
	T('j'), T('k'), T('l'), T('m'), T('n'), T('o'), T('p'), T('q'), T('r'),
	T('s'), T('t'), T('u'), T('v'), T('w'), T('x'), T('y'), T('z')
};
#undef T
/* clang-format on */

static bool
is_token(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!tchars[s.p[i]])
			return (false);
	return (s.n > 0);
}

static bool
is_digit(uint8_t c)
{
	return ((uint8_t)(c - '0') < 10);
}

static bool
is_blank(uint8_t c)
{
	return (c == ' ' || c == '\t');
}

static struct slice
trim(struct slice s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s = slice_from(s, 1);
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return (s);
}

/* The part of *rest before c, and *rest moved behind c; all when c is not
 * there. */
static struct slice
take_until(struct slice *rest, uint8_t c)
{
	const uint8_t *p = rest->n == 0 ? NULL : memchr(rest->p, c, rest->n);
	struct slice part = *rest;

	if (p == NULL) {
		*rest = slice_of(slice_end(*rest), 0);
		return (part);
	}
	part.n = (size_t)(p - rest->p);
	*rest = slice_from(*rest, part.n + 1);
	return (part);
}

static bool
bad(struct http_request *r, int status, const char *why)
{
	r->status = status;
	r->why = why;
	return (false);
}

/* --- request line (RFC 9112 section 3) ----------------------------------- */

/* clang-format off */
static const struct {
	const char	*name;
	enum http_method method;
} methods[] = {
	{ "GET", HTTP_GET }, { "HEAD", HTTP_HEAD }, { "POST", HTTP_POST },
	{ "PUT", HTTP_PUT }, { "DELETE", HTTP_DELETE },
	{ "PATCH", HTTP_PATCH }, { "OPTIONS", HTTP_OPTIONS }
};
/* clang-format on */

static enum http_method
method_from(struct slice name)
{
	size_t i;

	for (i = 0; i < nitems(methods); i++)
		if (slice_eq(name, slice_str(methods[i].name)))
			return (methods[i].method);
	return (HTTP_OTHER);
}

static bool
take_version(struct http_request *r, struct slice v)
{
	if (v.n != 8 || !slice_starts(v, SLICE("HTTP/")) ||
	    !is_digit(v.p[5]) || v.p[6] != '.' || !is_digit(v.p[7]))
		return (bad(r, 400, "bad request line"));
	if (v.p[5] != '1' || v.p[7] > '1')
		return (bad(r, 505, "HTTP version not supported"));
	r->minor = v.p[7] - '0';
	return (true);
}

/* Section 3.2.1: an absolute path with or without a query. */
static bool
take_origin_form(struct http_request *r, struct slice target)
{
	r->target = target;
	r->query = target;
	r->path = take_until(&r->query, '?');
	if (r->path.n == 0)	/* absolute-form without a path */
		r->path = SLICE("/");
	return (true);
}

/* Characters of host and port, RFC 3986 section 3.2; no user information. */
static bool
valid_host(struct slice h)
{
	static const char others[] = "-._~:[]%!$&'()*+,;=";
	size_t i;

	for (i = 0; i < h.n; i++) {
		uint8_t c = h.p[i];

		if (!is_digit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') &&
		    (c == '\0' || strchr(others, c) == NULL))
			return (false);
	}
	return (true);
}

/* Section 3.2.2: scheme and authority in front; they replace the Host. */
static bool
take_absolute_form(struct http_request *r, struct slice target, size_t scheme)
{
	struct slice rest = slice_from(target, scheme);
	size_t i;

	for (i = 0; i < rest.n && rest.p[i] != '/' && rest.p[i] != '?'; i++)
		;
	r->host = slice_of(rest.p, i);
	if (i == 0 || !valid_host(r->host))
		return (bad(r, 400, "bad authority"));
	rest = slice_from(rest, i);
	if (rest.n == 0)
		rest = SLICE("/");
	return (take_origin_form(r, rest));
}

static bool
take_target(struct http_request *r, struct slice target)
{
	size_t i;

	for (i = 0; i < target.n; i++)
		if (target.p[i] <= 0x20 || target.p[i] >= 0x7f ||
		    target.p[i] == '#')
			return (bad(r, 400, "bad character in target"));
	if (target.n == 0)
		return (bad(r, 400, "bad request line"));
	if (target.p[0] == '/')
		return (take_origin_form(r, target));
	if (target.n > 7 && strncasecmp((const char *)target.p, "http://",
	    7) == 0)
		return (take_absolute_form(r, target, 7));
	if (target.n > 8 && strncasecmp((const char *)target.p, "https://",
	    8) == 0)
		return (take_absolute_form(r, target, 8));
	if (r->method == HTTP_OPTIONS && slice_eq(target, SLICE("*")))
		return (take_origin_form(r, target));
	return (bad(r, 400, "bad target"));
}

static bool
take_request_line(struct http_request *r, struct slice line)
{
	struct slice rest = line, method, target;

	if (line.n > HTTP_LINE_MAX)
		return (bad(r, 414, "request line too long"));
	method = take_until(&rest, ' ');
	target = take_until(&rest, ' ');
	if (!is_token(method))
		return (bad(r, 400, "bad method"));
	r->method = method_from(method);
	if (!take_version(r, rest))
		return (false);
	r->keep_alive = r->minor == 1;
	return (take_target(r, target));
}

/* --- fields (section 5) and what they decide (section 6) ----------------- */

static bool
on_host(struct http_request *r, struct slice v)
{
	if (http_field_count(r, "host") > 1)
		return (bad(r, 400, "more than one Host"));
	if (!valid_host(v))
		return (bad(r, 400, "bad Host"));
	if (r->host.p == NULL)	/* absolute-form has set it already */
		r->host = v;
	return (true);
}

static bool
on_content_length(struct http_request *r, struct slice v)
{
	int64_t n = 0;
	size_t i;

	if (r->content_length >= 0)
		return (bad(r, 400, "more than one Content-Length"));
	if (v.n == 0 || v.n > 18)
		return (bad(r, 400, "bad Content-Length"));
	for (i = 0; i < v.n; i++) {
		if (!is_digit(v.p[i]))
			return (bad(r, 400, "bad Content-Length"));
		n = n * 10 + (v.p[i] - '0');
	}
	r->content_length = n;
	return (true);
}

/* Section 6.1: last must be chunked; whatever is before it is not served. */
static bool
on_transfer_encoding(struct http_request *r, struct slice v)
{
	struct slice rest = v, last = v;

	if (r->chunked)
		return (bad(r, 400, "more than one Transfer-Encoding"));
	if (r->minor == 0)
		return (bad(r, 400, "Transfer-Encoding in HTTP/1.0"));
	while (rest.n > 0)
		last = trim(take_until(&rest, ','));
	if (!slice_caseeq(last, SLICE("chunked")))
		return (bad(r, 400, "bad Transfer-Encoding"));
	if (last.n != v.n)
		return (bad(r, 501, "Transfer-Encoding not served"));
	r->chunked = true;
	return (true);
}

static bool
on_expect(struct http_request *r, struct slice v)
{
	if (r->minor == 1 && slice_caseeq(v, SLICE("100-continue")))
		r->expect_continue = true;
	return (true);
}

/* clang-format off */
static const struct {
	const char	*name;
	bool		(*on)(struct http_request *, struct slice);
} known[] = {
	{ "host",		on_host },
	{ "content-length",	on_content_length },
	{ "transfer-encoding",	on_transfer_encoding },
	{ "expect",		on_expect }
};
/* clang-format on */

static bool
valid_value(struct slice v)
{
	size_t i;

	for (i = 0; i < v.n; i++)
		if ((v.p[i] < 0x20 && v.p[i] != '\t') || v.p[i] == 0x7f)
			return (false);
	return (true);
}

static bool
take_field(struct http_request *r, struct slice line)
{
	struct slice rest = line, name;
	size_t i;

	if (is_blank(line.p[0]))
		return (bad(r, 400, "folded field"));
	name = take_until(&rest, ':');
	if (name.n == line.n || !is_token(name))
		return (bad(r, 400, "bad field name"));
	rest = trim(rest);
	if (!valid_value(rest))
		return (bad(r, 400, "control byte in field"));
	if (r->nfields == HTTP_FIELDS_MAX)
		return (bad(r, 431, "too many fields"));
	r->fields[r->nfields++] = (struct http_field){ name, rest };
	for (i = 0; i < nitems(known); i++)
		if (slice_caseeq(name, slice_str(known[i].name)))
			return (known[i].on(r, rest));
	return (true);
}

/* What can be said only when all fields are there. */
static bool
finish(struct http_request *r)
{
	if (r->minor == 1 && http_field_count(r, "host") == 0)
		return (bad(r, 400, "no Host"));
	if (r->chunked && r->content_length >= 0)
		return (bad(r, 400,
		    "Content-Length and Transfer-Encoding"));
	if (http_field_has(r, "connection", "keep-alive"))
		r->keep_alive = true;
	if (http_field_has(r, "connection", "close"))
		r->keep_alive = false;
	r->upgrade_websocket = http_field_has(r, "upgrade", "websocket") &&
	    http_field_has(r, "connection", "upgrade");
	return (true);
}

/*
 * The next line, without its CRLF, and *rest moved behind it.  false: not
 * there (r->status is 0) or ended by a bare LF.
 */
static bool
take_line(struct http_request *r, struct slice *rest, struct slice *line)
{
	const uint8_t *lf;

	lf = rest->n == 0 ? NULL : memchr(rest->p, '\n', rest->n);
	if (lf == NULL)
		return (false);
	if (lf == rest->p || lf[-1] != '\r')
		return (bad(r, 400, "bare LF"));
	*line = slice_of(rest->p, (size_t)(lf - rest->p) - 1);
	*rest = slice_from(*rest, line->n + 2);
	return (true);
}

static void
request_init(struct http_request *r)
{
	r->method = HTTP_OTHER;
	r->minor = 0;
	r->target = r->path = r->query = r->host = slice_of(NULL, 0);
	r->nfields = 0;
	r->content_length = -1;
	r->chunked = r->keep_alive = r->expect_continue = false;
	r->upgrade_websocket = false;
	r->status = 0;
	r->why = NULL;
}

/* No line end in what is left: wait, unless the limits are reached. */
static ssize_t
unfinished(struct http_request *r, size_t seen, size_t left, bool first)
{
	if (r->status == 0 && first && left > HTTP_LINE_MAX + 1)
		(void)bad(r, 414, "request line too long");
	if (r->status == 0 && seen >= HTTP_HEAD_MAX)
		(void)bad(r, 431, "head too long");
	return (r->status == 0 ? CODEC_MORE : CODEC_BAD);
}

ssize_t
http_decode_request(struct slice in, struct http_request *r)
{
	struct slice rest = in, line;
	bool first = true;

	request_init(r);
	if (rest.n > HTTP_HEAD_MAX)
		rest.n = HTTP_HEAD_MAX;
	/* Section 2.2: an empty line that ended the last body, perhaps. */
	if (slice_starts(rest, SLICE("\r\n")))
		rest = slice_from(rest, 2);
	if (rest.n > 0 && !tchars[rest.p[0]] && rest.p[0] != '\r')
		(void)bad(r, 400, "bad method");
	while (r->status == 0 && take_line(r, &rest, &line)) {
		if (first) {
			first = false;
			if (!take_request_line(r, line))
				break;
			continue;
		}
		if (line.n == 0) {
			if (!finish(r))
				break;
			return (rest.p - in.p);
		}
		if (!take_field(r, line))
			break;
	}
	return (unfinished(r, in.n, rest.n, first));
}

/* --- looking at fields --------------------------------------------------- */

bool
http_field(const struct http_request *r, const char *name, struct slice *value)
{
	size_t i;

	for (i = 0; i < r->nfields; i++)
		if (slice_caseeq(r->fields[i].name, slice_str(name))) {
			*value = r->fields[i].value;
			return (true);
		}
	*value = slice_of(NULL, 0);
	return (false);
}

unsigned
http_field_count(const struct http_request *r, const char *name)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < r->nfields; i++)
		n += slice_caseeq(r->fields[i].name, slice_str(name));
	return (n);
}

bool
http_field_has(const struct http_request *r, const char *name,
    const char *token)
{
	struct slice rest;
	size_t i;

	for (i = 0; i < r->nfields; i++) {
		if (!slice_caseeq(r->fields[i].name, slice_str(name)))
			continue;
		rest = r->fields[i].value;
		while (rest.n > 0)
			if (slice_caseeq(trim(take_until(&rest, ',')),
			    slice_str(token)))
				return (true);
	}
	return (false);
}

static struct slice
unquote(struct slice s)
{
	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		return (slice_of(s.p + 1, s.n - 2));
	return (s);
}

/* RFC 6265 section 4.2.1; the first of that name. */
bool
http_cookie(const struct http_request *r, struct slice name,
    struct slice *value)
{
	struct slice rest, pair, key;
	size_t i;

	*value = slice_of(NULL, 0);
	for (i = 0; i < r->nfields; i++) {
		if (!slice_caseeq(r->fields[i].name, SLICE("cookie")))
			continue;
		rest = r->fields[i].value;
		while (rest.n > 0) {
			pair = trim(take_until(&rest, ';'));
			key = take_until(&pair, '=');
			if (!slice_eq(trim(key), name))
				continue;
			*value = unquote(trim(pair));
			return (true);
		}
	}
	return (false);
}

/* --- percent encoding (RFC 3986 section 2.1) ----------------------------- */

/* Value of a hexadecimal digit, or -1. */
static int
hex_value(uint8_t c)
{
	if (is_digit(c))
		return (c - '0');
	c |= 0x20;
	return (c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1);
}

/* The next decoded byte, 1-255; -1: bad encoding or NUL. */
static int
take_decoded(struct slice *in, bool plus)
{
	int hi, lo;
	uint8_t c = in->p[0];

	if (c == '%') {
		if (in->n < 3 || (hi = hex_value(in->p[1])) < 0 ||
		    (lo = hex_value(in->p[2])) < 0)
			return (-1);
		*in = slice_from(*in, 3);
		return (hi * 16 + lo == 0 ? -1 : hi * 16 + lo);
	}
	*in = slice_from(*in, 1);
	if (c == '\0')
		return (-1);
	return (plus && c == '+' ? ' ' : c);
}

static ssize_t
decode_percent(struct slice in, uint8_t *out, bool plus)
{
	uint8_t *o = out;
	int c;

	while (in.n > 0) {
		c = take_decoded(&in, plus);
		if (c < 0)
			return (-1);
		*o++ = (uint8_t)c;
	}
	return (o - out);
}

ssize_t
http_path_decode(struct slice path, uint8_t *out)
{
	return (decode_percent(path, out, false));
}

/* An encoded key against a plain name. */
static bool
query_key_eq(struct slice key, const char *name)
{
	while (key.n > 0)
		if (*name == '\0' ||
		    take_decoded(&key, true) != (uint8_t)*name++)
			return (false);
	return (*name == '\0');
}

ssize_t
http_query_get(struct slice query, const char *name, uint8_t *out)
{
	struct slice rest = query, pair, key, value = { NULL, 0 };
	bool found = false;
	ssize_t n;

	while (rest.n > 0) {
		pair = take_until(&rest, '&');
		key = take_until(&pair, '=');
		if (query_key_eq(key, name)) {
			value = pair;
			found = true;
		}
	}
	if (!found)
		return (-1);
	n = decode_percent(value, out, true);
	return (n < 0 ? -2 : n);
}

/* --- chunked bodies (section 7.1) ---------------------------------------- */

enum chunked_state {
	CHUNK_SIZE,		/* hexadecimal digits */
	CHUNK_EXTENSION,	/* anything up to CR */
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER_START,	/* a trailer field or the last CRLF */
	CHUNK_TRAILER,
	CHUNK_TRAILER_LF,
	CHUNK_END_LF,
	CHUNK_END
};

#define CHUNK_DIGITS_MAX	15	/* 60 bits: sums cannot overflow */
#define CHUNK_OVERHEAD_MAX	8192	/* extensions and trailers together */

/* A byte that means nothing to us but must be text. */
static bool
chunk_skip(struct http_chunked *c, uint8_t byte)
{
	if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
		return (false);
	return (++c->overhead <= CHUNK_OVERHEAD_MAX);
}

static bool
chunk_size(struct http_chunked *c, uint8_t byte)
{
	int v = hex_value(byte);

	if (v >= 0) {
		c->left = c->left << 4 | (uint64_t)v;
		return (++c->digits <= CHUNK_DIGITS_MAX);
	}
	if (c->digits == 0)
		return (false);
	if (byte == '\r') {
		c->state = CHUNK_SIZE_LF;
		return (true);
	}
	c->state = CHUNK_EXTENSION;
	return ((byte == ';' || is_blank(byte)) && chunk_skip(c, byte));
}

/* One byte that must be what is expected, then the next state. */
static bool
chunk_want(struct http_chunked *c, uint8_t byte, uint8_t want,
    enum chunked_state next)
{
	c->state = (uint8_t)next;
	return (byte == want);
}

/* Text up to CR. */
static bool
chunk_text(struct http_chunked *c, uint8_t byte, enum chunked_state behind)
{
	if (byte == '\r') {
		c->state = (uint8_t)behind;
		return (true);
	}
	return (chunk_skip(c, byte));
}

/* Behind the size line: data, or the trailer when the size was 0. */
static bool
chunk_size_lf(struct http_chunked *c, uint8_t byte)
{
	c->digits = 0;
	return (chunk_want(c, byte, '\n',
	    c->left > 0 ? CHUNK_DATA : CHUNK_TRAILER_START));
}

static bool
chunk_trailer_start(struct http_chunked *c, uint8_t byte)
{
	if (byte == '\r') {
		c->state = CHUNK_END_LF;
		return (true);
	}
	c->state = CHUNK_TRAILER;
	return (tchars[byte] && chunk_skip(c, byte));
}

/* One byte of the frame around the data. */
static bool
chunk_byte(struct http_chunked *c, uint8_t byte)
{
	switch ((enum chunked_state)c->state) {
	case CHUNK_SIZE:
		return (chunk_size(c, byte));
	case CHUNK_EXTENSION:
		return (chunk_text(c, byte, CHUNK_SIZE_LF));
	case CHUNK_SIZE_LF:
		return (chunk_size_lf(c, byte));
	case CHUNK_DATA_CR:
		return (chunk_want(c, byte, '\r', CHUNK_DATA_LF));
	case CHUNK_DATA_LF:
		return (chunk_want(c, byte, '\n', CHUNK_SIZE));
	case CHUNK_TRAILER_START:
		return (chunk_trailer_start(c, byte));
	case CHUNK_TRAILER:
		return (chunk_text(c, byte, CHUNK_TRAILER_LF));
	case CHUNK_TRAILER_LF:
		return (chunk_want(c, byte, '\n', CHUNK_TRAILER_START));
	case CHUNK_END_LF:
		return (chunk_want(c, byte, '\n', CHUNK_END));
	case CHUNK_DATA:
	case CHUNK_END:
		break;
	}
	return (false);
}

ssize_t
http_decode_chunked(struct http_chunked *c, struct slice in,
    struct slice *data, bool *end)
{
	size_t i = 0;

	*data = slice_of(NULL, 0);
	while (i < in.n && c->state != CHUNK_END && c->state != CHUNK_DATA)
		if (!chunk_byte(c, in.p[i++]))
			return (CODEC_BAD);
	if (i < in.n && c->state == CHUNK_DATA) {
		*data = slice_from(in, i);
		if (data->n > c->left)
			data->n = (size_t)c->left;
		i += data->n;
		c->left -= data->n;
		if (c->left == 0)
			c->state = CHUNK_DATA_CR;
	}
	*end = c->state == CHUNK_END;
	return ((ssize_t)i);
}

/* --- responses ----------------------------------------------------------- */

/* clang-format off */
static const struct {
	int		 status;
	const char	*words;
} statuses[] = {
	{ 100, "Continue" }, { 101, "Switching Protocols" }, { 200, "OK" },
	{ 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" },
	{ 301, "Moved Permanently" }, { 302, "Found" },
	{ 304, "Not Modified" }, { 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" },
	{ 404, "Not Found" }, { 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" }, { 408, "Request Timeout" },
	{ 409, "Conflict" }, { 410, "Gone" }, { 411, "Length Required" },
	{ 412, "Precondition Failed" }, { 413, "Content Too Large" },
	{ 414, "URI Too Long" }, { 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" }, { 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" }, { 426, "Upgrade Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" }, { 501, "Not Implemented" },
	{ 502, "Bad Gateway" }, { 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" }, { 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" }
};
/* clang-format on */

const char *
http_status_words(int status)
{
	size_t i;

	for (i = 0; i < nitems(statuses); i++)
		if (statuses[i].status == status)
			return (statuses[i].words);
	return ("Unknown");
}

static bool
leap(unsigned year)
{
	return (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

/* Days since 1970-01-01 as year, month 0-11 and day 1-31. */
static void
civil_date(uint64_t days, unsigned *year, unsigned *month, unsigned *day)
{
	static const uint8_t lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30,
		31, 30, 31 };
	unsigned y = 1970, m = 0, n;

	for (; days >= (n = leap(y) ? 366 : 365) && y < 9999; y++)
		days -= n;
	for (; m < 11 && days >= (n = lengths[m] + (m == 1 && leap(y) ? 1u :
	    0u)); m++)
		days -= n;
	*year = y;
	*month = m;
	*day = (unsigned)(days % 31) + 1;
}

/* IMF-fixdate, RFC 9110 section 5.6.7; no locale, no time zone. */
static void
encode_date(struct buf *b, uint64_t unix_s)
{
	static const char wdays[] = "ThuFriSatSunMonTueWed";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	uint64_t days = unix_s / 86400;
	unsigned s = (unsigned)(unix_s % 86400), year, month, day;

	civil_date(days, &year, &month, &day);
	buf_printf(b, "Date: %.3s, %02u %.3s %04u %02u:%02u:%02u GMT\r\n",
	    wdays + days % 7 * 3, day, months + month * 3, year,
	    s / 3600, s / 60 % 60, s % 60);
}

void
http_encode_head(struct buf *b, int status, uint64_t unix_s, bool keep_alive,
    const char *type, int64_t n, const char *extra)
{
	buf_str(b, "HTTP/1.1 ");
	buf_u64(b, (uint64_t)status);
	buf_byte(b, ' ');
	buf_str(b, http_status_words(status));
	buf_str(b, "\r\n");
	encode_date(b, unix_s);
	buf_str(b, keep_alive ? "Connection: keep-alive\r\n" :
	    "Connection: close\r\n");
	if (n >= 0) {
		buf_str(b, "Content-Length: ");
		buf_u64(b, (uint64_t)n);
		buf_str(b, "\r\n");
	}
	if (type != NULL) {
		buf_str(b, "Content-Type: ");
		buf_str(b, type);
		buf_str(b, "\r\n");
	}
	buf_str(b, "X-Content-Type-Options: nosniff\r\n");
	if (extra != NULL)
		buf_str(b, extra);
	buf_str(b, "\r\n");
}

void
http_encode_response(struct buf *b, int status, uint64_t unix_s,
    bool keep_alive, const char *type, struct slice body, const char *extra)
{
	http_encode_head(b, status, unix_s, keep_alive, type, (int64_t)body.n,
	    extra);
	buf_slice(b, body);
}
