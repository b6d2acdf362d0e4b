/* Envelopes of the plain WebSocket protocol. */
#include "proto/raw.h"

#include "proto/json.h"
#include "tests/lib/check.h"

static void
an_envelope_is_taken_apart(void **state)
{
	struct raw_message m;

	(void)state;
	assert_true(raw_decode(SLICE(" {\"event\":\"say\",\"data\":{\"a\":[1]},"
				     "\"id\":7}\n"), &m) > 0);
	assert_slice(m.event, "\"say\"");
	assert_slice(m.data, "{\"a\":[1]}");
	assert_slice(m.id, "7");
	assert_true(raw_decode(SLICE("{\"id\":\"x\",\"extra\":{\"event\":1},"
				     "\"event\":\"e\"}"), &m) > 0);
	assert_slice(m.event, "\"e\"");
	assert_int_equal(m.data.n, 0);
	assert_slice(m.id, "\"x\"");
	assert_true(raw_decode(SLICE("{\"event\":\"e\","
				     "\"id\":18446744073709551615}"), &m) > 0);
	assert_slice(m.id, "18446744073709551615");
	assert_true(raw_decode(SLICE("{\"event\":1,\"\\u0065vent\":\"e\"}"),
	    &m) > 0);
	assert_slice(m.event, "\"e\"");
}

static void
other_texts_are_refused(void **state)
{
	static const struct slice rows[] = { SLICE(""), SLICE("x"),
		SLICE("[]"), SLICE("\"event\""), SLICE("{}"), SLICE("null"),
		SLICE("{\"event\":\"\"}"), SLICE("{\"event\":1}"),
		SLICE("{\"event\":null}"), SLICE("{\"event\":\"a\"} x"),
		SLICE("{\"event\":\"a\"}{}"), SLICE("{\"event\":\"a\""),
		SLICE("{\"event\":\"a\",\"event\":{}}"),
		SLICE("{\"event\":\"a\",\"id\":1.5}"),
		SLICE("{\"event\":\"a\",\"id\":null}"),
		SLICE("{\"event\":\"a\",\"id\":[1]}"),
		SLICE("{\"event\":\"a\",\"id\":1e99}"),
		SLICE("{\"event\":\"a\",\"id\":18446744073709551616}"),
		SLICE("{\"event\":\"a\",\"id\":-9007199254740992}"),
		SLICE("{\"event\":\"\xff\"}") };
	struct raw_message m;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_row(raw_decode(rows[i], &m) == CODEC_BAD, rows[i]);
		assert_non_null(m.why);
	}
}

static void
what_is_bad_is_answered_by_its_id(void **state)
{
	static const struct {
		struct slice in;
		const char *id;
	} rows[] = {
		{ SLICE("{\"event\":1,\"id\":2}"), "2" },
		{ SLICE("{\"id\":\"x\"}"), "\"x\"" },
		{ SLICE("{\"event\":\"\",\"id\":3,\"data\":[]}"), "3" },
		{ SLICE("{\"ack\":-1,\"id\":4}"), "4" },
		{ SLICE("{\"event\":1,\"id\":1.5}"), "" },
		{ SLICE("{\"event\":1,\"id\":null}"), "" },
		{ SLICE("{\"event\":1,\"id\":5"), "" },
	};
	struct raw_message m;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_row(raw_decode(rows[i].in, &m) == CODEC_BAD,
		    rows[i].in);
		assert_text(m.id, rows[i].id);
	}
}

static void
string_ids_have_at_most_64_bytes(void **state)
{
	struct raw_message m;
	struct buf b;
	size_t i, n;

	(void)state;
	buf_init(&b);
	for (n = 63; n <= 65; n++) {
		buf_reset(&b);
		buf_str(&b, "{\"event\":\"e\",\"id\":\"");
		for (i = 0; i < n; i++)
			buf_byte(&b, 'i');
		buf_str(&b, "\"}");
		assert_int_equal(raw_decode(buf_unread(&b), &m) > 0, n <= 64);
	}
	for (n = 64; n <= 65; n++) {	/* however they are spelled */
		buf_reset(&b);
		buf_str(&b, "{\"event\":\"e\",\"id\":\"");
		for (i = 0; i < n; i++)
			buf_str(&b, "\\u0069");
		buf_str(&b, "\"}");
		assert_int_equal(raw_decode(buf_unread(&b), &m) > 0, n <= 64);
	}
	buf_fini(&b);
}

/* The event as written, into memory of exactly the announced size. */
static void
assert_event(const struct raw_event *ev, const char *want)
{
	size_t n = raw_event_size(ev);
	uint8_t *p = malloc(n);

	assert_non_null(p);
	assert_ptr_equal(raw_event_put(p, ev), p + n);
	assert_text(slice_of(p, n), want);
	assert_true(json_valid(slice_of(p, n)));
	free(p);
}

static void
events_show_args_only_when_there_are_several(void **state)
{
	static const struct slice one = SLICE("{\"a\":[1,2]}");
	static const struct slice two = SLICE(" 1 , \"x\"");
	struct raw_event ev = { .event = SLICE("\"e\"") };

	(void)state;
	assert_event(&ev, "{\"event\":\"e\",\"data\":null}");
	ev.args = ev.first = one;
	assert_event(&ev, "{\"event\":\"e\",\"data\":{\"a\":[1,2]}}");
	ev.args = two;
	ev.first = slice_of(two.p + 1, 1);
	ev.meta = SLICE("{\"id\":1}");
	assert_event(&ev, "{\"event\":\"e\",\"data\":1,\"args\":[ 1 , \"x\"],"
			  "\"meta\":{\"id\":1}}");
	ev.args.n = 3;		/* only white space behind the first */
	assert_event(&ev, "{\"event\":\"e\",\"data\":1,\"meta\":{\"id\":1}}");
}

static void
events_that_ask_carry_their_number(void **state)
{
	struct raw_event ev = { .event = SLICE("\"e\""), .has_id = true,
		.id = UINT64_C(18446744073709551615) };

	(void)state;
	assert_event(&ev, "{\"event\":\"e\",\"data\":null,"
	    "\"id\":18446744073709551615}");
	ev.id = 0;
	ev.meta = SLICE("{\"id\":1}");
	assert_event(&ev, "{\"event\":\"e\",\"data\":null,"
	    "\"meta\":{\"id\":1},\"id\":0}");
}

static void
clients_acknowledge_by_number(void **state)
{
	static const char *const bad[] = { "{\"ack\":-1}", "{\"ack\":1.5}",
		"{\"ack\":\"1\"}", "{\"ack\":null}", "{\"ack\":[1]}",
		"{\"ack\":99999999999999999999}" };
	struct raw_message m;
	size_t i;

	(void)state;
	assert_true(raw_decode(SLICE("{\"ack\":7,\"data\":[1]}"), &m) > 0);
	assert_true(m.is_ack);
	assert_int_equal(m.ack, 7);
	assert_text(m.data, "[1]");
	/* an event may have a member of that name */
	assert_true(raw_decode(SLICE("{\"event\":\"e\",\"ack\":\"x\"}"),
	    &m) > 0);
	assert_false(m.is_ack);
	for (i = 0; i < nitems(bad); i++)
		assert_int_equal(raw_decode(slice_str(bad[i]), &m), CODEC_BAD);
}

static void
acks_name_the_id_as_it_came(void **state)
{
	struct slice one = SLICE("{\"ok\":true}"), two = SLICE("[1] ,2");
	struct buf b;

	(void)state;
	buf_init(&b);
	raw_encode_ack(&b, SLICE("7"), one, one);
	assert_buf(&b, "{\"ack\":7,\"data\":{\"ok\":true}}");
	raw_encode_ack(&b, SLICE("\"x\\n\""), SLICE(""),
	    SLICE(""));
	assert_buf(&b, "{\"ack\":\"x\\n\",\"data\":null}");
	raw_encode_ack(&b, SLICE("8"), two, slice_of(two.p, 3));
	assert_buf(&b, "{\"ack\":8,\"data\":[1],\"args\":[[1] ,2]}");
	raw_encode_ack_error(&b, SLICE("7"), "rate", SLICE("too \"fast\""),
	    SLICE(""), SLICE(""));
	assert_buf(&b, "{\"ack\":7,\"error\":{\"code\":\"rate\",\"message\":"
		       "\"too \\\"fast\\\"\"}}");
	raw_encode_ack_error(&b, SLICE("7"), "rate", SLICE("x"), SLICE(""),
	    SLICE(",\"retry_after_ms\":300"));
	assert_buf(&b, "{\"ack\":7,\"error\":{\"code\":\"rate\",\"message\":"
		       "\"x\",\"retry_after_ms\":300}}");
	raw_encode_ack_error(&b, SLICE("7"), "own", SLICE("x"),
	    SLICE("{\"a\":[]}"), SLICE(""));
	assert_buf(&b, "{\"ack\":7,\"error\":{\"code\":\"own\",\"message\":"
		       "\"x\",\"data\":{\"a\":[]}}}");
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_envelope_is_taken_apart),
		cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(what_is_bad_is_answered_by_its_id),
		cmocka_unit_test(string_ids_have_at_most_64_bytes),
		cmocka_unit_test(events_show_args_only_when_there_are_several),
		cmocka_unit_test(events_that_ask_carry_their_number),
		cmocka_unit_test(clients_acknowledge_by_number),
		cmocka_unit_test(acks_name_the_id_as_it_came),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
