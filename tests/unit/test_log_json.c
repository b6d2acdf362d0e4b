/* Log lines as objects of JSON. */
#include "sys/log_json.h"

#include "proto/json.h"
#include "tests/lib/check.h"

static const struct log_json_head head = { .time = "2026-01-02T03:04:05.678Z",
	.level = "info", .process = "worker/1", .pid = 812 };
#define HEAD								\
	"{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"info\","	\
	"\"process\":\"worker/1\",\"process_id\":812"

static void
assert_line(const char *message, const char *rest)
{
	char out[2048], want[2048];
	size_t n;

	n = log_json(out, sizeof out, &head, slice_str(message));
	(void)snprintf(want, sizeof want, HEAD "%s", rest);
	assert_slices(slice_of(out, n), slice_str(want));
}

static void
event_and_keys_are_members(void **state)
{
	(void)state;
	assert_line("ready", ",\"event\":\"ready\"}");
	assert_line("ready workers=2 node=5bd2 config=\"/etc/a b\"",
	    ",\"event\":\"ready\",\"workers\":2,\"node\":\"5bd2\","
	    "\"config\":\"/etc/a b\"}");
}

static void
only_whole_numbers_without_quotes_are_numbers(void **state)
{
	(void)state;
	assert_line("e a=0 b=-7 c=007 d=1.5 f=1e3 g=- h= i=\"42\" "
	    "j=999999999999999 k=1000000000000000",
	    ",\"event\":\"e\",\"a\":0,\"b\":-7,\"c\":\"007\",\"d\":\"1.5\","
	    "\"f\":\"1e3\",\"g\":\"-\",\"h\":\"\",\"i\":\"42\","
	    "\"j\":999999999999999,\"k\":\"1000000000000000\"}");
}

static void
what_has_no_key_is_a_message(void **state)
{
	(void)state;
	assert_line("Something else: went wrong",
	    ",\"message\":\"Something else: went wrong\"}");
	assert_line("event key=\"no end", ",\"event\":\"event\","
	    "\"message\":\"key=\\\"no end\"}");
	assert_line("event k=1 and more", ",\"event\":\"event\",\"k\":1,"
	    "\"message\":\"and more\"}");
	assert_line("", "}");
}

static void
any_bytes_are_a_string(void **state)
{
	(void)state;
	assert_line("e k=\\x00\"x", ",\"event\":\"e\",\"k\":\"\\\\x00\\\"x\"}");
	assert_line("e k=\"\x01\t\x7f\"",
	    ",\"event\":\"e\",\"k\":\"\\u0001\\u0009\\u007f\"}");
	assert_line("e k=\"\xc3\xa4\"", ",\"event\":\"e\",\"k\":\"\xc3\xa4\"}");
	assert_line("e k=\"\xc3\"", ",\"event\":\"e\",\"k\":\"\\u00c3\"}");
}

static void
without_room_it_is_an_object_still(void **state)
{
	char out[512], message[1500], tail[] = ",\"cut\":true}";
	size_t i, n, at;

	(void)state;
	for (i = 0; i < 1400; i += 7) {
		at = (size_t)snprintf(message, sizeof message, "e a=");
		memset(message + at, i % 2 == 0 ? 'x' : '\\', i);
		(void)snprintf(message + at + i, sizeof message - at - i,
		    " b=2");
		n = log_json(out, sizeof out, &head, slice_str(message));
		assert_true(n < sizeof out);
		assert_true(json_valid(slice_of(out, n)));
		assert_true(out[n - 1] == '}');
		if (i > 480)
			assert_memory_equal(out + n - strlen(tail), tail,
			    strlen(tail));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(event_and_keys_are_members),
		cmocka_unit_test(only_whole_numbers_without_quotes_are_numbers),
		cmocka_unit_test(what_has_no_key_is_a_message),
		cmocka_unit_test(any_bytes_are_a_string),
		cmocka_unit_test(without_room_it_is_an_object_still),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
