/*
 * HTTP/1.1 request heads; see http.h.  A head is read line by
 * line, so that what is wrong is refused as soon as its line is there; the
 * fields that decide how the message ends, or whether it is refused, are a
 * table.  What a request asks for is the router's concern.
 */
#include "proto/http_int.h"

#include "base/ascii.h"

/* clang-format off */
#define T(c) [c] = 1
/* tchar, RFC 9110 section 5.6.2 */
const uint8_t http_tchars[256] = {
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
http_is_token(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!http_tchars[s.p[i]])
			return (false);
	return (s.n > 0);
}

static bool
http_refuse(struct http_request *r, int status, const char *why)
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
http_method_from(struct slice name)
{
	size_t i;

	for (i = 0; i < nitems(methods); i++)
		if (slice_eq(name, slice_str(methods[i].name)))
			return (methods[i].method);
	return (HTTP_OTHER);
}

static bool
http_take_version(struct http_request *r, struct slice v)
{
	if (v.n != 8 || !slice_starts(v, SLICE("HTTP/")) ||
	    !ascii_digit(v.p[5]) || v.p[6] != '.' || !ascii_digit(v.p[7]))
		return (http_refuse(r, 400, "bad request line"));
	if (v.p[5] != '1' || v.p[7] > '1')
		return (http_refuse(r, 505, "HTTP version not supported"));
	r->minor = v.p[7] - '0';
	return (true);
}

/* Section 3.2.1: an absolute path with or without a query. */
static bool
http_take_origin_form(struct http_request *r, struct slice target)
{
	r->target = target;
	r->query = target;
	r->path = ascii_take(&r->query, '?');
	if (r->path.n == 0)	/* absolute-form without a path */
		r->path = SLICE("/");
	return (true);
}

/* A registered name, or an IPv4 address: RFC 3986 section 3.2.2. */
static bool
http_valid_name(struct slice h)
{
	static const char others[] = "-._~%!$&'()*+,;=";
	size_t i;

	for (i = 0; i < h.n; i++) {
		uint8_t c = h.p[i];

		if (!ascii_digit(c) &&
		    !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') &&
		    (c == '\0' || strchr(others, c) == NULL))
			return (false);
	}
	return (true);
}

/* What is between the brackets of an IPv6 address, roughly. */
static bool
http_valid_ipv6(struct slice h)
{
	size_t i, colons = 0;

	for (i = 0; i < h.n; i++) {
		if (h.p[i] == ':')
			colons++;
		else if (ascii_hex(h.p[i]) < 0 && h.p[i] != '.')
			return (false);
	}
	return (colons >= 2 && h.n <= sizeof "1111:2222:3333:4444:5555:6666:"
	    "255.255.255.255" - 1);
}

static bool
http_valid_port(struct slice p)
{
	unsigned port = 0;
	size_t i;

	for (i = 0; i < p.n; i++) {
		if (!ascii_digit(p.p[i]) || port > 6553)
			return (false);
		port = port * 10 + (p.p[i] - '0');
	}
	return (port <= 65535);
}

/*
 * Host and port, RFC 3986 section 3.2, without user information; a port may
 * be empty, a host alone may be, too (RFC 9112 section 3.2).
 */
bool
http_valid_host(struct slice h)
{
	struct slice rest = h, host;
	bool v6 = h.n > 0 && h.p[0] == '[';

	if (v6) {
		rest = slice_from(h, 1);
		host = ascii_take(&rest, ']');
		if (host.n + 1 == h.n || !http_valid_ipv6(host))
			return (false);
		return (rest.n == 0 || (rest.p[0] == ':' &&
		    http_valid_port(slice_from(rest, 1))));
	}
	host = ascii_take(&rest, ':');
	return (http_valid_name(host) && (host.n > 0 || h.n == 0) &&
	    http_valid_port(rest));
}

/* Section 3.2.2: scheme and authority in front; they replace the Host. */
static bool
http_take_absolute_form(struct http_request *r, struct slice target,
    size_t scheme)
{
	struct slice rest = slice_from(target, scheme);
	size_t i;

	for (i = 0; i < rest.n && rest.p[i] != '/' && rest.p[i] != '?'; i++)
		;
	r->host = slice_of(rest.p, i);
	if (i == 0 || !http_valid_host(r->host))
		return (http_refuse(r, 400, "bad authority"));
	rest = slice_from(rest, i);
	if (rest.n == 0)
		rest = SLICE("/");
	return (http_take_origin_form(r, rest));
}

static bool
http_take_target(struct http_request *r, struct slice target)
{
	size_t i;

	for (i = 0; i < target.n; i++)
		if (target.p[i] <= 0x20 || target.p[i] >= 0x7f ||
		    target.p[i] == '#')
			return (http_refuse(r, 400, "bad character in target"));
	if (target.n == 0)
		return (http_refuse(r, 400, "bad request line"));
	if (target.p[0] == '/')
		return (http_take_origin_form(r, target));
	if (target.n > 7 && strncasecmp((const char *)target.p, "http://",
	    7) == 0)
		return (http_take_absolute_form(r, target, 7));
	if (target.n > 8 && strncasecmp((const char *)target.p, "https://",
	    8) == 0)
		return (http_take_absolute_form(r, target, 8));
	if (r->method == HTTP_OPTIONS && slice_eq(target, SLICE("*")))
		return (http_take_origin_form(r, target));
	return (http_refuse(r, 400, "bad target"));
}

static bool
http_take_request_line(struct http_request *r, struct slice line)
{
	struct slice rest = line, method, target;

	if (line.n > HTTP_LINE_MAX)
		return (http_refuse(r, 414, "request line too long"));
	method = ascii_take(&rest, ' ');
	target = ascii_take(&rest, ' ');
	if (!http_is_token(method))
		return (http_refuse(r, 400, "bad method"));
	r->method = http_method_from(method);
	if (!http_take_version(r, rest))
		return (false);
	r->keep_alive = r->minor == 1;
	return (http_take_target(r, target));
}

/* --- fields (section 5) and what they decide (section 6) ----------------- */

static bool
http_on_host(struct http_request *r, struct slice v)
{
	if (http_field_count(r, "host") > 1)
		return (http_refuse(r, 400, "more than one Host"));
	if (!http_valid_host(v))
		return (http_refuse(r, 400, "bad Host"));
	if (r->host.p == NULL)	/* absolute-form has set it already */
		r->host = v;
	return (true);
}

static bool
http_on_content_length(struct http_request *r, struct slice v)
{
	int64_t n = 0;
	size_t i;

	if (r->content_length >= 0)
		return (http_refuse(r, 400, "more than one Content-Length"));
	if (v.n == 0 || v.n > 18)
		return (http_refuse(r, 400, "bad Content-Length"));
	for (i = 0; i < v.n; i++) {
		if (!ascii_digit(v.p[i]))
			return (http_refuse(r, 400, "bad Content-Length"));
		n = n * 10 + (v.p[i] - '0');
	}
	r->content_length = n;
	return (true);
}

/* Section 6.1: last must be chunked; whatever is before it is not served. */
static bool
http_on_transfer_encoding(struct http_request *r, struct slice v)
{
	struct slice rest = v, last = v;

	if (r->chunked)
		return (http_refuse(r, 400, "more than one Transfer-Encoding"));
	if (r->minor == 0)
		return (http_refuse(r, 400, "Transfer-Encoding in HTTP/1.0"));
	while (rest.n > 0)
		last = ascii_trim(ascii_take(&rest, ','));
	if (!slice_caseeq(last, SLICE("chunked")))
		return (http_refuse(r, 400, "bad Transfer-Encoding"));
	if (last.n != v.n)
		return (http_refuse(r, 501, "Transfer-Encoding not served"));
	r->chunked = true;
	return (true);
}

static bool
http_on_expect(struct http_request *r, struct slice v)
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
	{ "host",		http_on_host },
	{ "content-length",	http_on_content_length },
	{ "transfer-encoding",	http_on_transfer_encoding },
	{ "expect",		http_on_expect }
};
/* clang-format on */

static bool
http_valid_value(struct slice v)
{
	size_t i;

	for (i = 0; i < v.n; i++)
		if ((v.p[i] < 0x20 && v.p[i] != '\t') || v.p[i] == 0x7f)
			return (false);
	return (true);
}

static bool
http_take_field(struct http_request *r, struct slice line)
{
	struct slice rest = line, name;
	size_t i;

	if (ascii_blank(line.p[0]))
		return (http_refuse(r, 400, "folded field"));
	name = ascii_take(&rest, ':');
	if (name.n == line.n || !http_is_token(name))
		return (http_refuse(r, 400, "bad field name"));
	rest = ascii_trim(rest);
	if (!http_valid_value(rest))
		return (http_refuse(r, 400, "control byte in field"));
	if (r->nfields == HTTP_FIELDS_MAX)
		return (http_refuse(r, 431, "too many fields"));
	r->fields[r->nfields++] = (struct http_field){ name, rest };
	for (i = 0; i < nitems(known); i++)
		if (slice_caseeq(name, slice_str(known[i].name)))
			return (known[i].on(r, rest));
	return (true);
}

/* What can be said only when all fields are there. */
static bool
http_finish(struct http_request *r)
{
	if (r->minor == 1 && http_field_count(r, "host") == 0)
		return (http_refuse(r, 400, "no Host"));
	if (r->chunked && r->content_length >= 0)
		return (http_refuse(r, 400,
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
http_take_line(struct http_request *r, struct slice *rest, struct slice *line)
{
	const uint8_t *lf;

	lf = rest->n == 0 ? NULL : memchr(rest->p, '\n', rest->n);
	if (lf == NULL)
		return (false);
	if (lf == rest->p || lf[-1] != '\r')
		return (http_refuse(r, 400, "bare LF"));
	*line = slice_of(rest->p, (size_t)(lf - rest->p) - 1);
	*rest = slice_from(*rest, line->n + 2);
	return (true);
}

static void
http_request_init(struct http_request *r)
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
http_unfinished(struct http_request *r, size_t seen, size_t left, bool first)
{
	if (r->status == 0 && first && left > HTTP_LINE_MAX + 1)
		(void)http_refuse(r, 414, "request line too long");
	if (r->status == 0 && seen >= HTTP_HEAD_MAX)
		(void)http_refuse(r, 431, "head too long");
	return (r->status == 0 ? CODEC_MORE : CODEC_BAD);
}

ssize_t
http_decode_request(struct slice in, struct http_request *r)
{
	struct slice rest = in, line;
	bool first = true;

	http_request_init(r);
	if (rest.n > HTTP_HEAD_MAX)
		rest.n = HTTP_HEAD_MAX;
	/* Section 2.2: an empty line that ended the last body, perhaps. */
	if (slice_starts(rest, SLICE("\r\n")))
		rest = slice_from(rest, 2);
	if (rest.n > 0 && !http_tchars[rest.p[0]] && rest.p[0] != '\r')
		(void)http_refuse(r, 400, "bad method");
	while (r->status == 0 && http_take_line(r, &rest, &line)) {
		if (first) {
			first = false;
			if (!http_take_request_line(r, line))
				break;
			continue;
		}
		if (line.n == 0) {
			if (!http_finish(r))
				break;
			return (rest.p - in.p);
		}
		if (!http_take_field(r, line))
			break;
	}
	return (http_unfinished(r, in.n, rest.n, first));
}
