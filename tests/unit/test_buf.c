/* Owned growable bytes. */
#include "base/buf.h"

#include "tests/lib/check.h"

static void
appends_keep_their_order(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	buf_str(&b, "a");
	buf_slice(&b, SLICE("b\0c"));
	buf_slice(&b, slice_of(NULL, 0));
	buf_byte(&b, 'd');
	buf_append(&b, "ef", 2);
	buf_printf(&b, "%s-%03d", "g", 7);
	buf_check(&b);
	assert_buf(&b, "ab\0cdefg-007");
	buf_fini(&b);
}

static void
numbers_are_written_in_decimal(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	buf_u64(&b, 0);
	buf_byte(&b, ' ');
	buf_u64(&b, 10);
	buf_byte(&b, ' ');
	buf_u64(&b, UINT64_MAX);
	assert_buf(&b, "0 10 18446744073709551615");
	buf_fini(&b);
}

static void
a_queue_does_not_grow_with_what_passed_through(void **state)
{
	uint8_t piece[100] = { 0 };
	struct buf b;
	int i;

	(void)state;
	buf_init(&b);
	buf_append(&b, piece, sizeof piece);
	for (i = 0; i < 10000; i++) {
		piece[0] = (uint8_t)(i + 1);
		buf_append(&b, piece, sizeof piece);
		assert_int_equal(b.data[b.rpos], (uint8_t)i);
		buf_consume(&b, sizeof piece);
	}
	assert_int_equal(buf_unread(&b).n, sizeof piece);
	assert_true(b.cap <= 1024);
	buf_fini(&b);
}

static void
consuming_all_starts_at_the_front_again(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	buf_str(&b, "abc");
	buf_consume(&b, 2);
	assert_slice(buf_unread(&b), "c");
	buf_consume(&b, 0);
	buf_consume(&b, 1);
	assert_int_equal(b.rpos, 0);
	assert_int_equal(b.wpos, 0);
	assert_true(b.cap > 0);
	buf_fini(&b);
	assert_int_equal(b.magic, 0);
}

static void
no_memory_is_remembered_until_reset(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	buf_str(&b, "kept");
	assert_false(buf_reserve(&b, SIZE_MAX));
	assert_true(b.oom);
	assert_false(buf_reserve(&b, SIZE_MAX / 2));
	assert_slice(buf_unread(&b), "kept");
	buf_reset(&b);
	assert_false(b.oom);
	assert_int_equal(buf_unread(&b).n, 0);
	assert_true(buf_reserve(&b, 0));
	buf_fini(&b);
}

static void
reserved_room_is_really_there(void **state)
{
	struct buf b;
	size_t n;

	(void)state;
	buf_init(&b);
	for (n = 1; n < 100000; n = n * 3 + 1) {
		assert_true(buf_reserve(&b, n));
		assert_true(b.cap - b.wpos >= n);
		memset(b.data + b.wpos, 'x', n);
		b.wpos += n;
		buf_check(&b);
	}
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_keep_their_order),
		cmocka_unit_test(numbers_are_written_in_decimal),
		cmocka_unit_test(
		    a_queue_does_not_grow_with_what_passed_through),
		cmocka_unit_test(consuming_all_starts_at_the_front_again),
		cmocka_unit_test(no_memory_is_remembered_until_reset),
		cmocka_unit_test(reserved_room_is_really_there),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
