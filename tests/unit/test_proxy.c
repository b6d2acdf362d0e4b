/* Headers of the PROXY protocol, after its specification. */
#include "proto/proxy.h"

#include "tests/lib/check.h"

static const uint8_t four[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 };
static const uint8_t six[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
static const uint8_t none[16];

/* The same whole, byte by byte, and with more behind it. */
static ssize_t
decoded(struct slice in, enum proxy_version takes, struct proxy *x)
{
	uint8_t more[PROXY_MAX + 64];
	struct proxy part;
	ssize_t n = CODEC_MORE;
	uint8_t *p;
	size_t i;

	for (i = 0; i <= in.n && n == CODEC_MORE; i++) {
		p = check_copy(slice_of(in.p, i));
		n = proxy_decode(slice_of(p, i), takes, &part);
		free(p);
	}
	assert_int_equal(proxy_decode(in, takes, x), n);
	if (n > 0) {
		assert_int_equal(n, i - 1);
		assert_int_equal(part.port, x->port);
		assert_memory_equal(part.address, x->address, 16);
		assert_int_equal(part.tls, x->tls);
	} else if (n == CODEC_BAD)
		assert_string_equal(part.why, x->why);
	assert_true(in.n + 16 < sizeof more);
	if (in.n > 0)
		memcpy(more, in.p, in.n);
	memset(more + in.n, 'x', 16);
	if (n != CODEC_MORE)
		assert_int_equal(proxy_decode(slice_of(more, in.n + 16), takes,
		    x), n);
	return (n);
}

static void
is(struct slice in, bool known, const uint8_t address[16], unsigned port)
{
	struct proxy x;

	assert_int_equal(decoded(in, PROXY_ANY, &x), in.n);
	assert_int_equal(x.known, known);
	assert_memory_equal(x.address, address, 16);
	assert_int_equal(x.port, port);
}

static void
is_bad(struct slice in, const char *why)
{
	struct proxy x;

	assert_int_equal(decoded(in, PROXY_ANY, &x), CODEC_BAD);
	assert_string_equal(x.why, why);
}

static void
lines_of_version_1(void **state)
{
	static const struct slice bad[] = {
		SLICE("PROXY \r\n"), SLICE("PROXY TCP4\r\n"),
		SLICE("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"),
		SLICE("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n"),
		SLICE("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"),
		SLICE("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n"),
		SLICE("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n"),
		SLICE("PROXY TCP4 192.0.2.1 192.0.2.2 000001 2\r\n"),
		SLICE("PROXY TCP4 192.0.2.1 2001:db8::2 1 2\r\n"),
		SLICE("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"),
		SLICE("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"),
		SLICE("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n"),
		SLICE("PROXY UNKNOWNS\r\n"),
	};
	struct proxy x;
	size_t i;

	(void)state;
	is(SLICE("PROXY TCP4 192.0.2.1 255.255.255.255 65535 0\r\n"), true,
	    four, 65535);
	is(SLICE("PROXY TCP6 2001:db8::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:"
	    "ffff 51234 443\r\n"), true, six, 51234);
	is(SLICE("PROXY UNKNOWN\r\n"), false, none, 0);
	is(SLICE("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535"
	    "\r\n"), false, none, 0);
	for (i = 0; i < sizeof bad / sizeof *bad; i++)
		is_bad(bad[i], "bad line");
	is_bad(SLICE("PROXY UNKNOWN 0123456789012345678901234567890123456789"
	    "012345678901234567890123456789012345678901234567890123456789"),
	    "line too long");
	is_bad(SLICE("GET / HTTP/1.1\r\n\r\n"), "no PROXY header");
	is_bad(SLICE("POST"), "no PROXY header");
	is_bad(SLICE("\x16\x03\x01"), "no PROXY header");
	assert_int_equal(decoded(SLICE("PROXY TCP4 192.0"), PROXY_V1, &x),
	    CODEC_MORE);
	assert_int_equal(decoded(SLICE("PROXY UNKNOWN\r\n"), PROXY_V2, &x),
	    CODEC_BAD);
}

/* --- version 2 ------------------------------------------------------------- */

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* A header: command, family, addresses and TLVs. */
static struct slice
binary(uint8_t command, uint8_t family, struct slice rest, struct buf *b)
{
	buf_reset(b);
	buf_slice(b, SLICE(SIGNATURE));
	buf_byte(b, command);
	buf_byte(b, family);
	buf_byte(b, (uint8_t)(rest.n >> 8));
	buf_byte(b, (uint8_t)rest.n);
	buf_slice(b, rest);
	return (buf_unread(b));
}

#define ON_FOUR "\xc0\0\2\1\xc0\0\2\2\xc8\x22\1\xbb"	/* 51234, 443 */
#define ON_SIX "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1" \
	"\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\xc8\x22\1\xbb"

static void
headers_of_version_2(void **state)
{
	static uint8_t rest[PROXY_MAX];
	struct buf b;

	(void)state;
	buf_init(&b);
	is(binary(0x21, 0x11, SLICE(ON_FOUR), &b), true, four, 51234);
	is(binary(0x21, 0x21, SLICE(ON_SIX), &b), true, six, 51234);
	is(binary(0x21, 0x31, slice_of(rest, 216), &b), true, none, 0);
	is(binary(0x21, 0x00, SLICE(""), &b), false, none, 0);
	/* the proxy itself, whatever else it says */
	is(binary(0x20, 0x00, SLICE(""), &b), false, none, 0);
	is(binary(0x20, 0x11, SLICE(ON_FOUR), &b), false, none, 0);
	is(binary(0x20, 0xff, SLICE("abc"), &b), false, none, 0);
	is(binary(0x21, 0x11, SLICE(ON_FOUR "\1\0\2h2\4\0\0"), &b), true, four,
	    51234);
	is(binary(0x21, 0x00, SLICE("\4\0\1x"), &b), false, none, 0);
	is(binary(0x20, 0x00, slice_of(rest, PROXY_MAX - 16), &b), false, none,
	    0);
	is_bad(binary(0x20, 0x00, slice_of(rest, PROXY_MAX - 15), &b),
	    "header too long");
	is_bad(binary(0x21, 0x11, SLICE(ON_FOUR "\1\0"), &b), "bad TLV");
	is_bad(binary(0x21, 0x11, SLICE(ON_FOUR "\1\0\3h2"), &b), "bad TLV");
	is_bad(binary(0x22, 0x11, SLICE(ON_FOUR), &b),
	    "unknown version or command");
	is_bad(binary(0x11, 0x11, SLICE(ON_FOUR), &b),
	    "unknown version or command");
	is_bad(binary(0x21, 0x12, SLICE(ON_FOUR), &b),
	    "unknown family, or too short for it");
	is_bad(binary(0x21, 0x41, SLICE(ON_FOUR), &b),
	    "unknown family, or too short for it");
	is_bad(binary(0x21, 0x21, SLICE(ON_FOUR), &b),
	    "unknown family, or too short for it");
	is_bad(SLICE("\r\n\r\nx"), "no PROXY header");
	buf_fini(&b);
}

/* Reckoned apart from the code: over all bytes, those of the sum being zero. */
static void
its_checksum_counts(void **state)
{
	static const struct slice good = SLICE(ON_FOUR "\3\0\4"
	    "\x66\x38\x49\x54" "\4\0\1x");
	uint8_t rest[32];
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	is(binary(0x21, 0x11, good, &b), true, four, 51234);
	for (i = 0; i < good.n; i++) {
		memcpy(rest, good.p, good.n);
		rest[i] ^= 1;
		if (i >= 12 && (i < 15 || (i > 18 && i < 22)))
			continue;	/* another TLV, or none */
		is_bad(binary(0x21, 0x11, slice_of(rest, good.n), &b),
		    "bad checksum");
	}
	is_bad(binary(0x21, 0x11, SLICE(ON_FOUR "\3\0\2xx"), &b),
	    "bad checksum");
	buf_fini(&b);
}

/* What says that the client speaks TLS: 2.2.6, "the PP2_TYPE_SSL type". */
static void
tls_is_told(void **state)
{
	static const struct {
		struct slice	tlvs;
		bool		tls;
	} good[] = {
		{ SLICE(""), false },
		{ SLICE("\x20\0\5\1\0\0\0\0"), true },
		{ SLICE("\x20\0\5\0\0\0\0\1"), false },
		/* a certificate was shown in an earlier connection: nothing
		 * about this one */
		{ SLICE("\x20\0\5\4\0\0\0\0"), false },
		/* version, name and cipher, as HAProxy sends them, among others */
		{ SLICE("\1\0\2h2\x20\0\x18\7\0\0\0\0\x21\0\7TLSv1.3"
		    "\x22\0\6client\4\0\1x"), true },
	};
	static const struct slice bad[] = {
		SLICE("\x20\0\0"), SLICE("\x20\0\4\1\0\0\0"),
		SLICE("\x20\0\6\1\0\0\0\0\x21"),
		SLICE("\x20\0\x0b\1\0\0\0\0\x21\0\4TLS"),
		SLICE("\x20\0\5\1\0\0\0\0\x20\0\5\0\0\0\0\0"),
	};
	struct proxy x;
	struct buf b, rest;
	size_t i;

	(void)state;
	buf_init(&b);
	buf_init(&rest);
	for (i = 0; i < nitems(good); i++) {
		buf_reset(&rest);
		buf_slice(&rest, SLICE(ON_FOUR));
		buf_slice(&rest, good[i].tlvs);
		assert_true(decoded(binary(0x21, 0x11, buf_unread(&rest), &b),
		    PROXY_V2, &x) > 0);
		assert_true(x.known);
		assert_int_equal(x.tls, good[i].tls);
		/* the proxy's own connection is not a client's */
		assert_true(decoded(binary(0x20, 0x11, buf_unread(&rest), &b),
		    PROXY_V2, &x) > 0);
		assert_false(x.tls);
	}
	for (i = 0; i < nitems(bad); i++) {
		buf_reset(&rest);
		buf_slice(&rest, SLICE(ON_FOUR));
		buf_slice(&rest, bad[i]);
		is_bad(binary(0x21, 0x11, buf_unread(&rest), &b), "bad TLV");
	}
	buf_fini(&b);
	buf_fini(&rest);
}

/* A header of a Network Load Balancer of AWS, as it was seen on the wire: a
 * checksum, the id of an endpoint (0xea), and 36 bytes of nothing. */
static void
a_network_load_balancer(void **state)
{
	static const struct slice begin = SLICE("\xac\x1f\x07\x71"
	    "\xac\x1f\x0a\x1f" "\xc8\xf2" "\0\x50" "\3\0\4\xe8\xd6\x89\x2d"
	    "\xea\0\x17\1vpce-08d2bf15fac5001c9" "\4\0\x24");
	static const uint8_t from[16] = { [10] = 0xff, [11] = 0xff, 172, 31, 7,
		113 };
	uint8_t rest[84] = { 0 };
	struct buf b;

	(void)state;
	assert_int_equal(begin.n + 36, sizeof rest);
	memcpy(rest, begin.p, begin.n);
	buf_init(&b);
	is(binary(0x21, 0x11, slice_of(rest, sizeof rest), &b), true, from,
	    51442);
	rest[begin.n - 5] ^= 1;
	is_bad(binary(0x21, 0x11, slice_of(rest, sizeof rest), &b),
	    "bad checksum");
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_version_1),
		cmocka_unit_test(headers_of_version_2),
		cmocka_unit_test(its_checksum_counts),
		cmocka_unit_test(tls_is_told),
		cmocka_unit_test(a_network_load_balancer),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
