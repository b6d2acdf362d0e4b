/* Socket.IO packets against the table of validity, and what we write. */
#include "proto/sio.h"

#include "tests/lib/check.h"

static ssize_t
decode(struct slice s, struct sio_packet *pkt)
{
	ssize_t n = sio_decode(s, pkt);

	if (n == CODEC_BAD)
		assert_non_null(pkt->why);
	else
		assert_int_equal(n, s.n);
	return (n);
}

/*
 * What real servers did with malformed packets, one row per case; the digit
 * of the Engine.IO message is left off.  Cases that depend on the session
 * (names not joined, attachments missing) decode well.
 */
static const struct {
	struct slice	 in;
	bool		 ok;
	bool		 empty;
} captured[] = {
	{ SLICE(""), false, false },
	{ SLICE("x"), false, false },
	{ SLICE("7"), false, false },
	{ SLICE("2"), true, true },
	{ SLICE("2[]"), false, false },
	{ SLICE("2{}"), false, false },
	{ SLICE("2\"x\""), false, false },
	{ SLICE("2[null]"), false, false },
	{ SLICE("2[\"a\""), false, false },
	{ SLICE("2[\"connect\"]"), false, false },
	{ SLICE("2[\"disconnecting\"]"), false, false },
	{ SLICE("2[\"newListener\"]"), false, false },
	{ SLICE("2[\"connection\"]"), true, false },
	{ SLICE("2[1]"), true, false },
	{ SLICE("21[\"a\",1]"), true, false },
	{ SLICE("21.5[\"a\"]"), false, false },
	{ SLICE("2/nope,[\"a\"]"), true, false },
	{ SLICE("2/nope"), true, true },
	{ SLICE("3"), true, true },
	{ SLICE("3[]"), true, false },
	{ SLICE("30[]"), true, false },
	{ SLICE("30{}"), false, false },
	{ SLICE("3999[\"x\"]"), true, false },
	{ SLICE("1"), true, false },
	{ SLICE("1/nope,"), true, false },
	{ SLICE("1{}"), false, false },
	{ SLICE("4"), false, false },
	{ SLICE("4{\"message\":\"x\"}"), false, false },
	{ SLICE("0"), true, false },
	{ SLICE("0{\"a\":1}"), true, false },
	{ SLICE("0[]"), false, false },
	{ SLICE("0\"x\""), false, false },
	{ SLICE("51-[\"a\",{\"_placeholder\":true,\"num\":0}]"), true, false },
	{ SLICE("5[\"a\"]"), false, false },
	{ SLICE("50-[\"a\"]"), false, false },
	{ SLICE("511-[\"a\"]"), false, false },
	{ SLICE("51[\"a\"]"), false, false },
	{ SLICE("5x-[\"a\"]"), false, false },
	{ SLICE("5-1-[\"a\"]"), false, false },
	{ SLICE("61-0[{\"_placeholder\":true,\"num\":0}]"), true, false },
	{ SLICE("51-[\"a\",{\"_placeholder\":true,\"num\":5}]"), false, false },
	{ SLICE("51-[\"a\"]"), true, false },
	{ SLICE("510-[\"a\"]"), true, false },
	{ SLICE("0/"), true, false },
	{ SLICE("0/nope,"), true, false },
	{ SLICE("0{\"a\":1"), false, false },
	{ SLICE("0null"), false, false },
	{ SLICE("0,"), false, false },
	{ SLICE("0/,"), true, false },
	{ SLICE("0/x"), true, false },
	{ SLICE("21 [\"a\"]"), true, false },
	{ SLICE("2/x,1\t [\"a\"]\n"), true, false },
	{ SLICE("51- [\"a\"]"), true, false },
	{ SLICE("0 {}"), true, false },
	{ SLICE("21 "), false, false },
	{ SLICE("2 "), false, false },
	{ SLICE("2 1[\"a\"]"), false, false },
	{ SLICE("21\xc2\xa0[\"a\"]"), false, false },
	/* stricter than those servers: ids beyond 2^64 */
	{ SLICE("299999999999999999999[\"a\"]"), false, false },
	{ SLICE("2 [\"a\"]"), true, false }	/* no id; there it is 0 */
};

static void
captured_cases_are_judged_as_specified(void **state)
{
	struct sio_packet pkt;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(captured); i++) {
		uint8_t *p = check_copy(captured[i].in);
		ssize_t n = decode(slice_of(p, captured[i].in.n), &pkt);

		assert_row((n > 0) == captured[i].ok, captured[i].in);
		assert_row(pkt.empty == captured[i].empty, captured[i].in);
		free(p);
	}
}

static void
an_event_is_taken_apart(void **state)
{
	struct sio_packet pkt;

	(void)state;
	assert_true(decode(SLICE("2[\"hi\",1]"), &pkt) > 0);
	assert_int_equal(pkt.type, SIO_EVENT);
	assert_slice(pkt.nsp, "/");
	assert_false(pkt.has_id);
	assert_slice(pkt.data, "[\"hi\",1]");
	assert_slice(pkt.event, "\"hi\"");
	assert_slice(pkt.args, "1");
	assert_true(decode(SLICE("2/chat?a=1,7[\"q\", [1,{\"x\":\"]\"}] ,2 ]"),
	    &pkt) > 0);
	assert_slice(pkt.nsp, "/chat?a=1");
	assert_true(pkt.has_id);
	assert_int_equal(pkt.id, 7);
	assert_slice(pkt.event, "\"q\"");
	assert_slice(pkt.args, "[1,{\"x\":\"]\"}] ,2");
	assert_true(decode(SLICE("20[ \"a\" ]"), &pkt) > 0);
	assert_true(pkt.has_id);
	assert_int_equal(pkt.id, 0);
	assert_slice(pkt.event, "\"a\"");
	assert_int_equal(pkt.args.n, 0);
	assert_true(decode(SLICE("2[-12.5,null]"), &pkt) > 0);
	assert_slice(pkt.event, "-12.5");
	assert_slice(pkt.args, "null");
}

static void
arguments_stay_byte_for_byte(void **state)
{
	static const struct slice args = SLICE("1e+21,-0,12345678901234567890,"
		"\"\xe2\x80\xa8\\u2028\\ud800\\u0000\",{\"a\":1,\"a\":2}");
	struct sio_packet pkt;
	struct buf b;

	(void)state;
	buf_init(&b);
	buf_str(&b, "2[\"e\",");
	buf_slice(&b, args);
	buf_byte(&b, ']');
	assert_true(decode(buf_unread(&b), &pkt) > 0);
	assert_slices(pkt.args, args);
	buf_fini(&b);
}

static void
an_ack_gives_its_elements(void **state)
{
	struct sio_packet pkt;

	(void)state;
	assert_true(decode(SLICE("3/chat,12[1,\"x\"]"), &pkt) > 0);
	assert_int_equal(pkt.type, SIO_ACK);
	assert_int_equal(pkt.id, 12);
	assert_slice(pkt.args, "1,\"x\"");
	assert_true(decode(SLICE("37[ ]"), &pkt) > 0);
	assert_int_equal(pkt.args.n, 0);
	assert_false(pkt.empty);
}

static void
ids_are_exact_up_to_2_to_the_64(void **state)
{
	struct sio_packet pkt;

	(void)state;
	assert_true(decode(SLICE("218446744073709551615[\"a\"]"), &pkt) > 0);
	assert_true(pkt.id == UINT64_MAX);
	assert_true(decode(SLICE("2000018446744073709551615[\"a\"]"),
	    &pkt) > 0);
	assert_true(pkt.id == UINT64_MAX);
	assert_true(decode(SLICE("218446744073709551616[\"a\"]"), &pkt) < 0);
	assert_true(decode(SLICE("218446744073709551620[\"a\"]"), &pkt) < 0);
	assert_true(decode(SLICE("2184467440737095516150[\"a\"]"), &pkt) < 0);
	assert_true(decode(SLICE("21 [\"a\", 2] "), &pkt) > 0);
	assert_true(pkt.has_id && pkt.id == 1);
	assert_slice(pkt.data, "[\"a\", 2]");
	assert_slice(pkt.args, "2");
	assert_true(decode(SLICE("218446744073709551616[\"a\"]"), &pkt) < 0);
	assert_true(decode(SLICE("2-1[\"a\"]"), &pkt) < 0);
}

static void
reserved_names_are_refused_however_they_are_written(void **state)
{
	static const struct slice bad[] = { SLICE("2[\"connect\"]"),
		SLICE("2[\"connect_error\",1]"), SLICE("2[\"disconnect\"]"),
		SLICE("2[\"disconnecting\"]"), SLICE("2[\"newListener\"]"),
		SLICE("2[\"removeListener\"]"), SLICE("2[\"\\u0063onnect\"]"),
		SLICE("51-[\"disconnect\",{\"_placeholder\":true,\"num\":0}]")
	};
	static const struct slice good[] = { SLICE("2[\"connection\"]"),
		SLICE("2[\"error\"]"), SLICE("2[\"message\"]"),
		SLICE("2[\"Connect\"]"), SLICE("2[\"\"]"),
		SLICE("2[\"__proto__\"]"), SLICE("2[\"connect \"]") };
	struct sio_packet pkt;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(bad); i++)
		assert_row(decode(bad[i], &pkt) < 0, bad[i]);
	for (i = 0; i < nitems(good); i++)
		assert_row(decode(good[i], &pkt) > 0, good[i]);
}

static void
event_names_are_strings_or_numbers(void **state)
{
	static const struct slice rows[] = { SLICE("2[{}]"), SLICE("2[[]]"),
		SLICE("2[true]"), SLICE("2[false]"), SLICE("2[null,1]"),
		SLICE("2[ ]"), SLICE("2null"), SLICE("2true") };
	struct sio_packet pkt;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		assert_row(decode(rows[i], &pkt) < 0, rows[i]);
}

static void
json_must_fill_the_rest(void **state)
{
	static const struct slice rows[] = { SLICE("2[\"a\"]x"),
		SLICE("2[\"a\"][\"b\"]"), SLICE("2x"),
		SLICE("21x[\"a\"]"), SLICE("2[\"\xff\"]"),
		SLICE("2[\"a\",\"\x1e\"]"), SLICE("0 "), SLICE("1 ") };
	struct sio_packet pkt;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		assert_row(decode(rows[i], &pkt) < 0, rows[i]);
	/* JavaScript's parser takes white space around the text */
	assert_true(decode(SLICE("2\n[\"a\"] \n"), &pkt) > 0);
	assert_slice(pkt.data, "[\"a\"]");
}

static void
namespaces_are_plain_names_of_limited_length(void **state)
{
	struct sio_packet pkt;
	struct buf b;
	size_t i;

	(void)state;
	assert_true(decode(SLICE("0/,{\"a\":1}"), &pkt) > 0);
	assert_slice(pkt.nsp, "/");
	assert_slice(pkt.data, "{\"a\":1}");
	assert_true(decode(SLICE("1/__proto__"), &pkt) > 0);
	assert_slice(pkt.nsp, "/__proto__");
	assert_true(decode(SLICE("0/a\x1e""b,"), &pkt) < 0);
	assert_true(decode(SLICE("0/a\0b,"), &pkt) < 0);
	assert_true(decode(SLICE("0/\xff,"), &pkt) < 0);
	assert_true(decode(SLICE("0chat,"), &pkt) < 0);
	buf_init(&b);
	buf_str(&b, "0/");
	for (i = 0; i < SIO_NAMESPACE_MAX - 1; i++)
		buf_byte(&b, 'n');
	assert_true(decode(buf_unread(&b), &pkt) > 0);
	assert_int_equal(pkt.nsp.n, SIO_NAMESPACE_MAX);
	buf_byte(&b, 'n');
	assert_true(decode(buf_unread(&b), &pkt) < 0);
	buf_fini(&b);
}

static void
placeholders_must_be_in_range_wherever_they_are(void **state)
{
#define PH(num) "{\"_placeholder\":true,\"num\":" num "}"
	static const struct slice bad[] = {
		SLICE("52-[\"a\"," PH("2") "]"),
		SLICE("52-[\"a\"," PH("-1") "]"),
		SLICE("52-[\"a\"," PH("0.5") "]"),
		SLICE("52-[\"a\"," PH("1e9") "]"),
		SLICE("52-[\"a\"," PH("\"0\"") "]"),
		SLICE("52-[\"a\"," PH("null") "]"),
		SLICE("52-[\"a\"," PH("[0]") "]"),
		SLICE("52-[\"a\",{\"_placeholder\":true}]"),
		SLICE("52-[\"a\",{\"x\":[1,{\"y\":" PH("2") "}]}]"),
		SLICE("52-[\"a\",{\"num\":5,\"_placeholder\" : true }]"),
		SLICE("52-[\"a\",{\"num\":0,\"_placeholder\":true,\"num\":2}]"),
		SLICE("52-[\"a\",{\"\\u005fplaceholder\":true,\"num\":2}]"),
		SLICE("52-[\"a\",{\"_placeholder\":true,\"num\":0,"
		      "\"num\":{\"num\":0}}]"),
		SLICE("61-[" PH("1") "]"),
		SLICE("61-[" PH("0") "," PH("1") "]"),
		SLICE("51-[" PH("0") "]")	/* no event name */
	};
	static const struct slice good[] = {
		SLICE("52-[\"a\"," PH("0") "," PH("1") "]"),
		SLICE("52-[\"a\"," PH("1e0") "]"),
		SLICE("52-[\"a\",{\"x\":[1,{\"y\":" PH("1") "}]}]"),
		SLICE("52-[\"a\",{\"_placeholder\":false,\"num\":9}]"),
		SLICE("52-[\"a\",{\"_placeholder\":1,\"num\":9}]"),
		SLICE("52-[\"a\",{\"_placeholder\":true,\"num\":9,"
		      "\"_placeholder\":[true]}]"),
		SLICE("52-[\"a\",{\"num\":9},\"_placeholder\"]"),
		SLICE("52-[\"_placeholder\",true,\"num\",7]"),
		SLICE("52-[\"a\",{\"k\":\"_placeholder\",\"_placeholder\":"
		      "\"true\"}]"),
		SLICE("61-/n,3[" PH("0") "]")
	};
#undef PH
	struct sio_packet pkt;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(bad); i++)
		assert_row(decode(bad[i], &pkt) < 0, bad[i]);
	for (i = 0; i < nitems(good); i++)
		assert_row(decode(good[i], &pkt) > 0, good[i]);
}

static void
attachment_counts_are_1_to_10(void **state)
{
	static const struct slice bad[] = { SLICE("5"), SLICE("51"),
		SLICE("51-"), SLICE("5-[\"a\"]"), SLICE("50-[\"a\"]"),
		SLICE("511-[\"a\"]"), SLICE("599999999999-[\"a\"]"),
		SLICE("5 1-[\"a\"]"), SLICE("51.0-[\"a\"]"), SLICE("61-"),
		SLICE("61-{}") };
	struct sio_packet pkt;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(bad); i++)
		assert_row(decode(bad[i], &pkt) < 0, bad[i]);
	assert_true(decode(SLICE("510-/n,4[\"a\"]"), &pkt) > 0);
	assert_int_equal(pkt.nattach, 10);
	assert_slice(pkt.nsp, "/n");
	assert_int_equal(pkt.id, 4);
}

static void
packets_to_clients_omit_the_root_namespace(void **state)
{
	struct slice root = SLICE("/"), nsp = SLICE("/chat"), none = SLICE("");
	struct buf b;

	(void)state;
	buf_init(&b);
	sio_encode_connect(&b, root, SLICE("WgudEjnRUGoGYG6ZAABQ"),
	    SLICE(""));
	assert_buf(&b, "40{\"sid\":\"WgudEjnRUGoGYG6ZAABQ\"}");
	sio_encode_connect(&b, nsp, SLICE("S"), SLICE("P"));
	assert_buf(&b, "40/chat,{\"sid\":\"S\",\"pid\":\"P\"}");
	sio_encode_connect_error(&b, nsp, SLICE("Invalid namespace"), none);
	assert_buf(&b, "44/chat,{\"message\":\"Invalid namespace\"}");
	sio_encode_connect_error(&b, root, SLICE("a\"b"),
	    SLICE("{\"code\":401}"));
	assert_buf(&b, "44{\"message\":\"a\\\"b\",\"data\":{\"code\":401}}");
	sio_encode_connect_error(&b, root, SLICE("a"), SLICE("5"));
	assert_buf(&b, "44{\"message\":\"a\",\"data\":5}");
	sio_encode_disconnect(&b, root);
	assert_buf(&b, "41");
	sio_encode_disconnect(&b, nsp);
	assert_buf(&b, "41/chat,");
	sio_encode_ack(&b, root, 0, none, 0);
	assert_buf(&b, "430[]");
	sio_encode_ack(&b, nsp, UINT64_MAX, SLICE("1,\"x\""), 0);
	assert_buf(&b, "43/chat,18446744073709551615[1,\"x\"]");
	buf_fini(&b);
}

/* The event as written, into memory of exactly the announced size. */
static void
assert_event(const struct sio_event *ev, const char *want)
{
	size_t n = sio_event_size(ev);
	uint8_t *p = malloc(n);
	struct sio_packet pkt;

	assert_non_null(p);
	assert_ptr_equal(sio_event_put(p, ev), p + n);
	assert_text(slice_of(p, n), want);
	assert_true(sio_decode(slice_of(p + 1, n - 1), &pkt) > 0);
	assert_slices(pkt.event, ev->event);
	assert_int_equal(pkt.has_id, ev->has_id);
	assert_true(!ev->has_id || pkt.id == ev->id);
	free(p);
}

static void
events_are_written_in_parts(void **state)
{
	struct sio_event ev = { .nsp = SLICE("/"), .event = SLICE("\"e\"") };

	(void)state;
	assert_event(&ev, "42[\"e\"]");
	ev.args = SLICE("1,{\"a\":2}");
	assert_event(&ev, "42[\"e\",1,{\"a\":2}]");
	ev.meta = SLICE("{\"id\":\"x\"}");
	assert_event(&ev, "42[\"e\",1,{\"a\":2},{\"id\":\"x\"}]");
	ev.args = SLICE("");
	assert_event(&ev, "42[\"e\",{\"id\":\"x\"}]");
	ev.nsp = SLICE("/chat");
	ev.has_id = true;
	assert_event(&ev, "42/chat,0[\"e\",{\"id\":\"x\"}]");
	ev.id = UINT64_MAX;
	ev.nsp = SLICE("");
	assert_event(&ev, "4218446744073709551615[\"e\",{\"id\":\"x\"}]");
}

static void
placeholders_are_checked_in_elements_too(void **state)
{
	static const struct slice two =
	    SLICE("1,[{\"_placeholder\":true,\"num\":1}],\"num\"");

	(void)state;
	assert_true(sio_placeholders(two, 2));
	assert_false(sio_placeholders(two, 1));
	assert_true(sio_placeholders(SLICE(""), 0));
	assert_true(sio_placeholders(SLICE("\"_placeholder\""), 0));
	assert_false(sio_placeholders(SLICE("{\"_placeholder\":true}"), 3));
}

/* What is written of one event, in memory of its own, as it waits in a
 * queue. */
static struct slice
written(const struct sio_event *ev)
{
	size_t n = sio_event_size(ev);
	uint8_t *p = malloc(n);

	assert_non_null(p);
	assert_ptr_equal(sio_event_put(p, ev), p + n);
	return (slice_of(p, n));
}

static void
a_look_tells_of_an_event_what_was_written(void **state)
{
	static const struct slice nsps[] = { SLICE("/"), SLICE("/n"),
		SLICE("/nn"), SLICE("/n/m") };
	static const unsigned attachments[] = { 0, 1, 10 };
	struct sio_event ev = { .event = SLICE("\"e\"") };
	struct sio_head head;
	struct slice s;
	size_t i, j, k;

	(void)state;
	for (i = 0; i < nitems(nsps); i++)
		for (j = 0; j < 2 * nitems(attachments); j++) {
			ev.nsp = nsps[i];
			ev.nattach = attachments[j / 2];
			ev.has_id = j % 2 != 0;
			ev.id = 120 + i;
			s = written(&ev);
			for (k = 0; k < nitems(nsps); k++)
				assert_int_equal(sio_peek(s, nsps[k], &head),
				    k == i);
			assert_true(sio_peek(s, nsps[i], &head));
			assert_int_equal(head.nattach, ev.nattach);
			assert_int_equal(head.has_id, ev.has_id);
			for (k = 0; s.p[k] != '['; k++)
				assert_false(sio_peek(slice_of(s.p, k),
				    nsps[i], &head));
			free((void *)(uintptr_t)s.p);
		}
}

static void
a_look_passes_by_what_is_no_event(void **state)
{
	static const struct slice rows[] = { SLICE(""), SLICE("4"),
		SLICE("2"), SLICE("40{}"), SLICE("40/n,{}"), SLICE("41/n,"),
		SLICE("43/n,1[]"), SLICE("44/n,{}"), SLICE("45/n,[]"),
		SLICE("45-/n,[]"), SLICE("451/n,[]"), SLICE("46-/n,1[]"),
		SLICE("42/n[]"), SLICE("42/n"), SLICE("32/n,[]"),
		SLICE("42/n,7"), SLICE("42/n,\"x\"") };
	struct sio_head head;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_false(sio_peek(rows[i], SLICE("/n"), &head));
		assert_row(!sio_peek(rows[i], SLICE("/"), &head), rows[i]);
	}
}

static void
the_offset_is_the_last_element(void **state)
{
	struct sio_event ev = { .nsp = SLICE("/"), .event = SLICE("\"e\""),
		.args = SLICE("1,\"b\""), .offset = SLICE("\"abc\"") };
	struct slice s = written(&ev);

	(void)state;
	assert_true(sio_has_offset(s, SLICE("\"abc\"")));
	assert_false(sio_has_offset(s, SLICE("\"bc\"")));
	assert_false(sio_has_offset(s, SLICE("bc\"")));
	assert_false(sio_has_offset(s, SLICE("\"abd\"")));
	assert_false(sio_has_offset(s, SLICE("\"b\"")));
	assert_false(sio_has_offset(s, SLICE("")));
	assert_false(sio_has_offset(slice_of(s.p, s.n - 1),
	    SLICE("\"abc\"")));
	assert_false(sio_has_offset(SLICE("\"abc\"]"), SLICE("\"abc\"")));
	free((void *)(uintptr_t)s.p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(captured_cases_are_judged_as_specified),
		cmocka_unit_test(an_event_is_taken_apart),
		cmocka_unit_test(arguments_stay_byte_for_byte),
		cmocka_unit_test(an_ack_gives_its_elements),
		cmocka_unit_test(ids_are_exact_up_to_2_to_the_64),
		cmocka_unit_test(
		    reserved_names_are_refused_however_they_are_written),
		cmocka_unit_test(event_names_are_strings_or_numbers),
		cmocka_unit_test(json_must_fill_the_rest),
		cmocka_unit_test(namespaces_are_plain_names_of_limited_length),
		cmocka_unit_test(
		    placeholders_must_be_in_range_wherever_they_are),
		cmocka_unit_test(attachment_counts_are_1_to_10),
		cmocka_unit_test(packets_to_clients_omit_the_root_namespace),
		cmocka_unit_test(events_are_written_in_parts),
		cmocka_unit_test(placeholders_are_checked_in_elements_too),
		cmocka_unit_test(a_look_tells_of_an_event_what_was_written),
		cmocka_unit_test(a_look_passes_by_what_is_no_event),
		cmocka_unit_test(the_offset_is_the_last_element),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
