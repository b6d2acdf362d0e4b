/* How many users are in rooms, and when it is told. */
#include "relay/local/crowd.h"

#include <stdio.h>

#include "tests/lib/check.h"

static struct crowd c;

static int
setup(void **state)
{
	(void)state;
	return (crowd_init(&c) ? 0 : -1);
}

static int
teardown(void **state)
{
	(void)state;
	crowd_fini(&c);
	return (0);
}

static struct mono
at(uint64_t ms)
{
	return ((struct mono){ ms * 1000 });
}

static void
users_are_counted_by_room_and_namespace(void **state)
{
	struct crowd_room *r;

	(void)state;
	assert_null(crowd_find(&c, 1, SLICE("a")));
	assert_null(crowd_move(&c, 1, SLICE("a"), false));
	r = crowd_move(&c, 1, SLICE("a"), true);
	assert_ptr_equal(crowd_move(&c, 1, SLICE("a"), true), r);
	assert_int_equal(r->users, 2);
	assert_int_equal(crowd_move(&c, 2, SLICE("a"), true)->users, 1);
	assert_int_equal(crowd_move(&c, 1, SLICE("aa"), true)->users, 1);
	assert_ptr_equal(crowd_move(&c, 1, SLICE("a"), false), r);
	assert_null(crowd_move(&c, 1, SLICE("a"), false));
	assert_null(crowd_find(&c, 1, SLICE("a")));
	assert_non_null(crowd_find(&c, 2, SLICE("a")));
	crowd_empty(&c);
	assert_null(crowd_find(&c, 2, SLICE("a")));
}

static void
a_room_is_told_at_once_and_then_after_the_interval(void **state)
{
	struct crowd_room *r;

	(void)state;
	r = crowd_move(&c, 1, SLICE("a"), true);
	assert_true(crowd_next_us(&c) == UINT64_MAX);
	crowd_due(&c, r, at(1000));
	crowd_due(&c, r, at(1001));
	assert_ptr_equal(crowd_next(&c, at(1000)), r);
	crowd_told(&c, r, at(1000), 50, true);
	assert_true(r->large);
	assert_null(crowd_next(&c, at(9000)));
	crowd_due(&c, r, at(1010));
	assert_null(crowd_next(&c, at(1049)));
	assert_int_equal(crowd_next_us(&c), 1050000);
	assert_ptr_equal(crowd_next(&c, at(1050)), r);
	crowd_told(&c, r, at(1060), 50, false);
	assert_false(r->large);
	assert_true(crowd_next_us(&c) == UINT64_MAX);
}

static void
those_that_may_be_told_earlier_come_first(void **state)
{
	struct crowd_room *v[20];
	char name[8];
	unsigned i;

	(void)state;
	for (i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof name, "%u", i);
		v[i] = crowd_move(&c, 1, slice_str(name), true);
		crowd_due(&c, v[i], at(1000));
		crowd_told(&c, v[i], at(1000 + i * 7 % 20), 100, true);
	}
	for (i = 0; i < 20; i++)
		crowd_due(&c, v[i], at(1050));
	for (i = 0; i < 20; i++) {
		assert_null(crowd_next(&c, at(1099 + i)));
		assert_int_equal(crowd_next_us(&c), (1100 + i) * 1000);
		crowd_told(&c, crowd_next(&c, at(1100 + i)), at(1100 + i), 1000,
		    true);
	}
	assert_null(crowd_next(&c, at(99999)));
}

static void
a_room_that_is_due_may_end(void **state)
{
	struct crowd_room *r = crowd_move(&c, 1, SLICE("a"), true);

	(void)state;
	crowd_due(&c, r, at(1));
	assert_null(crowd_move(&c, 1, SLICE("a"), false));
	assert_null(crowd_next(&c, at(99)));
	r = crowd_move(&c, 1, SLICE("b"), true);
	crowd_due(&c, r, at(1));
	crowd_empty(&c);
	assert_null(crowd_next(&c, at(99)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(users_are_counted_by_room_and_namespace),
		T(a_room_is_told_at_once_and_then_after_the_interval),
		T(those_that_may_be_told_earlier_come_first),
		T(a_room_that_is_due_may_end),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
