/* Engine.IO packets, payloads, ids and the words of the handshake. */
#include "proto/eio.h"

#include <assert.h>

#include "proto/ws.h"
#include "tests/lib/check.h"

static void
packets_are_a_digit_and_the_rest(void **state)
{
	static const char types[] = "0123456b";
	struct eio_packet pkt;
	uint8_t text[4];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof types - 1; i++) {
		memcpy(text, "?abc", 4);
		text[0] = (uint8_t)types[i];
		assert_int_equal(eio_decode(slice_of(text, 4), &pkt), 4);
		assert_int_equal(pkt.type, types[i]);
		assert_slice(pkt.data, "abc");
		assert_int_equal(eio_decode(slice_of(text, 1), &pkt), 1);
		assert_int_equal(pkt.data.n, 0);
	}
}

static void
unknown_and_empty_packets_are_refused(void **state)
{
	static const struct slice rows[] = { SLICE(""), SLICE("x"), SLICE("9"),
		SLICE("7hello"), SLICE("/"), SLICE("\0"), SLICE(" 2"),
		SLICE("\x1e"), SLICE("B") };
	struct eio_packet pkt;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		assert_row(eio_decode(rows[i], &pkt) == CODEC_BAD, rows[i]);
}

/* The payload's packets joined by '|'; '!' behind one that is bad. */
static void
assert_payload(struct slice body, const char *want)
{
	struct eio_payload pl = { body, false };
	struct eio_packet pkt;
	struct slice s;
	struct buf b;

	buf_init(&b);
	while (eio_payload_next(&pl, &s)) {
		if (b.wpos > 0)
			buf_byte(&b, '|');
		buf_slice(&b, s);
		if (eio_decode(s, &pkt) == CODEC_BAD)
			buf_byte(&b, '!');
	}
	assert_false(eio_payload_next(&pl, &s));
	assert_text(buf_unread(&b), want);
	buf_fini(&b);
}

static void
payloads_are_split_at_the_separator(void **state)
{
	(void)state;
	assert_payload(SLICE("40"), "40");
	assert_payload(SLICE("42[\"a\"]\x1ex\x1e""42[\"b\"]"),
	    "42[\"a\"]|x!|42[\"b\"]");
	assert_payload(SLICE("1\x1e""42[\"after-close\"]"),
	    "1|42[\"after-close\"]");
	assert_payload(SLICE("42[\"a\"]\x1e"), "42[\"a\"]|!");
	assert_payload(SLICE(""), "!");
	assert_payload(SLICE("\x1e"), "!|!");
	assert_payload(SLICE("2\x1e\x1e""3"), "2|!|3");
}

static void
a_sid_names_its_owner(void **state)
{
	static const uint8_t random[EIO_SID_RANDOM] = { 0, 1, 2, 3, 4, 5, 6, 7,
		8, 9, 10, 0xff, 0xfe, 0xfd, 0xfc, 0xfb };
	static const struct eio_owner owners[] = { { 1, 0, false },
		{ 1, 1, false }, { 128, 0, false }, { 1, 255, true },
		{ 128, 255, true } };
	char sid[EIO_SID_LEN + 1];
	struct eio_owner owner;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(owners); i++) {
		eio_sid_encode(owners[i], random, sid);
		assert_int_equal(strlen(sid), EIO_SID_LEN);
		assert_true(eio_sid_owner(slice_str(sid), &owner));
		assert_int_equal(owner.slot, owners[i].slot);
		assert_int_equal(owner.generation, owners[i].generation);
		assert_int_equal(owner.websocket, owners[i].websocket);
	}
	/* threats: nobody guesses one */
	static_assert(8 * EIO_SID_RANDOM >= 120, "random bits");
	assert_string_equal(sid, "__8AAQIDBAUGBwgJCv_-_fz7");
}

static void
strange_sids_have_no_owner(void **state)
{
	static const struct slice rows[] = { SLICE(""), SLICE("__proto__"),
		SLICE("AAAAAAAAAAAAAAAAAAAAAAA"),
		SLICE("AAAAAAAAAAAAAAAAAAAAAAAAA"), SLICE("AAAAAAAAAAAAAAAAAAAA"),
		SLICE("AAAAAAAAAAAAAAAAAAAAAAA+"), SLICE("AAAAAAAAAA AAAAAAAAAAAAA"),
		SLICE("AAAAAAAAAAAAAAAAAAAAAAA\0"), SLICE("AAAAAAAAAAAAAAAAAAAAAAA=") };
	struct eio_owner owner;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		assert_row(!eio_sid_owner(rows[i], &owner), rows[i]);
}

static void
the_open_packet_has_all_five_fields(void **state)
{
	struct eio_open o = { "KZGaJiYwfs_kqvmBAABJ", true, 25000, 20000,
		1000000 };
	struct buf b;

	(void)state;
	buf_init(&b);
	eio_encode_open(&b, &o);
	assert_buf(&b, "0{\"sid\":\"KZGaJiYwfs_kqvmBAABJ\",\"upgrades\":"
		       "[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\""
		       ":20000,\"maxPayload\":1000000}");
	o.upgrades = false;
	eio_encode_open(&b, &o);
	assert_buf(&b, "0{\"sid\":\"KZGaJiYwfs_kqvmBAABJ\",\"upgrades\":[],"
		       "\"pingInterval\":25000,\"pingTimeout\":20000,"
		       "\"maxPayload\":1000000}");
	buf_fini(&b);
}

static void
errors_have_the_words_that_clients_know(void **state)
{
	static const char *const rows[] = {
		"{\"code\":0,\"message\":\"Transport unknown\"}",
		"{\"code\":1,\"message\":\"Session ID unknown\"}",
		"{\"code\":2,\"message\":\"Bad handshake method\"}",
		"{\"code\":3,\"message\":\"Bad request\"}",
		"{\"code\":4,\"message\":\"Forbidden\"}",
		"{\"code\":5,\"message\":\"Unsupported protocol version\"}"
	};
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(rows); i++) {
		eio_encode_error(&b, (enum eio_error)i,
		    eio_error_message((enum eio_error)i));
		assert_text(buf_unread(&b), rows[i]);
		buf_reset(&b);
		assert_int_equal(eio_error_status((enum eio_error)i),
		    i == EIO_FORBIDDEN ? 403 : 400);
	}
	eio_encode_error(&b, EIO_FORBIDDEN, "no \"role\"");
	assert_text(buf_unread(&b), "{\"code\":4,"
	    "\"message\":\"no \\\"role\\\"\"}");
	buf_fini(&b);
}

static void
what_is_always_the_same_is_a_packet(void **state)
{
	struct eio_payload pl = { .rest = eio_polled_noop };
	struct eio_packet pkt;
	struct slice packet;
	struct buf b;

	(void)state;
	buf_init(&b);
	ws_encode_frame(&b, WS_OP_TEXT, SLICE("3probe"));
	assert_slices(eio_probed_frame, buf_unread(&b));
	buf_fini(&b);
	assert_true(eio_payload_next(&pl, &packet));
	assert_int_equal(eio_decode(packet, &pkt), 1);
	assert_int_equal(pkt.type, EIO_NOOP);
	assert_false(pl.done);
	assert_int_equal(pl.rest.n, 0);
	pl = (struct eio_payload){ .rest = eio_polled_close };
	assert_true(eio_payload_next(&pl, &packet));
	assert_int_equal(eio_decode(packet, &pkt), 1);
	assert_int_equal(pkt.type, EIO_CLOSE);
	assert_int_equal(pl.rest.n, 0);
}

static void
who_takes_over_says_so_to_the_letter(void **state)
{
	static const struct slice rows[] = { SLICE(""), SLICE("2"),
		SLICE("2prob"), SLICE("2probe2"), SLICE("3probe"),
		SLICE("55"), SLICE("4"), SLICE("5 ") };
	size_t i;

	(void)state;
	assert_true(eio_is_probe(SLICE("2probe")));
	assert_true(eio_is_upgrade(SLICE("5")));
	assert_false(eio_is_probe(SLICE("5")));
	assert_false(eio_is_upgrade(SLICE("2probe")));
	for (i = 0; i < nitems(rows); i++) {
		assert_false(eio_is_probe(rows[i]));
		assert_false(eio_is_upgrade(rows[i]));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_are_a_digit_and_the_rest),
		cmocka_unit_test(unknown_and_empty_packets_are_refused),
		cmocka_unit_test(payloads_are_split_at_the_separator),
		cmocka_unit_test(a_sid_names_its_owner),
		cmocka_unit_test(strange_sids_have_no_owner),
		cmocka_unit_test(the_open_packet_has_all_five_fields),
		cmocka_unit_test(errors_have_the_words_that_clients_know),
		cmocka_unit_test(what_is_always_the_same_is_a_packet),
		cmocka_unit_test(who_takes_over_says_so_to_the_letter),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
