/* Who is there, as hooks were told. */
#include "relay/hooks/present.h"

#include "tests/lib/check.h"

#define NOWHERE		slice_of(NULL, 0)

static struct present p;

static int
begin(void **state)
{
	(void)state;
	present_init(&p);
	return (0);
}

static int
end(void **state)
{
	(void)state;
	present_fini(&p);
	return (0);
}

static enum present_change
set(unsigned ns, struct slice room, const char *user, bool there)
{
	return (present_set(&p, ns, room, slice_str(user), there));
}

static void
a_change_is_one_once(void **state)
{
	(void)state;
	assert_int_equal(set(0, NOWHERE, "a", false), PRESENT_SAME);
	assert_int_equal(set(0, NOWHERE, "a", true), PRESENT_CHANGED);
	assert_int_equal(set(0, NOWHERE, "a", true), PRESENT_SAME);
	assert_int_equal(set(1, NOWHERE, "a", true), PRESENT_CHANGED);
	assert_int_equal(set(0, NOWHERE, "a", false), PRESENT_CHANGED);
	assert_int_equal(set(0, NOWHERE, "a", false), PRESENT_SAME);
}

static void
the_first_and_the_last_of_a_room_are_its_edges(void **state)
{
	(void)state;
	assert_int_equal(set(0, SLICE("r"), "a", true), PRESENT_EDGE);
	assert_int_equal(set(0, SLICE("r"), "b", true), PRESENT_CHANGED);
	assert_int_equal(set(0, SLICE("rb"), "a", true), PRESENT_EDGE);
	assert_int_equal(set(1, SLICE("r"), "a", true), PRESENT_EDGE);
	assert_int_equal(set(0, SLICE("r"), "a", false), PRESENT_CHANGED);
	assert_int_equal(set(0, SLICE("r"), "b", false), PRESENT_EDGE);
	assert_int_equal(set(0, SLICE("r"), "b", true), PRESENT_EDGE);
}

static void
a_namespace_is_forgotten_as_a_whole(void **state)
{
	char user[16];
	unsigned i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		(void)snprintf(user, sizeof user, "%u", i);
		assert_int_not_equal(set(0, SLICE("r"), user, true),
		    PRESENT_SAME);
		assert_int_not_equal(set(1, NOWHERE, user, true),
		    PRESENT_SAME);
	}
	present_forget(&p, 0);
	assert_int_equal(p.table.count, 1000);
	assert_int_equal(set(0, SLICE("r"), "1", true), PRESENT_EDGE);
	assert_int_equal(set(1, NOWHERE, "1", true), PRESENT_SAME);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_change_is_one_once, begin,
		    end),
		cmocka_unit_test_setup_teardown(
		    the_first_and_the_last_of_a_room_are_its_edges, begin, end),
		cmocka_unit_test_setup_teardown(
		    a_namespace_is_forgotten_as_a_whole, begin, end),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
