/* Addresses to listen on. */
#include "conf/conf_addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "tests/lib/check.h"

static void
ipv4_ipv6_and_the_star_are_understood(void **state)
{
	struct sockaddr_storage addr;
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;
	socklen_t len;

	(void)state;
	assert_null(conf_addr_parse("127.0.0.1:8080", &addr, &len));
	assert_int_equal(len, sizeof(sin));
	memcpy(&sin, &addr, sizeof(sin));
	assert_int_equal(sin.sin_family, AF_INET);
	assert_int_equal(ntohs(sin.sin_port), 8080);
	assert_int_equal(ntohl(sin.sin_addr.s_addr), INADDR_LOOPBACK);

	assert_null(conf_addr_parse("[::1]:0", &addr, &len));
	memcpy(&sin6, &addr, sizeof(sin6));
	assert_int_equal(sin6.sin6_family, AF_INET6);
	assert_int_equal(sin6.sin6_port, 0);
	assert_true(IN6_IS_ADDR_LOOPBACK(&sin6.sin6_addr));

	assert_null(conf_addr_parse("*:65535", &addr, &len));
	memcpy(&sin6, &addr, sizeof(sin6));
	assert_true(IN6_IS_ADDR_UNSPECIFIED(&sin6.sin6_addr));
	assert_int_equal(ntohs(sin6.sin6_port), 65535);
}

static void
unix_paths_are_absolute_and_fit(void **state)
{
	char text[5 + 108 + 1] = "unix:/";
	struct sockaddr_storage addr;
	struct sockaddr_un sun;
	socklen_t len;

	(void)state;
	assert_null(conf_addr_parse("unix:/run/roost.sock", &addr, &len));
	memcpy(&sun, &addr, sizeof(sun));
	assert_int_equal(sun.sun_family, AF_UNIX);
	assert_string_equal(sun.sun_path, "/run/roost.sock");
	assert_non_null(conf_addr_parse("unix:run.sock", &addr, &len));
	assert_non_null(conf_addr_parse("unix:", &addr, &len));
	memset(text + 6, 'x', 106);
	text[112] = '\0';			/* a path of 107 bytes */
	assert_null(conf_addr_parse(text, &addr, &len));
	memcpy(text + 112, "x", 2);
	assert_non_null(conf_addr_parse(text, &addr, &len));
}

static void
names_and_nonsense_are_refused(void **state)
{
	static const char *const rows[] = { "", ":", "8080", ":8080",
		"localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
		"127.0.0.1:1k", "127.0.0.1:-1", "127.0.0.1: 1", "1.2.3:1",
		"::1:80", "[::1:80", "::1]:80", "[]:80", "[127.0.0.1]:80",
		"[::1%lo]:80", "*", "**:80", "127.0.0.1:000080",
		"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:80" };
	struct sockaddr_storage addr;
	socklen_t len;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		assert_row(conf_addr_parse(rows[i], &addr, &len) != NULL,
		    slice_str(rows[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_ipv6_and_the_star_are_understood),
		cmocka_unit_test(unix_paths_are_absolute_and_fit),
		cmocka_unit_test(names_and_nonsense_are_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
