/* Which numbers of other hosts have come, in whatever order. */
#include "relay/bridge/seen.h"

#include "tests/lib/check.h"

static struct seen *s;

static int
set_up(void **state)
{
	(void)state;
	s = seen_new();
	return (s == NULL ? -1 : 0);
}

static int
tear_down(void **state)
{
	(void)state;
	seen_free(&s);
	assert_null(s);
	return (0);
}

static void
a_number_is_new_once_in_any_order(void **state)
{
	static const uint64_t order[] = { 5, 3, 9, 4, 1, 8, 2, 7, 6 };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(order); i++)
		assert_int_equal(seen_look(s, 77, 0, order[i]), SEEN_NEW);
	for (i = 0; i < nitems(order); i++)
		assert_int_equal(seen_look(s, 77, 0, order[i]), SEEN_AGAIN);
	assert_int_equal(seen_look(s, 78, 0, 5), SEEN_NEW);
}

static void
the_window_moves_with_the_largest(void **state)
{
	uint64_t n;

	(void)state;
	for (n = 1; n <= 3 * SEEN_WINDOW; n += 2)
		assert_int_equal(seen_look(s, 1, 0, n), SEEN_NEW);
	n = 3 * SEEN_WINDOW - 1;	/* the largest */
	assert_int_equal(seen_look(s, 1, 0, n - SEEN_WINDOW + 1), SEEN_NEW);
	assert_int_equal(seen_look(s, 1, 0, n - SEEN_WINDOW + 2), SEEN_AGAIN);
	assert_int_equal(seen_look(s, 1, 0, n - SEEN_WINDOW), SEEN_LATE);
	assert_int_equal(seen_look(s, 1, 0, 1), SEEN_LATE);
	/* a jump empties it */
	n += 10 * SEEN_WINDOW;
	assert_int_equal(seen_look(s, 1, 0, n), SEEN_NEW);
	assert_int_equal(seen_look(s, 1, 0, n - SEEN_WINDOW + 1), SEEN_NEW);
	assert_int_equal(seen_look(s, 1, 0, UINT64_MAX), SEEN_NEW);
	assert_int_equal(seen_look(s, 1, 0, UINT64_MAX), SEEN_AGAIN);
}

static void
who_was_silent_longest_is_forgotten(void **state)
{
	uint64_t node;

	(void)state;
	for (node = 0; node < SEEN_NODES; node++)
		assert_int_equal(seen_look(s, node, 0, 10), SEEN_NEW);
	assert_int_equal(seen_look(s, 0, 0, 10), SEEN_AGAIN);
	assert_int_equal(seen_look(s, SEEN_NODES, 0, 10), SEEN_NEW);
	assert_int_equal(seen_look(s, 0, 0, 10), SEEN_AGAIN);
	assert_int_equal(seen_look(s, 1, 0, 10), SEEN_NEW);	/* forgotten */
	assert_int_equal(seen_look(s, 3, 0, 10), SEEN_AGAIN);
}

static void
what_is_of_an_epoch_that_is_over_is_stale(void **state)
{
	const uint64_t one = UINT64_C(1) << 32, two = UINT64_C(2) << 32;

	(void)state;
	assert_int_equal(seen_look(s, 5, one | 1, 0), SEEN_NEW);
	assert_int_equal(seen_look(s, 5, one | 1, 10), SEEN_NEW);
	assert_int_equal(seen_look(s, 5, one | 2, 0), SEEN_NEW);
	assert_int_equal(seen_look(s, 5, one | 1, 0), SEEN_STALE);
	assert_int_equal(seen_look(s, 5, one | 1, 11), SEEN_STALE);
	/* the same relay goes on counting, another begins */
	assert_int_equal(seen_look(s, 5, one | 2, 10), SEEN_AGAIN);
	assert_int_equal(seen_look(s, 5, two | 1, 10), SEEN_NEW);
	assert_int_equal(seen_look(s, 5, two | 1, 1), SEEN_NEW);
	assert_int_equal(seen_look(s, 5, one | 9, 0), SEEN_STALE);
	assert_int_equal(seen_look(s, 6, one | 1, 0), SEEN_NEW);
}

/* By a link that comes 12 was heard, by the other one what is up to 10. */
static void
what_a_link_that_comes_has_brought_is_awaited(void **state)
{
	const uint64_t one = UINT64_C(1) << 32, two = UINT64_C(2) << 32;

	(void)state;
	assert_true(seen_is_level(s));
	assert_false(seen_is_ahead(s, 5, one));	/* nobody knows it */
	assert_int_equal(seen_look(s, 5, one, 10), SEEN_NEW);
	assert_false(seen_is_ahead(s, 5, one));
	assert_true(seen_is_ahead(s, 5, one | 1));
	assert_true(seen_is_ahead(s, 5, two));
	seen_pass(s, 5, one, 11);
	seen_pass(s, 5, one, 12);
	seen_pass(s, 5, one, 0);
	assert_false(seen_is_level(s));
	assert_int_equal(seen_look(s, 5, one, 11), SEEN_NEW);
	assert_false(seen_is_level(s));
	assert_int_equal(seen_look(s, 5, one | 1, 12), SEEN_NEW);
	assert_true(seen_is_level(s));
	/* who was not heard by the other one is not waited for */
	seen_pass(s, 6, one, 3);
	assert_true(seen_is_level(s));
	/* another relay of it */
	seen_pass(s, 5, two, 1);
	assert_false(seen_is_level(s));
	assert_int_equal(seen_look(s, 5, two, 2), SEEN_NEW);
	assert_true(seen_is_level(s));
	/* one that was before it says nothing any more */
	seen_pass(s, 5, one, 900);
	assert_true(seen_is_level(s));
	seen_pass(s, 5, two, 900);
	assert_false(seen_is_level(s));
	seen_forget(s);
	assert_true(seen_is_level(s));
}

static void
what_comes_behind_a_cut_is_stale(void **state)
{
	const uint64_t one = UINT64_C(1) << 32, two = UINT64_C(2) << 32;

	(void)state;
	assert_int_equal(seen_look(s, 5, one, 10), SEEN_NEW);
	seen_pass(s, 5, one, 12);
	seen_pass(s, 6, one, 3);
	seen_cut(s);
	assert_true(seen_is_level(s));
	assert_int_equal(seen_look(s, 5, one, 13), SEEN_NEW);
	assert_int_equal(seen_look(s, 5, one, 11), SEEN_STALE);
	assert_int_equal(seen_look(s, 5, one, 10), SEEN_AGAIN);
	assert_int_equal(seen_look(s, 5, one, 13), SEEN_AGAIN);
	assert_int_equal(seen_look(s, 5, one, 0), SEEN_NEW);
	assert_int_equal(seen_look(s, 6, one, 4), SEEN_NEW);
	assert_int_equal(seen_look(s, 6, one, 3), SEEN_STALE);
	/* another relay's numbers begin anew */
	assert_int_equal(seen_look(s, 5, two, 11), SEEN_NEW);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_number_is_new_once_in_any_order),
		TEST(the_window_moves_with_the_largest),
		TEST(what_is_of_an_epoch_that_is_over_is_stale),
		TEST(who_was_silent_longest_is_forgotten),
		TEST(what_a_link_that_comes_has_brought_is_awaited),
		TEST(what_comes_behind_a_cut_is_stale),
	};
#undef TEST

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
