/* Who asks, as proxies say: X-Forwarded-For and Forwarded. */
#include "proto/http_forwarded.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "tests/lib/check.h"

/* 10/8 and ::1 are ours. */
static bool
trusts(const void *arg, const uint8_t a[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t loopback[16] = { [15] = 1 };

	assert_null(arg);
	return ((memcmp(a, mapped, 12) == 0 && a[12] == 10) ||
	    memcmp(a, loopback, 16) == 0);
}

static const char *
name(const uint8_t a[16])
{
	static char text[INET6_ADDRSTRLEN];

	assert_non_null(inet_ntop(AF_INET6, a, text, sizeof text));
	return (strncmp(text, "::ffff:", 7) == 0 ? text + 7 : text);
}

/* Behind 10.0.0.9:99; lines are fields, each with its CRLF. */
static struct forwarded
found(const char *lines, bool standard)
{
	static char head[2 * HTTP_HEAD_MAX];
	static struct http_request r;
	struct forwarded f = { .address = { [10] = 0xff, [11] = 0xff, 10, 0,
	    0, 9 }, .port = 99 };

	(void)snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n",
	    lines);
	assert_true(http_decode_request(slice_str(head), &r) > 0);
	(standard ? forwarded_read : forwarded_x)(&r, trusts, NULL, &f);
	return (f);
}

struct row {
	const char	*lines;
	const char	*address;
	unsigned	 port;
};

static void
all_are(const struct row *rows, size_t n, bool standard)
{
	struct forwarded f;
	size_t i;

	for (i = 0; i < n; i++) {
		f = found(rows[i].lines, standard);
		if (strcmp(name(f.address), rows[i].address) != 0)
			fprintf(stderr, "%s", rows[i].lines);
		assert_string_equal(name(f.address), rows[i].address);
		assert_int_equal(f.port, rows[i].port);
	}
}

#define X "X-Forwarded-For: "

static void
the_list_is_read_from_the_right(void **state)
{
	static const struct row rows[] = {
		{ "", "10.0.0.9", 99 },
		{ X "\r\n", "10.0.0.9", 99 },
		{ X ", ,\r\n", "10.0.0.9", 99 },
		{ X "192.0.2.1\r\n", "192.0.2.1", 0 },
		{ X "192.0.2.1:4711\r\n", "192.0.2.1", 4711 },
		{ X "[2001:db8::1]:4711\r\n", "2001:db8::1", 4711 },
		{ X "[2001:db8::1]\r\n", "2001:db8::1", 0 },
		{ X "2001:db8::1\r\n", "2001:db8::1", 0 },
		{ X "::ffff:192.0.2.1\r\n", "192.0.2.1", 0 },
		/* what a stranger put in front */
		{ X "127.0.0.1, 192.0.2.1\r\n", "192.0.2.1", 0 },
		{ X "10.0.0.1, 192.0.2.1\r\n", "192.0.2.1", 0 },
		{ X "\", [ x, 192.0.2.1\r\n", "192.0.2.1", 0 },
		/* several of ours, in one line or more */
		{ X "203.0.113.7, 192.0.2.1, 10.0.0.2\r\n", "192.0.2.1", 0 },
		{ X "203.0.113.7\r\n" X "192.0.2.1\r\n" X "10.0.0.2 \r\n",
		    "192.0.2.1", 0 },
		{ X "192.0.2.1, ::ffff:10.0.0.2\r\n", "192.0.2.1", 0 },
		{ X "192.0.2.1,, [::1]:5 ,\r\n", "192.0.2.1", 0 },
		{ X "10.0.0.3:1, 10.0.0.2\r\n", "10.0.0.3", 1 },
		/* nobody knows: the proxy that says so stands for it */
		{ X "unknown\r\n", "10.0.0.9", 99 },
		{ X "192.0.2.1, unknown, 10.0.0.2:7\r\n", "10.0.0.2", 7 },
		{ X "_hidden\r\n", "10.0.0.9", 99 },
		{ X "192.0.2.256\r\n", "10.0.0.9", 99 },
		{ X "192.0.2.1:65536\r\n", "10.0.0.9", 99 },
		{ X "192.0.2.1:\r\n", "10.0.0.9", 99 },
		{ X "192.0.2.1:http\r\n", "10.0.0.9", 99 },
		{ X "[2001:db8::1\r\n", "10.0.0.9", 99 },
		{ X "[]\r\n", "10.0.0.9", 99 },
		{ X "[192.0.2.1]\r\n", "10.0.0.9", 99 },
		{ X "fe80::1%eth0\r\n", "10.0.0.9", 99 },
		/* the other header is not asked */
		{ "Forwarded: for=192.0.2.1\r\n", "10.0.0.9", 99 },
	};

	(void)state;
	all_are(rows, sizeof rows / sizeof *rows, false);
}

#define F "Forwarded: "

static void
forwarded_is_read_as_its_standard_says(void **state)
{
	static const struct row rows[] = {
		{ F "for=192.0.2.43\r\n", "192.0.2.43", 0 },
		{ F "for=\"192.0.2.43:47011\"\r\n", "192.0.2.43", 47011 },
		{ F "For=\"[2001:db8:cafe::17]:4711\"\r\n",
		    "2001:db8:cafe::17", 4711 },
		{ F "for=192.0.2.60; proto=http ;by=203.0.113.43\r\n",
		    "192.0.2.60", 0 },
		{ F "for=192.0.2.43, for=198.51.100.17\r\n",
		    "198.51.100.17", 0 },
		{ F "for=192.0.2.43\r\n" F "for=\"10.0.0.2:_a\"\r\n",
		    "192.0.2.43", 0 },
		{ F "for=192.0.2.43;by=\"_a, b; c\\\"d, for=9\", "
		    "for=10.0.0.2\r\n", "192.0.2.43", 0 },
		{ F "for=unknown\r\n", "10.0.0.9", 99 },
		{ F "for=\"_gazonk\"\r\n", "10.0.0.9", 99 },
		{ F "proto=https\r\n", "10.0.0.9", 99 },
		{ F "for=\"10.0.0.2:_a\"\r\n", "10.0.0.2", 0 },
		/* left open, or twice, by a stranger */
		{ F "for=\"127.0.0.1, for=192.0.2.1\r\n", "192.0.2.1", 0 },
		{ F "for=\", for=\"[2001:db8::1]:1\"\r\n", "2001:db8::1", 1 },
		{ F "for=127.0.0.1;for=10.0.0.1\r\n", "10.0.0.9", 99 },
		{ F "for=\"192.0.2.1\\\"\r\n", "10.0.0.9", 99 },
		{ F "for=\"192.0.\\2.1\"\r\n", "10.0.0.9", 99 },
		{ F "for=\"192.0.2.1\"x\r\n", "10.0.0.9", 99 },
		{ F "for\r\n", "10.0.0.9", 99 },
		{ F "=;=\r\n", "10.0.0.9", 99 },
		{ X "192.0.2.1\r\n", "10.0.0.9", 99 },
	};

	(void)state;
	all_are(rows, sizeof rows / sizeof *rows, true);
}

static void
says(const char *lines, bool standard, const char *proto, const char *host)
{
	struct forwarded f = found(lines, standard);

	assert_text(f.proto, proto);
	assert_text(f.host, host);
}

static void
scheme_and_host_come_from_the_same_hop(void **state)
{
	(void)state;
	says("", false, "", "");
	says("X-Forwarded-Proto: https\r\nX-Forwarded-Host: a.example:8443\r\n",
	    false, "https", "a.example:8443");
	says(X "192.0.2.1\r\nX-Forwarded-Proto: http, https\r\n", false,
	    "https", "");
	says(X "192.0.2.1, 10.0.0.2\r\nX-Forwarded-Proto: x, http, https\r\n"
	    "X-Forwarded-Host: evil.example, a.example, inner\r\n", false,
	    "http", "a.example");
	says(X "192.0.2.1, 10.0.0.2\r\nX-Forwarded-Proto: https\r\n", false,
	    "https", "");
	says("X-Forwarded-Host: a/b\r\n", false, "", "");
	says(F "for=192.0.2.1;proto=https;host=\"a.example:8443\"\r\n", true,
	    "https", "a.example:8443");
	says(F "for=1.2.3.4;proto=http;host=evil.example, for=192.0.2.1\r\n",
	    true, "", "");
	says(F "for=192.0.2.1;host=a.example, for=10.0.0.2;proto=https\r\n",
	    true, "https", "a.example");
	says(F "for=unknown;proto=https\r\n", true, "https", "");
}

/* Of a field that is longer, what is left of these bytes is not looked at. */
static void
only_so_much_is_looked_at(void **state)
{
	static char lines[HTTP_HEAD_MAX];
	size_t n, i;

	(void)state;
	n = (size_t)snprintf(lines, sizeof lines, X "192.0.2.1");
	for (i = 0; i < 600; i++)
		n += (size_t)snprintf(lines + n, sizeof lines - n,
		    ", 10.0.0.2");
	(void)snprintf(lines + n, sizeof lines - n, "\r\n");
	assert_string_equal(name(found(lines, false).address), "192.0.2.1");
	for (i = 0; i < 300; i++)
		n += (size_t)snprintf(lines + n, sizeof lines - n,
		    ", 10.0.0.2");
	(void)snprintf(lines + n, sizeof lines - n, "\r\n");
	assert_string_equal(name(found(lines, false).address), "10.0.0.2");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_is_read_from_the_right),
		cmocka_unit_test(forwarded_is_read_as_its_standard_says),
		cmocka_unit_test(scheme_and_host_come_from_the_same_hop),
		cmocka_unit_test(only_so_much_is_looked_at),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
