/* What a hook answers when it is asked. */
#include "proto/json_verdict.h"

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
a_refusal_has_a_code_and_data(void **state)
{
	char words[VERDICT_WORDS_MAX + 1];

	(void)state;
	assert_true(verdict_decode(SLICE("{\"allow\":false,\"code\":\"a.b:C_1-\","
	    "\"message\":\"n\\u00f6\",\"data\": [1] ,\"status\":409}"), &v));
	check_slices(v.code, SLICE("a.b:C_1-"), __FILE__, __LINE__);
	check_slices(v.data, SLICE("[1]"), __FILE__, __LINE__);
	assert_int_equal(v.status, 409);
	verdict_words(&v, words);
	assert_string_equal(words, "n\xc3\xb6");
	assert_true(verdict_decode(SLICE("{\"allow\":false,\"data\":null}"),
	    &v));
	check_slices(v.data, SLICE("null"), __FILE__, __LINE__);
	verdict_words(&v, words);
	assert_string_equal(words, "the back end refuses it");
	assert_int_equal(v.code.n + v.status, 0);
}

static void
who_comes_is_somebody_somewhere(void **state)
{
	(void)state;
	assert_true(verdict_decode(SLICE("{\"allow\":true,\"user\":\"ann\","
	    "\"roles\":[\"a\",\"b\"],\"rooms\":[],\"event\":\"hi\","
	    "\"cache\":60}"), &v));
	check_slices(v.user, SLICE("\"ann\""), __FILE__, __LINE__);
	check_slices(v.roles, SLICE("[\"a\",\"b\"]"), __FILE__, __LINE__);
	check_slices(v.rooms, SLICE("[]"), __FILE__, __LINE__);
	check_slices(v.event, SLICE("\"hi\""), __FILE__, __LINE__);
	assert_int_equal(v.cache_s, 60);
}

static void
all_else_is_none(void **state)
{
	static const char *const texts[] = { " ", "{}", "[]", "true", "{",
		"{\"allow\":1}", "{\"allow\":\"true\"}", "{\"allow\":null}",
		"{\"allow\":true}x", "{\"allow\":true,\"ack\":1}",
		"{\"allow\":true,\"ack\":{}}",
		"{\"allow\":false,\"message\":{}}",
		"{\"allow\":false,\"code\":\"\"}",
		"{\"allow\":false,\"code\":\"a b\"}",
		"{\"allow\":false,\"code\":\"a\\n\"}",
		"{\"allow\":false,\"code\":1}",
		"{\"allow\":false,\"status\":200}",
		"{\"allow\":false,\"status\":500}",
		"{\"allow\":true,\"user\":\"\"}",
		"{\"allow\":true,\"user\":7}",
		"{\"allow\":true,\"user\":\"a\\u0000\"}",
		"{\"allow\":true,\"roles\":\"a\"}",
		"{\"allow\":true,\"roles\":[1]}",
		"{\"allow\":true,\"rooms\":[\"\"]}",
		"{\"allow\":true,\"cache\":-1}",
		"{\"allow\":true,\"cache\":1.5}" };
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
		cmocka_unit_test(a_refusal_has_a_code_and_data),
		cmocka_unit_test(who_comes_is_somebody_somewhere),
		cmocka_unit_test(all_else_is_none),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
