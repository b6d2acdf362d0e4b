/* One publication in each form. */
#include "hub/queue/wire.h"
#include "hub/queue/wire_sse.h"

#include <stdlib.h>

#include "check.h"

/* Encoded as w, the bytes are these. */
static void
assert_wire(enum wire w, const struct publication *p, struct slice want)
{
	struct wire_plan plan = wire_plan(w, p);
	uint8_t *out = malloc(plan.total + 1);

	assert_non_null(out);
	wire_put(w, p, &plan, out);
	assert_row(slice_eq(slice_of(out, plan.total), want), want);
	free(out);
}
#define IS(w, p, lit) assert_wire(w, p, SLICE(lit))

static struct publication
publication(const char *args)
{
	return ((struct publication){ .nsp = SLICE("/n"),
	    .event = SLICE("\"e\""), .args = slice_str(args) });
}

static void
each_form_has_its_words(void **state)
{
	struct publication p = publication("[1],2");

	(void)state;
	p.meta = SLICE("{}");
	p.offset = SLICE("\"o\"");
	IS(WIRE_SIO, &p, "\x81\x17" "42/n,[\"e\",[1],2,{},\"o\"]");
	IS(WIRE_SIO_B64, &p, "\x81\x17" "42/n,[\"e\",[1],2,{},\"o\"]");
	IS(WIRE_POLL, &p, "42/n,[\"e\",[1],2,{},\"o\"]\x1e");
	IS(WIRE_BARE, &p, "\x81\x03[1]");
	IS(WIRE_EIO, &p, "\x81\x04" "4[1]");
	IS(WIRE_EIO_B64, &p, "\x81\x04" "4[1]");
	IS(WIRE_EIO_POLL, &p, "4[1]\x1e");
	IS(WIRE_RAW, &p, "\x81\x03[1]");
}

static void
an_engine_message_is_the_text_of_a_string(void **state)
{
	struct publication p =
	    publication("\"a\\n\\\"\\u00e4\\ud83d\\ude00\",1");

	(void)state;
	IS(WIRE_EIO, &p, "\x81\x0a" "4a\n\"\xc3\xa4\xf0\x9f\x98\x80");
	IS(WIRE_EIO_POLL, &p, "4a\n\"\xc3\xa4\xf0\x9f\x98\x80\x1e");
	IS(WIRE_RAW, &p, "\x81\x09" "a\n\"\xc3\xa4\xf0\x9f\x98\x80");
	p = publication("\"\"");
	IS(WIRE_RAW, &p, "\x81\0");
	IS(WIRE_EIO, &p, "\x81\x01" "4");
	IS(WIRE_EIO_POLL, &p, "4\x1e");
	p = publication("");
	IS(WIRE_EIO, &p, "\x81\x05" "4null");
	p = publication(" {\"a\" : 1} , 2");
	IS(WIRE_EIO, &p, "\x81\x0a" "4{\"a\" : 1}");
}

static void
zero_bytes_pass_and_lone_surrogates_are_replaced(void **state)
{
	struct publication p = publication("\"a\\u0000b\\ud800\"");

	(void)state;
	IS(WIRE_EIO, &p, "\x81\x07" "4a\0b\xef\xbf\xbd");
	IS(WIRE_EIO_POLL, &p, "4a\0b\xef\xbf\xbd\x1e");
}

static void
a_separator_does_not_get_into_a_payload(void **state)
{
	struct publication p = publication("\"a\\u001e1\"");

	(void)state;
	IS(WIRE_EIO, &p, "\x81\x04" "4a\x1e" "1");
	IS(WIRE_EIO_B64, &p, "\x81\x04" "4a\x1e" "1");
	IS(WIRE_EIO_POLL, &p, "4a\xef\xbf\xbd" "1\x1e");
}

static void
a_placeholder_is_its_attachment(void **state)
{
	const struct slice parts[] = { SLICE("xy"), SLICE("\x01\x02\x03\x04"),
		SLICE("") };
	struct publication p =
	    publication("{\"_placeholder\":true,\"num\":1},\"more\"");

	(void)state;
	p.attachments = parts;
	p.nattach = 3;
	IS(WIRE_EIO, &p, "\x82\x04\x01\x02\x03\x04");
	IS(WIRE_EIO_B64, &p, "\x81\x09" "bAQIDBA==");
	IS(WIRE_EIO_POLL, &p, "bAQIDBA==\x1e");
	assert_int_equal(1, wire_frames(WIRE_EIO, &p));
	assert_int_equal(4, wire_frames(WIRE_SIO, &p));
	assert_int_equal(0, wire_frames(WIRE_EIO_POLL, &p));
	assert_int_equal(0, wire_frames(WIRE_POLL, &p));
	p.args = SLICE("{\"num\":2,\"_placeholder\":true}");
	IS(WIRE_EIO, &p, "\x82\0");
	IS(WIRE_RAW, &p, "\x82\0");
	assert_int_equal(1, wire_frames(WIRE_RAW, &p));
	IS(WIRE_EIO_POLL, &p, "b\x1e");
}

static void
what_only_looks_like_a_placeholder_is_text(void **state)
{
	static const char *const rows[] = {
		"{\"_placeholder\":true,\"num\":1}",
		"{\"_placeholder\":true,\"num\":-1}",
		"{\"_placeholder\":true,\"num\":0.5}",
		"{\"_placeholder\":true,\"num\":\"0\"}",
		"{\"_placeholder\":true}",
		"{\"_placeholder\":1,\"num\":0}",
		"[{\"_placeholder\":true,\"num\":0}]",
	};
	const struct slice part = SLICE("xy");
	struct publication p;
	char want[64];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		p = publication(rows[i]);
		p.attachments = &part;
		p.nattach = 1;
		(void)snprintf(want, sizeof want, "4%s\x1e", rows[i]);
		assert_wire(WIRE_EIO_POLL, &p, slice_str(want));
	}
	p = publication("{\"_placeholder\":true,\"num\":0}");
	IS(WIRE_EIO_POLL, &p, "4{\"_placeholder\":true,\"num\":0}\x1e");
}

/* Server-Sent Events: three lines, whatever stands in a name or between values. */
static void
an_event_of_a_stream_is_one_line_of_data(void **state)
{
	const struct slice parts[] = { SLICE("xy"), { NULL, 0 } };
	struct publication p = publication("[1],2");
	uint8_t id[32];

	(void)state;
	p.meta = SLICE("{}");
	p.asks = true;
	p.ask_id = 7;
	IS(WIRE_SSE, &p, "event: e\ndata: {\"event\":\"e\",\"data\":[1],"
	    "\"args\":[[1],2],\"meta\":{}}\n\n");
	p = publication("{\r\n\"a\":\n\"b\\nc\"\r}");
	IS(WIRE_SSE, &p, "event: e\ndata: {\"event\":\"e\",\"data\":"
	    "{  \"a\": \"b\\nc\" }}\n\n");
	p = publication("");
	p.event = SLICE("\"a\\nid: 1\\r\\u000a \\u0000\"");
	IS(WIRE_SSE, &p, "event: a\xef\xbf\xbd" "id: 1 \xef\xbf\xbd \0\n"
	    "data: {\"event\":\"a\\nid: 1\\r\\u000a \\u0000\","
	    "\"data\":null}\n\n");
	p = publication("{\"_placeholder\":true,\"num\":0}");
	p.attachments = parts;
	p.nattach = 2;
	IS(WIRE_SSE, &p, "event: e\ndata: {\"event\":\"e\",\"data\":"
	    "{\"_placeholder\":true,\"num\":0},"
	    "\"attachments\":[\"eHk=\",\"\"]}\n\n");
	assert_int_equal(wire_sse_id_size(SLICE("a:1,")), 9);
	assert_ptr_equal(wire_sse_id_put(id, SLICE("a:1,")), id + 9);
	assert_memory_equal(id, "id: a:1,\n", 9);
}

static void
a_message_of_sockjs_is_a_string(void **state)
{
	const struct slice parts[] = { SLICE("xy"), { NULL, 0 } };
	struct publication p = publication("\"a\xe2\x80\xa8\",2");

	(void)state;
	IS(WIRE_SOCKJS_BARE, &p, "\x81\x10" "a[\"\\\"a\\u2028\\\"\"]");
	IS(WIRE_SOCKJS_POLL_BARE, &p, "\"\\\"a\\u2028\\\"\",");
	p.meta = SLICE("{}");
	p.asks = true;
	p.ask_id = 7;
	IS(WIRE_SOCKJS_POLL, &p, "\"{\\\"event\\\":\\\"e\\\",\\\"data\\\":"
	    "\\\"a\\u2028\\\",\\\"args\\\":[\\\"a\\u2028\\\",2],\\\"meta\\\":{},"
	    "\\\"id\\\":7}\",");
	p = publication("1");
	p.attachments = parts;
	p.nattach = 2;
	IS(WIRE_SOCKJS, &p, "\x81\x41" "a[\"{\\\"event\\\":\\\"e\\\",\\\"data\\\":1,"
	    "\\\"attachments\\\":[\\\"eHk=\\\",\\\"\\\"]}\"]");
	assert_int_equal(wire_frames(WIRE_SOCKJS, &p), 1);
	assert_int_equal(wire_frames(WIRE_SOCKJS_POLL, &p), 0);
	p = publication("");
	IS(WIRE_SOCKJS_POLL_BARE, &p, "\"null\",");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_form_has_its_words),
		cmocka_unit_test(an_engine_message_is_the_text_of_a_string),
		cmocka_unit_test(
		    zero_bytes_pass_and_lone_surrogates_are_replaced),
		cmocka_unit_test(a_separator_does_not_get_into_a_payload),
		cmocka_unit_test(a_placeholder_is_its_attachment),
		cmocka_unit_test(what_only_looks_like_a_placeholder_is_text),
		cmocka_unit_test(an_event_of_a_stream_is_one_line_of_data),
		cmocka_unit_test(a_message_of_sockjs_is_a_string),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
