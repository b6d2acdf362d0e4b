/* What a hook answers when it is asked. */
#include "hub/stream/verdict.h"

#include "tests/lib/check.h"

static struct verdict v;

static void
it_allows_or_not(void **state)
{
	(void)state;
	assert_true(verdict_decode(SLICE(""), &v) && v.allow);
	assert_true(verdict_decode(SLICE("{\"allow\":true}"), &v) && v.allow);
	assert_int_equal(v.ack.n + v.message.n, 0);
	assert_true(verdict_decode(SLICE(" {\"x\":[],\"allow\":false} "), &v));
	assert_false(v.allow);
}

static void
it_has_an_acknowledgement_and_words(void **state)
{
	(void)state;
	assert_true(verdict_decode(SLICE("{\"allow\":true,\"ack\":[1,{}]}"),
	    &v));
	check_slices(v.ack, SLICE("1,{}"), __FILE__, __LINE__);
	assert_true(verdict_decode(SLICE("{\"allow\":true,\"ack\":[]}"), &v));
	assert_int_equal(v.ack.n, 0);
	assert_true(verdict_decode(SLICE("{\"allow\":true,\"ack\":[ \n]}"), &v));
	assert_int_equal(v.ack.n, 0);
	assert_true(verdict_decode(SLICE("{\"allow\":true,\"ack\":[\n1 , 2\t]}"),
	    &v));
	check_slices(v.ack, SLICE("1 , 2"), __FILE__, __LINE__);
	assert_true(verdict_decode(SLICE("{\"allow\":false,"
	    "\"message\":\"no\"}"), &v));
	check_slices(v.message, SLICE("\"no\""), __FILE__, __LINE__);
}

static void
all_else_is_none(void **state)
{
	static const char *const texts[] = { " ", "{}", "[]", "true", "{",
		"{\"allow\":1}", "{\"allow\":\"true\"}", "{\"allow\":null}",
		"{\"allow\":true}x", "{\"allow\":true,\"ack\":1}",
		"{\"allow\":true,\"ack\":{}}",
		"{\"allow\":false,\"message\":{}}" };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(texts); i++)
		if (verdict_decode(slice_str(texts[i]), &v))
			fail_msg("%s", texts[i]);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_allows_or_not),
		cmocka_unit_test(it_has_an_acknowledgement_and_words),
		cmocka_unit_test(all_else_is_none),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
