/* HTTP request heads, chunked bodies, queries, cookies, responses. */
#include "proto/http.h"

#include <time.h>

#include "tests/lib/check.h"

/*
 * Status of the refusal, 0 when it waits for more, 200 when it is whole.  The
 * same must come out when the head arrives byte by byte and when rubbish
 * follows.
 */
static int
verdict(struct slice in)
{
	struct http_request r;
	ssize_t n = CODEC_MORE;
	uint8_t *p;
	size_t i;

	for (i = 1; i <= in.n && n == CODEC_MORE; i++) {
		p = check_copy(slice_of(in.p, i));
		n = http_decode_request(slice_of(p, i), &r);
		free(p);
		if (n > 0)
			assert_int_equal(n, i);
	}
	if (n == CODEC_BAD) {
		int status = r.status;

		assert_non_null(r.why);
		assert_int_equal(http_decode_request(in, &r), CODEC_BAD);
		assert_int_equal(r.status, status);
		return (status);
	}
	assert_int_equal(http_decode_request(in, &r), n);
	return (n > 0 ? 200 : 0);
}

#define H "Host: a\r\n"

static void
good_heads_are_accepted(void **state)
{
	static const struct slice rows[] = {
		SLICE("GET / HTTP/1.1\r\n" H "\r\n"),
		SLICE("\r\nGET / HTTP/1.1\r\n" H "\r\n"),
		SLICE("GET / HTTP/1.0\r\n\r\n"),
		SLICE("GET /%41?b=c%20d&e HTTP/1.1\r\nHost:\r\n\r\n"),
		SLICE("OPTIONS * HTTP/1.1\r\n" H "\r\n"),
		SLICE("PROPFIND /x HTTP/1.1\r\n" H "\r\n"),
		SLICE("GET http://h:80/p?q HTTP/1.1\r\n" H "\r\n"),
		SLICE("GET / HTTP/1.1\r\nhOsT:[::1]:8080\r\n\r\n"),
		SLICE("GET / HTTP/1.1\r\n" H
		      "X: \t a\tb \xff \t\r\nY:\r\n\r\n"),
		SLICE("POST / HTTP/1.1\r\n" H "Content-Length: 007\r\n\r\n"),
		SLICE("POST / HTTP/1.1\r\n" H
		      "Transfer-Encoding:  Chunked \r\n\r\n")
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		assert_row(verdict(rows[i]) == 200, rows[i]);
}

/* Host and port of a Host field, and of an absolute target. */
static void
hosts_are_a_name_and_a_port(void **state)
{
	static const char *const good[] = { "x", "zoo.example", "Z", "x:80",
		"x:", "x:0", "x:65535", "x:00080", "[::1]", "[::1]:8080",
		"[::1]:", "[2001:DB8::1.2.3.4]", "192.0.2.1:1", "a_b", "%41" };
	static const char *const bad[] = { "[::1", "::1]", "x:80:90", "x:abc",
		"x:-1", "x:65536", "x:655360", "x: 80", "[::1]x", "[::1]80",
		"[::1]:x", "[]", "[x]", "[1.2.3.4]", "::1", "[[::1]]", ":80",
		":", "u@x", "x/y", "x]", "[::1%lo]", "[::1]:1:2" };
	struct http_request r;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(good) + nitems(bad); i++) {
		bool is_good = i < nitems(good);
		const char *h = is_good ? good[i] : bad[i - nitems(good)];

		buf_reset(&b);
		buf_printf(&b, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", h);
		assert_row((http_decode_request(buf_unread(&b), &r) > 0) ==
		    is_good, slice_str(h));
		assert_row(is_good || r.status == 400, slice_str(h));
		if (strchr(h, '/') != NULL)
			continue;
		buf_reset(&b);
		buf_printf(&b, "GET http://%s/ HTTP/1.1\r\n" H "\r\n", h);
		assert_row((http_decode_request(buf_unread(&b), &r) > 0) ==
		    is_good, slice_str(h));
	}
	buf_fini(&b);
}

static void
bad_heads_are_refused_with_their_status(void **state)
{
	static const struct {
		struct slice in;
		int status;
	} rows[] = {
		/* request line */
		{ SLICE("\x16\x03\x01"), 400 },
		{ SLICE(" GET / HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("GET /\r\n\r\n"), 400 },
		{ SLICE("GET  / HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("GET /  HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1 \r\n" H "\r\n"), 400 },
		{ SLICE("GET\t/ HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("G@T / HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("GET /a b HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("GET /\0 HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("GET /#f HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("GET x HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("GET * HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("CONNECT h:443 HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("GET http:// HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("GET http:///p HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("GET http://u@h/ HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("GET ftp://h/ HTTP/1.1\r\n" H "\r\n"), 400 },
		{ SLICE("GET / HTTP/2.0\r\n\r\n"), 505 },
		{ SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505 },
		{ SLICE("GET / HTTP/1.2\r\n" H "\r\n"), 505 },
		{ SLICE("GET / HTTP/0.9\r\n" H "\r\n"), 505 },
		{ SLICE("GET / HTTP/1.10\r\n" H "\r\n"), 400 },
		{ SLICE("GET / http/1.1\r\n" H "\r\n"), 400 },
		/* line ends and fields */
		{ SLICE("GET / HTTP/1.1\n" H "\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\nHost: a\n\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\n" H "\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\r\n" H "\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\n" H " folded\r\n\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\n" H "\tfolded\r\n\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\n" H "X : a\r\n\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\n" H ": a\r\n\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\n" H "X\r\n\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\n" H "X(: a\r\n\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\n" H "X\0: a\r\n\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\n" H "X: \x1b[2J\r\n\r\n"), 400 },
		/* Host */
		{ SLICE("GET / HTTP/1.1\r\n\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\n" H H "\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400 },
		{ SLICE("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), 400 },
		{ SLICE("GET http://h/ HTTP/1.1\r\n\r\n"), 400 },
		/* length of the body */
		{ SLICE("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n"
			"Content-Length: 5\r\n\r\n"), 400 },
		{ SLICE("POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n"),
		    400 },
		{ SLICE("POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n"),
		    400 },
		{ SLICE("POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\n"),
		    400 },
		{ SLICE("POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n"),
		    400 },
		{ SLICE("POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n"),
		    400 },
		{ SLICE("POST / HTTP/1.1\r\n" H
			"Content-Length: 9223372036854775808\r\n\r\n"), 400 },
		{ SLICE("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n"
			"Transfer-Encoding: chunked\r\n\r\n"), 400 },
		{ SLICE("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n"
			"Content-Length: 5\r\n\r\n"), 400 },
		{ SLICE("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n"
			"Transfer-Encoding: chunked\r\n\r\n"), 400 },
		{ SLICE("POST / HTTP/1.1\r\n" H
			"Transfer-Encoding: xchunked\r\n\r\n"), 400 },
		{ SLICE("POST / HTTP/1.1\r\n" H
			"Transfer-Encoding: chunked, identity\r\n\r\n"), 400 },
		{ SLICE("POST / HTTP/1.1\r\n" H
			"Transfer-Encoding:\r\n\r\n"), 400 },
		{ SLICE("POST / HTTP/1.1\r\n" H
			"Transfer-Encoding: gzip, chunked\r\n\r\n"), 501 },
		{ SLICE("POST / HTTP/1.0\r\n"
			"Transfer-Encoding: chunked\r\n\r\n"), 400 }
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		assert_row(verdict(rows[i].in) == rows[i].status, rows[i].in);
}

static void
a_head_is_taken_apart(void **state)
{
	static const struct slice in =
	    SLICE("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n"
		  "Host: example.com:80\r\nAccept: a\r\naccept:  b \r\n"
		  "Connection: Upgrade, Keep-Alive\r\n"
		  "UPGRADE: h2c,websocket\r\n"
		  "Expect: 100-Continue\r\n\r\nbehind");
	struct http_request r;
	struct slice v;

	(void)state;
	assert_int_equal(http_decode_request(in, &r), in.n - 6);
	assert_int_equal(r.method, HTTP_GET);
	assert_int_equal(r.minor, 1);
	assert_slice(r.target, "/socket.io/?EIO=4&transport=polling");
	assert_slice(r.path, "/socket.io/");
	assert_slice(r.query, "EIO=4&transport=polling");
	assert_slice(r.host, "example.com:80");
	assert_int_equal(r.nfields, 6);
	assert_int_equal(r.content_length, -1);
	assert_false(r.chunked);
	assert_true(r.keep_alive);
	assert_true(r.expect_continue);
	assert_true(r.upgrade_websocket);
	assert_true(http_field(&r, "ACCEPT", &v));
	assert_slice(v, "a");
	assert_int_equal(http_field_count(&r, "Accept"), 2);
	assert_true(http_field_has(&r, "accept", "b"));
	assert_false(http_field_has(&r, "accept", "c"));
	assert_false(http_field(&r, "cookie", &v));
	assert_int_equal(v.n, 0);
}

static void
absolute_targets_bring_their_own_host(void **state)
{
	static const struct {
		struct slice in;
		const char *path, *query, *host;
	} rows[] = {
		{ SLICE("GET http://h:1/p?q HTTP/1.1\r\n" H "\r\n"), "/p", "q",
		    "h:1" },
		{ SLICE("GET HTTPS://h HTTP/1.1\r\n" H "\r\n"), "/", "", "h" },
		{ SLICE("GET http://h?q=/x HTTP/1.1\r\n" H "\r\n"), "/", "q=/x",
		    "h" },
		{ SLICE("GET /p? HTTP/1.1\r\n" H "\r\n"), "/p", "", "a" },
		{ SLICE("GET //x//y HTTP/1.1\r\n" H "\r\n"), "//x//y", "",
		    "a" },
		{ SLICE("OPTIONS * HTTP/1.1\r\n" H "\r\n"), "*", "", "a" }
	};
	struct http_request r;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_true(http_decode_request(rows[i].in, &r) > 0);
		assert_text(r.path, rows[i].path);
		assert_text(r.query, rows[i].query);
		assert_text(r.host, rows[i].host);
	}
}

static void
connections_persist_as_the_version_says(void **state)
{
	static const struct {
		struct slice in;
		bool keep;
	} rows[] = {
		{ SLICE("GET / HTTP/1.1\r\n" H "\r\n"), true },
		{ SLICE("GET / HTTP/1.1\r\n" H "Connection: Close\r\n\r\n"),
		    false },
		{ SLICE("GET / HTTP/1.0\r\n\r\n"), false },
		{ SLICE("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
		    true },
		{ SLICE("GET / HTTP/1.1\r\n" H
			"Connection: keep-alive, close\r\n\r\n"), false }
	};
	struct http_request r;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_true(http_decode_request(rows[i].in, &r) > 0);
		assert_row(r.keep_alive == rows[i].keep, rows[i].in);
	}
}

static void
fill(struct buf *b, size_t n, char c)
{
	while (n-- > 0)
		buf_byte(b, (uint8_t)c);
}

/* Decode with that many bytes in target, another field, and field lines. */
static int
sized(size_t target, size_t field, size_t lines)
{
	struct http_request r;
	struct buf b;
	ssize_t n;

	buf_init(&b);
	buf_str(&b, "GET /");
	fill(&b, target - 1, 't');
	buf_str(&b, " HTTP/1.1\r\n" H "X:");
	fill(&b, field, 'f');
	buf_str(&b, "\r\n");
	for (; lines > 2; lines--)
		buf_str(&b, "L:\r\n");
	buf_str(&b, "\r\n");
	n = http_decode_request(buf_unread(&b), &r);
	buf_fini(&b);
	return (n > 0 ? 200 : n == CODEC_MORE ? 0 : r.status);
}

static void
sizes_are_limited(void **state)
{
	const size_t rest = sizeof "GET / HTTP/1.1\r\n" H "X:\r\n\r\n" - 1;
	static const uint8_t zeros[HTTP_HEAD_MAX + 1];
	struct http_request r;
	struct buf b;

	(void)state;
	assert_int_equal(sized(HTTP_LINE_MAX - 13, 0, 2), 200);
	assert_int_equal(sized(HTTP_LINE_MAX - 12, 0, 2), 414);
	assert_int_equal(sized(1, HTTP_HEAD_MAX - rest, 2), 200);
	assert_int_equal(sized(1, HTTP_HEAD_MAX - rest + 1, 2), 431);
	assert_int_equal(sized(1, 0, HTTP_FIELDS_MAX), 200);
	assert_int_equal(sized(1, 0, HTTP_FIELDS_MAX + 1), 431);
	assert_int_equal(http_decode_request(slice_of(zeros, sizeof zeros),
	    &r), CODEC_BAD);
	buf_init(&b);
	fill(&b, HTTP_LINE_MAX + 1, 'A');
	assert_int_equal(http_decode_request(buf_unread(&b), &r), CODEC_MORE);
	fill(&b, 1, 'A');
	assert_int_equal(http_decode_request(buf_unread(&b), &r), CODEC_BAD);
	assert_int_equal(r.status, 414);
	buf_fini(&b);
}

/* --- queries, paths, cookies --------------------------------------------- */

static void
query_values_are_decoded_and_the_last_one_wins(void **state)
{
	static const struct slice q = SLICE("a=1&b=x%20y+z&a=%32&&c&d=&"
					    "%65=k&f=%&g=%00&h[]=1&i=a=b&=v");
	static const struct {
		const char *name, *value;	/* NULL: absent */
	} rows[] = {
		{ "a", "2" }, { "b", "x y z" }, { "c", "" }, { "d", "" },
		{ "e", "k" }, { "h[]", "1" }, { "h", NULL }, { "i", "a=b" },
		{ "", "v" }, { "A", NULL }, { "__proto__", NULL }
	};
	uint8_t out[128];
	ssize_t n;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		n = http_query_get(q, rows[i].name, out);
		if (rows[i].value == NULL) {
			assert_int_equal(n, -1);
			continue;
		}
		assert_true(n >= 0);
		assert_text(slice_of(out, (size_t)n), rows[i].value);
	}
	assert_int_equal(http_query_get(q, "f", out), -2);
	assert_int_equal(http_query_get(q, "g", out), -2);
	assert_int_equal(http_query_get(SLICE("a=%4"), "a", out), -2);
	assert_int_equal(http_query_get(SLICE("a=%zz"), "a", out), -2);
	assert_int_equal(http_query_get(slice_of(NULL, 0), "a", out), -1);
}

static void
query_values_of_a_name_come_in_their_order(void **state)
{
	struct slice q = SLICE("room=a%2Cb&x=1&r%6fom=c+d&&room&room=%0&room=e");
	static const char *const want[] = { "a,b", "c d", "", NULL, "e" };
	uint8_t out[64];
	size_t i;
	ssize_t n;

	(void)state;
	for (i = 0; i < nitems(want); i++) {
		n = http_query_next(&q, "room", out);
		if (want[i] == NULL)
			assert_int_equal(n, -2);
		else
			assert_slices(slice_of(out, (size_t)n),
			    slice_str(want[i]));
	}
	assert_int_equal(http_query_next(&q, "room", out), -1);
}

static void
paths_are_decoded_without_plus(void **state)
{
	uint8_t out[32];
	ssize_t n;

	(void)state;
	n = http_path_decode(SLICE("/a+b%2Fc%c3%A9"), out);
	assert_slice(slice_of(out, (size_t)n), "/a+b/c\xc3\xa9");
	assert_int_equal(http_path_decode(SLICE(""), out), 0);
	assert_int_equal(http_path_decode(SLICE("/%00"), out), -1);
	assert_int_equal(http_path_decode(SLICE("/%2"), out), -1);
	assert_int_equal(http_path_decode(SLICE("/%G0"), out), -1);
}

static void
cookies_are_found_in_all_their_fields(void **state)
{
	static const struct slice in =
	    SLICE("GET / HTTP/1.1\r\n" H "Cookie: a=1; bb=\"two\";c\r\n"
		  "cookie: d = 4;e=x=y; a=9\r\n\r\n");
	struct http_request r;
	struct slice v;

	(void)state;
	assert_true(http_decode_request(in, &r) > 0);
	assert_true(http_cookie(&r, SLICE("a"), &v));
	assert_slice(v, "1");
	assert_true(http_cookie(&r, SLICE("bb"), &v));
	assert_slice(v, "two");
	assert_false(http_cookie(&r, SLICE("c"), &v));
	assert_true(http_cookie(&r, SLICE("d"), &v));
	assert_slice(v, "4");
	assert_true(http_cookie(&r, SLICE("e"), &v));
	assert_slice(v, "x=y");
	assert_false(http_cookie(&r, SLICE("b"), &v));
}

static void
empty_credentials_are_absent_and_hide_none(void **state)
{
	static const struct {
		struct slice	 in;
		unsigned	 n;
		const char	*bearer, *cookie;
	} rows[] = {
#define GET	"GET / HTTP/1.1\r\n" H
		{ SLICE(GET "\r\n"), 0, "", "" },
		{ SLICE(GET "Authorization: Bearer x\r\n\r\n"), 1, "x", "" },
		{ SLICE(GET "authorization: bEARER  \t x \r\n\r\n"), 1, "x",
		    "" },
		{ SLICE(GET "Authorization: Bearer\r\n\r\n"), 0, "", "" },
		{ SLICE(GET "Authorization: Bearer  \r\n\r\n"), 0, "", "" },
		{ SLICE(GET "Authorization: Bearerx\r\n\r\n"), 0, "", "" },
		{ SLICE(GET "Authorization: Basic x\r\n\r\n"), 0, "", "" },
		{ SLICE(GET "Authorization: Bearer \r\n"
		      "Authorization: Basic x\r\n"
		      "Authorization: Bearer y\r\n\r\n"), 1, "y", "" },
		{ SLICE(GET "Authorization: Bearer y\r\n"
		      "Authorization: Bearer z\r\n\r\n"), 2, "y", "" },
		{ SLICE(GET "Cookie: t=; t=\"\"; t=a; t=b\r\n\r\n"), 0, "",
		    "a" },
		{ SLICE(GET "Cookie: t=\r\nCookie: t=a\r\n\r\n"), 0, "",
		    "a" },
		{ SLICE(GET "Cookie: t\r\n\r\n"), 0, "", "" },
#undef GET
	};
	static const struct {
		struct slice	 query;
		const char	*want;
	} queries[] = {
		{ SLICE("t=a&t="), "a" }, { SLICE("t=&t=a"), "a" },
		{ SLICE("t=a&t=b&t"), "b" }, { SLICE("%74=%61&t="), "a" },
		{ SLICE("t="), NULL }, { SLICE("t"), NULL },
		{ SLICE("x=a"), NULL }
	};
	struct http_request r;
	uint8_t out[16];
	struct slice v;
	ssize_t n;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_true(http_decode_request(rows[i].in, &r) > 0);
		assert_row(http_bearer(&r, &v) == rows[i].n, rows[i].in);
		assert_text(v, rows[i].bearer);
		assert_row(http_cookie(&r, SLICE("t"), &v) ==
		    (*rows[i].cookie != '\0'), rows[i].in);
		assert_text(v, rows[i].cookie);
	}
	for (i = 0; i < nitems(queries); i++) {
		n = http_query_filled(queries[i].query, "t", out);
		assert_row((n == -1) == (queries[i].want == NULL),
		    queries[i].query);
		if (n >= 0)
			assert_text(slice_of(out, (size_t)n),
			    queries[i].want);
	}
}

static void
a_list_is_one_over_all_its_lines(void **state)
{
	static const struct {
		struct slice	 in;
		const char	*want;
	} rows[] = {
		{ SLICE("X: chat, superchat\r\n"), "<chat><superchat>" },
		{ SLICE("X: chat\r\nY: no\r\nx: superchat,\r\n"),
		    "<chat><superchat>" },
		{ SLICE("X:\r\nX: , ,,\t ,\r\n"), "" },
		{ SLICE("X: ,a ,, b\t\r\nX: a b\r\nX: c\r\n"),
		    "<a><b><a b><c>" },
		{ SLICE(""), "" },
	};
	struct http_request r;
	struct http_list l;
	struct buf b, got;
	struct slice one;
	size_t i;

	(void)state;
	buf_init(&b);
	buf_init(&got);
	for (i = 0; i < nitems(rows); i++) {
		buf_reset(&b);
		buf_str(&b, "GET / HTTP/1.1\r\n" H);
		buf_slice(&b, rows[i].in);
		buf_str(&b, "\r\n");
		assert_true(http_decode_request(buf_unread(&b), &r) > 0);
		buf_reset(&got);
		for (l = http_list(&r, "x"); http_list_next(&l, &one);)
			buf_printf(&got, "<%.*s>", (int)one.n,
			    (const char *)one.p);
		assert_text(buf_unread(&got), rows[i].want);
	}
	buf_fini(&got);
	buf_fini(&b);
}

/* --- chunked bodies ------------------------------------------------------ */

/* Decode in pieces of step bytes behind the first; "DATA|behind" or "!". */
static void
chunked_cut(struct slice in, size_t head, size_t step, struct buf *out)
{
	struct http_chunked c = { 0, 0, 0, 0 };
	struct slice data, piece;
	bool end = false;
	ssize_t n;

	while (in.n > 0 && !end) {
		piece = slice_of(in.p, head < in.n ? head : in.n);
		head = step;
		while (piece.n > 0 && !end) {
			uint8_t *p = check_copy(piece);

			n = http_decode_chunked(&c, slice_of(p, piece.n),
			    &data, &end);
			if (n == CODEC_BAD) {
				free(p);
				buf_byte(out, '!');
				return;
			}
			assert_true(n > 0);
			buf_slice(out, data);
			free(p);
			piece = slice_from(piece, (size_t)n);
			in = slice_from(in, (size_t)n);
		}
	}
	if (end) {
		buf_byte(out, '|');
		buf_slice(out, in);
	}
}

static void
check_chunked(struct slice in, const char *want)
{
	struct buf b;
	size_t i;

	buf_init(&b);
	for (i = 1; i <= in.n; i++) {
		chunked_cut(in, i, in.n, &b);
		assert_text(buf_unread(&b), want);
		buf_reset(&b);
		chunked_cut(in, i, 1, &b);
		assert_text(buf_unread(&b), want);
		buf_reset(&b);
	}
	buf_fini(&b);
}

static void
chunks_are_joined_up_to_the_end(void **state)
{
	(void)state;
	check_chunked(SLICE("0\r\n\r\n"), "|");
	check_chunked(SLICE("5\r\nhello\r\n0\r\n\r\nGET /"), "hello|GET /");
	check_chunked(SLICE("3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n"),
	    "abc0123456789|");
	check_chunked(SLICE("1;a=b;c=\"d\"\r\nx\r\n0;e\r\nT: v\r\nU:\r\n\r\n"),
	    "x|");
	check_chunked(SLICE("1;~a=\"\\\"; \t\\\\\";b\r\nx\r\n0\r\nT:~\r\n\r\n"),
	    "x|");
	check_chunked(SLICE("2\r\n\r\n\r\n0\r\n\r\n"), "\r\n|");
	check_chunked(SLICE("5\r\nhel"), "hel");
}

static void
bad_chunks_are_refused(void **state)
{
	static const struct {
		struct slice in;
		const char *want;
	} rows[] = {
		{ SLICE("\r\n"), "!" }, { SLICE("x\r\n"), "!" },
		{ SLICE("-1\r\n"), "!" }, { SLICE("0x1\r\n"), "!" },
		{ SLICE(" 1\r\n"), "!" }, { SLICE("1\nx"), "!" },
		{ SLICE("1\rx"), "!" }, { SLICE("1\r\nxy"), "x!" },
		{ SLICE("1\r\nx\n"), "x!" }, { SLICE("1\r\nx\ry"), "x!" },
		{ SLICE("10000000000000000\r\n"), "!" },
		{ SLICE("0000000000000000\r\n"), "!" },
		{ SLICE("0\r\n\n"), "!" }, { SLICE("0\r\n\rx"), "!" },
		{ SLICE("0\r\n folded\r\n"), "!" },
		{ SLICE("0\r\nT: \x01\r\n"), "!" },
		{ SLICE("0\r\nT: a\n\r\n"), "!" },
		/* blanks behind a size, half an extension, half a trailer */
		{ SLICE("1 \r\n"), "!" }, { SLICE("1\t\r\n"), "!" },
		{ SLICE("1 ;a\r\n"), "!" }, { SLICE("1;a \r\n"), "!" },
		{ SLICE("1; a\r\n"), "!" }, { SLICE("1;a =b\r\n"), "!" },
		{ SLICE("1;\r\n"), "!" }, { SLICE("1;;a\r\n"), "!" },
		{ SLICE("1;a=\r\n"), "!" }, { SLICE("1;a=;b\r\n"), "!" },
		{ SLICE("2;a=\"\r\n"), "!" }, { SLICE("2;a=\"b\r\n"), "!" },
		{ SLICE("2;a=\"b\"c\r\n"), "!" },
		{ SLICE("2;a=b\"\r\n"), "!" }, { SLICE("1;\x7f\r\n"), "!" },
		{ SLICE("1;a=\"\x7f\"\r\n"), "!" },
		{ SLICE("0\r\nT\r\n"), "!" }, { SLICE("0\r\nT : v\r\n"), "!" },
		{ SLICE("0\r\n: v\r\n"), "!" },
		{ SLICE("0\r\nT: \x7f\r\n"), "!" },
		{ SLICE("1;\n"), "!" }, { SLICE("1;\0\r\n"), "!" }
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		check_chunked(rows[i].in, rows[i].want);
}

static void
extensions_and_trailers_are_limited(void **state)
{
	struct http_chunked c = { 0, 0, 0, 0 };
	struct slice data, in = SLICE("1;eeeeeeee\r\nx\r\n"), rest;
	ssize_t n = 0;
	bool end;
	int i;

	(void)state;
	for (i = 0; i < 10000 && n != CODEC_BAD; i++)
		for (rest = in; rest.n > 0 && n != CODEC_BAD;) {
			n = http_decode_chunked(&c, rest, &data, &end);
			if (n > 0)
				rest = slice_from(rest, (size_t)n);
		}
	assert_int_equal(n, CODEC_BAD);
	assert_in_range(i, 800, 1100);
}

/* --- responses ----------------------------------------------------------- */

static void
responses_have_the_fields_promised(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	http_encode_response(&b, 200, 784111777, true, "text/html",
	    SLICE("ok"), "cache-control: no-store\r\n");
	assert_buf(&b, "HTTP/1.1 200 OK\r\n"
		       "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
		       "Connection: keep-alive\r\nContent-Length: 2\r\n"
		       "Content-Type: text/html\r\n"
		       "X-Content-Type-Options: nosniff\r\n"
		       "cache-control: no-store\r\n\r\nok");
	http_encode_head(&b, 204, 0, false, NULL, -1, NULL);
	assert_buf(&b, "HTTP/1.1 204 No Content\r\n"
		       "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
		       "Connection: close\r\n"
		       "X-Content-Type-Options: nosniff\r\n\r\n");
	buf_fini(&b);
}

static void
dates_are_those_of_gmtime(void **state)
{
	static const uint64_t rows[] = { 68169600, 951782399, 951782400,
		951868800, 1709164799, 1709164800, 1709251200, 1735689599,
		1735689600, 4107542399, 4107542400, 253402300799 };
	char want[64];
	struct tm tm;
	struct buf b;
	time_t t;
	size_t i;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(rows); i++) {
		t = (time_t)rows[i];
		assert_non_null(gmtime_r(&t, &tm));
		assert_true(strftime(want, sizeof want,
		    "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm) > 0);
		http_encode_head(&b, 200, rows[i], true, NULL, -1, NULL);
		assert_text(slice_of(b.data + 17, strlen(want)), want);
		buf_reset(&b);
	}
	buf_fini(&b);
}

static void
status_words_are_known(void **state)
{
	(void)state;
	assert_string_equal(http_status_words(431),
	    "Request Header Fields Too Large");
	assert_string_equal(http_status_words(799), "Unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_heads_are_accepted),
		cmocka_unit_test(hosts_are_a_name_and_a_port),
		cmocka_unit_test(bad_heads_are_refused_with_their_status),
		cmocka_unit_test(a_head_is_taken_apart),
		cmocka_unit_test(absolute_targets_bring_their_own_host),
		cmocka_unit_test(connections_persist_as_the_version_says),
		cmocka_unit_test(sizes_are_limited),
		cmocka_unit_test(
		    query_values_are_decoded_and_the_last_one_wins),
		cmocka_unit_test(query_values_of_a_name_come_in_their_order),
		cmocka_unit_test(paths_are_decoded_without_plus),
		cmocka_unit_test(cookies_are_found_in_all_their_fields),
		cmocka_unit_test(empty_credentials_are_absent_and_hide_none),
		cmocka_unit_test(a_list_is_one_over_all_its_lines),
		cmocka_unit_test(chunks_are_joined_up_to_the_end),
		cmocka_unit_test(bad_chunks_are_refused),
		cmocka_unit_test(extensions_and_trailers_are_limited),
		cmocka_unit_test(responses_have_the_fields_promised),
		cmocka_unit_test(dates_are_those_of_gmtime),
		cmocka_unit_test(status_words_are_known),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
