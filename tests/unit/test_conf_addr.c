/* Addresses to listen on. */
#include "conf/value/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "tests/lib/check.h"

static void
is_v4(const struct conf_addr *addr, uint32_t host, unsigned port)
{
	struct sockaddr_in sin;

	assert_int_equal(addr->len, sizeof(sin));
	memcpy(&sin, &addr->sa, sizeof(sin));
	assert_int_equal(sin.sin_family, AF_INET);
	assert_int_equal(ntohs(sin.sin_port), port);
	assert_int_equal(ntohl(sin.sin_addr.s_addr), host);
}

static void
is_v6(const struct conf_addr *addr, const struct in6_addr *host, unsigned port)
{
	struct sockaddr_in6 sin6;

	assert_int_equal(addr->len, sizeof(sin6));
	memcpy(&sin6, &addr->sa, sizeof(sin6));
	assert_int_equal(sin6.sin6_family, AF_INET6);
	assert_int_equal(ntohs(sin6.sin6_port), port);
	assert_memory_equal(&sin6.sin6_addr, host, sizeof(*host));
}

static void
ipv4_and_ipv6_are_understood(void **state)
{
	struct conf_addr addrs[CONF_ADDRS_MAX];
	unsigned n;

	(void)state;
	assert_null(conf_addr_parse("127.0.0.1:8080", addrs, &n));
	assert_int_equal(n, 1);
	is_v4(&addrs[0], INADDR_LOOPBACK, 8080);
	assert_null(conf_addr_parse("[::1]:0", addrs, &n));
	assert_int_equal(n, 1);
	is_v6(&addrs[0], &in6addr_loopback, 0);
}

static void
star_nothing_and_localhost_are_one_of_each_kind(void **state)
{
	struct conf_addr addrs[CONF_ADDRS_MAX];
	unsigned n;

	(void)state;
	assert_null(conf_addr_parse("*:65535", addrs, &n));
	assert_int_equal(n, 2);
	is_v4(&addrs[0], INADDR_ANY, 65535);
	is_v6(&addrs[1], &in6addr_any, 65535);
	assert_null(conf_addr_parse(":8080", addrs, &n));
	assert_int_equal(n, 2);
	is_v4(&addrs[0], INADDR_ANY, 8080);
	is_v6(&addrs[1], &in6addr_any, 8080);
	assert_null(conf_addr_parse("LocalHost:1", addrs, &n));
	assert_int_equal(n, 2);
	is_v4(&addrs[0], INADDR_LOOPBACK, 1);
	is_v6(&addrs[1], &in6addr_loopback, 1);
}

static void
unix_paths_are_absolute_and_fit(void **state)
{
	struct conf_addr addrs[CONF_ADDRS_MAX];
	char text[5 + 108 + 1] = "unix:/";
	struct sockaddr_un sun;
	unsigned n;

	(void)state;
	assert_null(conf_addr_parse("unix:/run/roost.sock", addrs, &n));
	assert_int_equal(n, 1);
	memcpy(&sun, &addrs[0].sa, sizeof(sun));
	assert_int_equal(sun.sun_family, AF_UNIX);
	assert_string_equal(sun.sun_path, "/run/roost.sock");
	assert_non_null(conf_addr_parse("unix:run.sock", addrs, &n));
	assert_non_null(conf_addr_parse("unix:", addrs, &n));
	memset(text + 6, 'x', 106);
	text[112] = '\0';			/* a path of 107 bytes */
	assert_null(conf_addr_parse(text, addrs, &n));
	memcpy(text + 112, "x", 2);
	assert_non_null(conf_addr_parse(text, addrs, &n));
}

static void
names_and_nonsense_are_refused(void **state)
{
	static const char *const rows[] = { "", ":", "8080", "host:80",
		"localhos:80", "localhost", "localhost:", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
		"127.0.0.1:1k", "127.0.0.1:-1", "127.0.0.1: 1", "1.2.3:1",
		"::1:80", "[::1:80", "::1]:80", "[]:80", "[127.0.0.1]:80",
		"[::1%lo]:80", "[::ffff:127.0.0.1]:80", "*", "**:80", "127.0.0.1:000080",
		"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:80" };
	struct conf_addr addrs[CONF_ADDRS_MAX];
	unsigned n;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		assert_row(conf_addr_parse(rows[i], addrs, &n) != NULL,
		    slice_str(rows[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_and_ipv6_are_understood),
		cmocka_unit_test(
		    star_nothing_and_localhost_are_one_of_each_kind),
		cmocka_unit_test(unix_paths_are_absolute_and_fit),
		cmocka_unit_test(names_and_nonsense_are_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
