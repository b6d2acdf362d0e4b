/* Messages of y-websocket. */
#include "proto/yjs/yjs.h"

#include "tests/lib/check.h"

#define BYTES(...) slice_of((const uint8_t[]){ __VA_ARGS__ }, \
	    sizeof (const uint8_t[]){ __VA_ARGS__ })

static void
assert_bytes(struct slice got, struct slice want)
{
	assert_int_equal(got.n, want.n);
	if (want.n != 0)
		assert_memory_equal(got.p, want.p, want.n);
}

static void
numbers_go_up_to_2_53(void **state)
{
	static const uint64_t rows[] = { 0, 1, 127, 128, 300, 16383, 16384,
		UINT64_C(4294967295), UINT64_C(4294967296), YJS_NUMBER_MAX };
	struct slice in;
	struct buf b;
	uint64_t v;
	size_t i, cut;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(rows); i++) {
		buf_reset(&b);
		yjs_number_put(&b, rows[i]);
		assert_true(b.wpos <= YJS_NUMBER_BYTES);
		for (cut = 0; cut < b.wpos; cut++) {
			in = slice_of(b.data, cut);
			assert_false(yjs_number(&in, &v));
		}
		buf_byte(&b, 7);
		in = buf_unread(&b);
		assert_true(yjs_number(&in, &v));
		assert_int_equal(v, rows[i]);
		assert_int_equal(in.n, 1);
	}
	buf_reset(&b);
	yjs_number_put(&b, YJS_NUMBER_MAX + 1);
	in = buf_unread(&b);
	assert_false(yjs_number(&in, &v));
	in = BYTES(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00);
	assert_false(yjs_number(&in, &v));
	buf_fini(&b);
}

static void
messages_are_taken_apart(void **state)
{
	static const struct {
		struct slice	 in;
		enum yjs_kind	 kind;
		size_t		 body;
	} rows[] = {
		{ { (const uint8_t *)"\0\0\1\0", 4 }, YJS_STEP1, 1 },
		{ { (const uint8_t *)"\0\1\2\0\0", 5 }, YJS_STEP2, 2 },
		{ { (const uint8_t *)"\0\2\3abc", 6 }, YJS_UPDATE, 3 },
		{ { (const uint8_t *)"\0\2\0", 3 }, YJS_UPDATE, 0 },
		{ { (const uint8_t *)"\1\1\0", 3 }, YJS_AWARENESS, 1 },
		{ { (const uint8_t *)"\2\0\2no", 5 }, YJS_AUTH, 2 },
		{ { (const uint8_t *)"\3", 1 }, YJS_QUERY, 0 },
		{ { (const uint8_t *)"\4xyz", 4 }, YJS_UNKNOWN, 0 },
		{ { (const uint8_t *)"\0\3\1x", 4 }, YJS_UNKNOWN, 0 },
		{ { (const uint8_t *)"\2\1\1x", 4 }, YJS_UNKNOWN, 0 },
	};
	struct yjs_message m;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_int_equal(yjs_decode(rows[i].in, &m), rows[i].in.n);
		assert_int_equal(m.kind, rows[i].kind);
		assert_int_equal(m.body.n, rows[i].body);
	}
}

static void
what_overruns_is_bad(void **state)
{
	static const struct slice rows[] = { { NULL, 0 }, SLICE("\x80"),
		{ (const uint8_t *)"\0", 1 }, { (const uint8_t *)"\0\0", 2 },
		{ (const uint8_t *)"\0\0\1", 3 },
		{ (const uint8_t *)"\0\1\3ab", 5 },
		{ (const uint8_t *)"\0\2\xff\xff\xff\x7f" "a", 7 },
		{ (const uint8_t *)"\0\x80", 2 }, SLICE("\1"), SLICE("\1\2a"),
		SLICE("\2"), { (const uint8_t *)"\2\0\1", 3 } };
	struct yjs_message m;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_int_equal(yjs_decode(rows[i], &m), CODEC_BAD);
		assert_int_equal(m.kind, YJS_UNKNOWN);
	}
}

static void
what_is_written_is_read(void **state)
{
	static const enum yjs_kind kinds[] = { YJS_STEP1, YJS_STEP2,
		YJS_UPDATE, YJS_AWARENESS, YJS_AUTH, YJS_QUERY };
	struct yjs_message m;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(kinds); i++) {
		buf_reset(&b);
		yjs_put(&b, kinds[i], SLICE("body"));
		assert_int_equal(yjs_decode(buf_unread(&b), &m), b.wpos);
		assert_int_equal(m.kind, kinds[i]);
		assert_int_equal(m.body.n, kinds[i] == YJS_QUERY ? 0 : 4);
	}
	buf_reset(&b);
	yjs_put(&b, YJS_STEP2, BYTES(0, 0));
	assert_bytes(buf_unread(&b), BYTES(0, 1, 2, 0, 0));
	buf_fini(&b);
}

static void
only_the_empty_update_is_empty(void **state)
{
	(void)state;
	assert_true(yjs_is_empty(BYTES(0, 0)));
	assert_false(yjs_is_empty(slice_of(NULL, 0)));
	assert_false(yjs_is_empty(BYTES(0)));
	assert_false(yjs_is_empty(BYTES(0, 0, 0)));
	assert_false(yjs_is_empty(BYTES(0, 1)));
}

static void
vectors_are_looked_at(void **state)
{
	(void)state;
	assert_true(yjs_vector_is_good(BYTES(0)));
	assert_true(yjs_vector_is_good(BYTES(1, 5, 9)));
	assert_true(yjs_vector_is_good(BYTES(2, 5, 9, 0x80, 1, 3)));
	assert_false(yjs_vector_is_good(slice_of(NULL, 0)));
	assert_false(yjs_vector_is_good(BYTES(1)));
	assert_false(yjs_vector_is_good(BYTES(1, 5)));
	assert_false(yjs_vector_is_good(BYTES(1, 5, 9, 1)));
	assert_false(yjs_vector_is_good(BYTES(0, 0)));
	assert_false(yjs_vector_is_good(BYTES(0xff, 0xff, 0xff, 0x7f, 1, 1)));
}

static void
a_merge_has_the_larger_clock_of_each_client(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	assert_true(yjs_vector_merge(&b, BYTES(2, 9, 1, 5, 7),
	    BYTES(2, 5, 4, 8, 3), 64));
	assert_bytes(buf_unread(&b), BYTES(3, 5, 7, 8, 3, 9, 1));
	buf_reset(&b);
	assert_true(yjs_vector_merge(&b, slice_of(NULL, 0), BYTES(0), 64));
	assert_bytes(buf_unread(&b), BYTES(0));
	buf_reset(&b);
	/* a client twice in one: the larger */
	assert_true(yjs_vector_merge(&b, BYTES(2, 5, 1, 5, 2),
	    slice_of(NULL, 0), 64));
	assert_bytes(buf_unread(&b), BYTES(1, 5, 2));
	buf_reset(&b);
	buf_byte(&b, 'x');
	assert_false(yjs_vector_merge(&b, BYTES(1, 5, 7), BYTES(1, 6, 7), 4));
	assert_slice(buf_unread(&b), "x");
	buf_fini(&b);
}

static void
awareness_lists_are_walked(void **state)
{
	struct yjs_state s = { 300, 5, SLICE("{\"a\":1}") }, got;
	struct slice in;
	struct buf b;
	uint64_t n;

	(void)state;
	buf_init(&b);
	yjs_number_put(&b, 2);
	yjs_state_put(&b, &s);
	yjs_state_put(&b, &(struct yjs_state){ 7, 0, SLICE("null") });
	in = buf_unread(&b);
	assert_true(yjs_states(&in, &n));
	assert_int_equal(n, 2);
	assert_true(yjs_state_next(&in, &got));
	assert_int_equal(got.client, 300);
	assert_int_equal(got.clock, 5);
	assert_slice(got.json, "{\"a\":1}");
	assert_false(yjs_state_is_gone(&got));
	assert_true(yjs_state_next(&in, &got));
	assert_true(yjs_state_is_gone(&got));
	assert_false(yjs_state_next(&in, &got));
	in = BYTES(0xff, 0x7f, 1);
	assert_false(yjs_states(&in, &n));
	buf_fini(&b);
}

static void
notes_come_back(void **state)
{
	struct yjs_note note = { SLICE("abc"), 77, BYTES(1, 5, 9) }, got;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	yjs_note_put(&b, &note);
	assert_true(yjs_note_read(buf_unread(&b), &got));
	assert_slice(got.epoch, "abc");
	assert_int_equal(got.covers, 77);
	assert_bytes(got.vector, note.vector);
	for (i = 0; i < b.wpos; i++)
		assert_false(yjs_note_read(slice_of(b.data, i), &got));
	buf_byte(&b, 0);
	assert_false(yjs_note_read(buf_unread(&b), &got));
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_go_up_to_2_53),
		cmocka_unit_test(messages_are_taken_apart),
		cmocka_unit_test(what_overruns_is_bad),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(only_the_empty_update_is_empty),
		cmocka_unit_test(vectors_are_looked_at),
		cmocka_unit_test(a_merge_has_the_larger_clock_of_each_client),
		cmocka_unit_test(awareness_lists_are_walked),
		cmocka_unit_test(notes_come_back),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
