/* Addresses of peers, from text and to text. */
#include "base/address.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/lib/check.h"

static const uint8_t v4[] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
static const uint8_t v6[] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
/* nearly an IPv4 address */
static const uint8_t near[] = { [10] = 0xfe, 0, 203, 0, 113, 7 };

static void
text_is_of_its_family(void **state)
{
	static const struct {
		const char	*text;
		int		 family;
		const uint8_t	*want;
	} rows[] = {
		{ "192.0.2.1", AF_INET, v4 },
		{ "2001:db8::1", AF_INET6, v6 },
		{ "::ffff:192.0.2.1", AF_INET6, v4 },
		{ "192.0.2.1", AF_INET6, NULL },
		{ "2001:db8::1", AF_INET, NULL },
		{ "192.0.2.01", AF_INET, NULL },
		{ "192.0.2", AF_INET, NULL },
		{ "192.0.2.1 ", AF_INET, NULL },
		{ "[2001:db8::1]", AF_INET6, NULL },
		{ "fe80::1%lo", AF_INET6, NULL },
		{ "", AF_INET, NULL },
		{ "1111:1111:1111:1111:1111:1111:111.111.111.1111", AF_INET6,
			NULL },
	};
	uint8_t got[ADDRESS_BYTES], before[ADDRESS_BYTES];
	size_t i;

	(void)state;
	memset(before, 7, sizeof before);
	for (i = 0; i < nitems(rows); i++) {
		memcpy(got, before, sizeof got);
		assert_int_equal(address_parse(slice_str(rows[i].text),
		    rows[i].family, got), rows[i].want != NULL);
		assert_memory_equal(got, rows[i].want != NULL ? rows[i].want :
		    before, sizeof got);
	}
	assert_false(address_parse(slice_of("192.0.2.1\0", 10), AF_INET, got));
}

static void
a_port_that_nobody_said_is_left_out(void **state)
{
	static const uint8_t none[ADDRESS_BYTES];
	char out[ADDRESS_TEXT_MAX];

	(void)state;
	assert_string_equal(address_text(v4, 80, out), "192.0.2.1:80");
	assert_string_equal(address_text(v4, 0, out), "192.0.2.1");
	assert_string_equal(address_text(v6, 65535, out),
	    "[2001:db8::1]:65535");
	assert_string_equal(address_text(v6, 0, out), "2001:db8::1");
	assert_string_equal(address_text(near, 1, out),
	    "[::fe00:cb00:7107]:1");
	assert_string_equal(address_text(none, 0, out), "unix");
	assert_string_equal(address_text(none, 80, out), "unix");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_of_its_family),
		cmocka_unit_test(a_port_that_nobody_said_is_left_out),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
