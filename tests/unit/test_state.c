/* State as bytes: what was written is read, what is cut or not what is
 * expected is bad, and stays so. */
#include "base/state.h"

#include "tests/lib/check.h"

static void
numbers_have_their_bytes_in_order(void **state)
{
	static const uint8_t want[] = { 1, 2, 1, 4, 3, 2, 1, 8, 7, 6, 5, 4, 3,
		2, 1, 1, 0, 2, 0, 0, 0, 'a', 'b', 'x', 'y', 'z' };
	struct state_in in;
	uint8_t three[3];
	struct buf b;

	(void)state;
	buf_init(&b);
	state_put_u8(&b, 1);
	state_put_u16(&b, 0x0102);
	state_put_u32(&b, 0x01020304);
	state_put_u64(&b, UINT64_C(0x0102030405060708));
	state_put_bool(&b, true);
	state_put_bool(&b, false);
	state_put_slice(&b, SLICE("ab"));
	state_put_bytes(&b, "xyz", 3);
	assert_true(slice_eq(buf_unread(&b), slice_of(want, sizeof want)));
	in = state_in(buf_unread(&b));
	assert_int_equal(state_get_u8(&in), 1);
	assert_int_equal(state_get_u16(&in), 0x0102);
	assert_int_equal(state_get_u32(&in), 0x01020304);
	assert_true(state_get_u64(&in) == UINT64_C(0x0102030405060708));
	assert_true(state_get_bool(&in));
	assert_false(state_get_bool(&in));
	assert_true(slice_eq(state_get_slice(&in), SLICE("ab")));
	assert_false(state_end(&in));
	state_get_bytes(&in, three, sizeof three);
	assert_memory_equal(three, "xyz", 3);
	assert_true(state_end(&in));
	buf_fini(&b);
}

/* Section 7 holds 5, and section 8 within it "in". */
static void
write_sections(struct buf *b)
{
	size_t outer, inner;

	outer = state_open(b, 7, 3);
	state_put_u32(b, 5);
	inner = state_open(b, 8, 1);
	state_put_slice(b, SLICE("in"));
	state_close(b, inner);
	state_close(b, outer);
	state_put_u8(b, 9);
}

static bool
read_sections(struct slice s)
{
	struct state_in in = state_in(s), outer, inner;
	uint16_t version;
	bool good;

	good = state_section(&in, 7, &version, &outer) && version == 3 &&
	    state_get_u32(&outer) == 5 &&
	    state_section(&outer, 8, &version, &inner) && version == 1 &&
	    slice_eq(state_get_slice(&inner), SLICE("in")) &&
	    state_end(&inner) && state_end(&outer);
	return (good && state_get_u8(&in) == 9 && state_end(&in));
}

static void
sections_are_read_by_themselves(void **state)
{
	struct state_in in, body;
	uint16_t version;
	uint8_t *copy;
	struct buf b;
	size_t n;

	(void)state;
	buf_init(&b);
	write_sections(&b);
	assert_true(read_sections(buf_unread(&b)));
	/* each prefix, in memory of its own size */
	for (n = 0; n < b.wpos; n++) {
		copy = malloc(n + 1);
		assert_non_null(copy);
		memcpy(copy + 1, b.data, n);
		assert_false(read_sections(slice_of(copy + 1, n)));
		free(copy);
	}
	/* another tag: nothing more is read */
	in = state_in(buf_unread(&b));
	assert_false(state_section(&in, 6, &version, &body));
	assert_true(in.bad && body.bad);
	assert_int_equal(state_get_u32(&body), 0);
	assert_int_equal(state_get_u8(&in), 0);
	assert_false(state_end(&in));
	buf_fini(&b);
}

static void
what_is_bad_stays_so(void **state)
{
	static const uint8_t bytes[] = { 2, 5, 0, 0, 0, 1, 2, 3, 4, 5, 0 };
	uint8_t to[4] = { 1, 1, 1, 1 };
	struct state_in in;

	(void)state;
	in = state_in(slice_of(bytes, sizeof bytes));
	assert_false(state_get_bool(&in));	/* 2 is none */
	assert_true(in.bad);
	state_get_bytes(&in, to, sizeof to);
	assert_memory_equal(to, "\0\0\0\0", 4);
	assert_int_equal(state_get_slice(&in).n, 0);
	in = state_in(slice_of(bytes + 1, sizeof bytes - 1));
	assert_int_equal(state_get_below(&in, 6), 5);
	assert_false(in.bad);
	in = state_in(slice_of(bytes + 1, sizeof bytes - 1));
	assert_int_equal(state_get_below(&in, 5), 0);
	assert_true(in.bad);
	/* a length that wraps nothing */
	in = state_in(SLICE("\xff\xff\xff\xff" "abcd"));
	assert_int_equal(state_get_slice(&in).n, 0);
	assert_true(in.bad);
	in = state_in(slice_of(NULL, 0));
	assert_true(state_end(&in));
	assert_int_equal(state_get_u8(&in), 0);
	assert_false(state_end(&in));
}

static void
no_memory_is_seen_at_the_end(void **state)
{
	struct buf b;
	size_t at;

	(void)state;
	buf_init(&b);
	at = state_open(&b, 1, 1);
	b.oom = true;
	state_put_u32(&b, 1);
	state_close(&b, at);
	assert_true(b.oom);
	buf_fini(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_their_bytes_in_order),
		cmocka_unit_test(sections_are_read_by_themselves),
		cmocka_unit_test(what_is_bad_stays_so),
		cmocka_unit_test(no_memory_is_seen_at_the_end),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
