/* Entries that wait for a hook: numbers, bounds, shares. */
#include "relay/hooks/queue.h"

#include "tests/lib/check.h"

static struct hook_queue q;

static struct entry *
entry_of(size_t n)
{
	struct entry *e = calloc(1, sizeof *e + n);

	assert_non_null(e);
	e->n = n;
	return (e);
}

static int
begin(void **state)
{
	(void)state;
	hook_queue_init(&q);
	return (0);
}

static int
end(void **state)
{
	(void)state;
	hook_queue_fini(&q);
	assert_int_equal(q.n, 0);
	assert_int_equal(q.bytes, 0);
	return (0);
}

static void
numbers_follow_each_other(void **state)
{
	struct entry *e;

	(void)state;
	hook_queue_add(&q, entry_of(1), 5);
	hook_queue_skip(&q);
	hook_queue_add(&q, entry_of(2), 7);
	assert_int_equal(q.bytes, 3);
	e = hook_queue_take(&q);
	assert_int_equal(e->number, 1);
	assert_int_equal(e->since_ms, 5);
	free(e);
	e = hook_queue_take(&q);
	assert_int_equal(e->number, 3);
	free(e);
	assert_null(hook_queue_take(&q));
}

static void
there_is_room_within_both_bounds(void **state)
{
	const struct hook_bounds most = { 2, 10 };

	(void)state;
	assert_true(hook_queue_has_room(&q, &most, 10));
	assert_false(hook_queue_has_room(&q, &most, 11));
	hook_queue_add(&q, entry_of(4), 0);
	assert_true(hook_queue_has_room(&q, &most, 6));
	assert_false(hook_queue_has_room(&q, &most, 7));
	hook_queue_add(&q, entry_of(1), 0);
	assert_false(hook_queue_has_room(&q, &most, 1));
}

static void
a_share_is_within_both_bounds_or_one(void **state)
{
	const struct hook_bounds few = { 2, 100 }, small = { 9, 10 },
	    tiny = { 9, 1 };

	(void)state;
	assert_int_equal(hook_queue_share(&q, &few), 0);
	hook_queue_add(&q, entry_of(5), 0);
	hook_queue_add(&q, entry_of(5), 0);
	hook_queue_add(&q, entry_of(5), 0);
	assert_int_equal(hook_queue_share(&q, &few), 2);
	assert_int_equal(hook_queue_share(&q, &small), 2);
	assert_int_equal(hook_queue_share(&q, &tiny), 1);
}

/* What another relay has left is of its epoch, and goes by itself. */
static void
what_was_left_keeps_its_number_and_its_epoch(void **state)
{
	const struct hook_bounds most = { 9, 100 };
	struct entry *e;
	unsigned i;

	(void)state;
	q.epoch = 8;
	for (i = 0; i < 2; i++) {
		e = entry_of(1);
		e->epoch = 7;
		e->number = 40 + i;
		e->since_ms = 3;
		hook_queue_restore(&q, e);
	}
	hook_queue_add(&q, entry_of(1), 9);
	assert_int_equal(q.n, 3);
	assert_int_equal(q.bytes, 3);
	assert_int_equal(hook_queue_share(&q, &most), 2);
	for (i = 0; i < 2; i++) {
		e = hook_queue_take(&q);
		assert_int_equal(e->number, 40 + i);
		assert_int_equal(e->since_ms, 3);
		free(e);
	}
	assert_int_equal(hook_queue_share(&q, &most), 1);
	e = hook_queue_take(&q);
	assert_int_equal(e->number, 1);
	assert_int_equal(e->epoch, 8);
	free(e);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(numbers_follow_each_other,
		    begin, end),
		cmocka_unit_test_setup_teardown(
		    what_was_left_keeps_its_number_and_its_epoch, begin, end),
		cmocka_unit_test_setup_teardown(
		    there_is_room_within_both_bounds, begin, end),
		cmocka_unit_test_setup_teardown(
		    a_share_is_within_both_bounds_or_one, begin, end),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
