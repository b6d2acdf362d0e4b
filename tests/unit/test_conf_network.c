/* Networks of trusted_proxies. */
#include "conf/network.h"

#include "proto/http_forwarded.h"
#include "tests/lib/check.h"

static void
networks_are_read_and_printed(void **state)
{
	static const char *const rows[][2] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "192.0.2.1/32", "192.0.2.1" },
		{ "10.0.0.0/8", "10.0.0.0/8" },
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "2001:DB8::/32", "2001:db8::/32" },
		{ "::1", "::1" },
		{ "::/0", "::/0" },
		{ "::ffff:10.0.0.0/104", "10.0.0.0/8" },
		{ "unix:", "unix:" },
	};
	struct conf_network net;
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_init(&b);
		assert_null(conf_network_parse(rows[i][0], &net));
		conf_network_print(&net, &b);
		assert_text(buf_unread(&b), rows[i][1]);
		buf_fini(&b);
	}
}

static void
what_is_none_is_refused(void **state)
{
	static const char *const rows[] = { "", "10.0.0.1/8", "10/8",
		"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1",
		"2001:db8::1/64", "::/129", "[::1]", "::1:80%x", "localhost",
		"10.0.0.1:80", "unix:/run/x", "*", "/8",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1111:2222" };
	struct conf_network net;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_non_null(conf_network_parse(rows[i], &net));
}

static bool
has(const char *network, const char *address)
{
	struct conf_network net[2];
	uint8_t a[16] = { 0 };
	uint16_t port;

	assert_null(conf_network_parse("203.0.113.7", &net[0]));
	assert_null(conf_network_parse(network, &net[1]));
	if (*address != '\0')
		assert_true(forwarded_node(slice_str(address), a, &port));
	return (conf_network_listed(net, 2, a));
}

static void
addresses_are_held_against_them(void **state)
{
	(void)state;
	assert_true(has("10.0.0.0/8", "10.255.1.2"));
	assert_true(has("10.0.0.0/8", "::ffff:10.255.1.2"));
	assert_false(has("10.0.0.0/8", "11.0.0.0"));
	assert_false(has("10.0.0.0/8", "a00::1"));
	assert_true(has("10.0.0.128/25", "10.0.0.128"));
	assert_false(has("10.0.0.128/25", "10.0.0.127"));
	assert_true(has("10.0.0.1", "203.0.113.7"));
	assert_false(has("10.0.0.1", "10.0.0.2"));
	assert_true(has("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
	assert_false(has("0.0.0.0/0", "2001:db8::1"));
	assert_true(has("::/0", "10.0.0.1"));
	assert_true(has("unix:", ""));
	assert_false(has("::/0", ""));
	assert_false(has("unix:", "10.0.0.1"));
	assert_false(conf_network_listed(NULL, 0, (const uint8_t[16]){ 0 }));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks_are_read_and_printed),
		cmocka_unit_test(what_is_none_is_refused),
		cmocka_unit_test(addresses_are_held_against_them),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
