/* Which addresses are public. */
#include "relay/hooks/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "tests/lib/check.h"

static bool
is_public(const char *text)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return (address_is_public((struct sockaddr *)&v4, sizeof v4));
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return (address_is_public((struct sockaddr *)&v6, sizeof v6));
}

static void
addresses_of_the_world_are_public(void **state)
{
	static const char *const texts[] = { "1.1.1.1", "9.255.255.255",
		"11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255",
		"172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
		"198.20.0.0", "223.255.255.255", "2606:4700::1111",
		"2001:200::1", "2a00::", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
		"2002:808:808::1" };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(texts); i++)
		if (!is_public(texts[i]))
			fail_msg("%s", texts[i]);
}

static void
others_are_not(void **state)
{
	static const char *const texts[] = { "0.0.0.0", "0.1.2.3", "10.0.0.1",
		"10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1",
		"127.255.255.255", "169.254.169.254", "172.16.0.1",
		"172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1",
		"192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
		"203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
		"64:ff9b::127.0.0.1", "64:ff9b:1::1", "100::1", "fc00::1",
		"fd12::1", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1",
		"2001::1", "2002:7f00:1::1", "2002:a00:1::1", "3fff::1",
		"4000::1" };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(texts); i++)
		if (is_public(texts[i]))
			fail_msg("%s", texts[i]);
}

static void
what_is_no_address_is_not(void **state)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x01010101) };
	struct sockaddr sa = { .sa_family = AF_UNIX };

	(void)state;
	assert_false(address_is_public(&sa, sizeof sa));
	assert_false(address_is_public((struct sockaddr *)&v4, 4));
	assert_true(address_is_public((struct sockaddr *)&v4, sizeof v4));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_of_the_world_are_public),
		cmocka_unit_test(others_are_not),
		cmocka_unit_test(what_is_no_address_is_not),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
