/*
 * What two links bring: nothing is taken twice, and one follows the other when
 * it has brought all.
 */
#include "relay/bridge/ledger.h"

#include "tests/lib/check.h"

static struct ledger ledger;

static bool
takes(bool comes, const char *what, uint64_t ms)
{
	return (ledger_takes(&ledger, comes, SLICE("c"), slice_str(what), ms));
}

static int
set_up(void **state)
{
	(void)state;
	return (ledger_init(&ledger, 7));
}

static int
tear_down(void **state)
{
	(void)state;
	ledger_fini(&ledger);
	return (0);
}

static void
alone_a_link_takes_all(void **state)
{
	(void)state;
	assert_true(takes(false, "x", 1));
	assert_true(takes(false, "x", 1));
	assert_false(takes(true, "x", 1));
	assert_false(ledger_is_ahead(&ledger, 1));
}

static void
each_message_is_taken_once(void **state)
{
	(void)state;
	assert_int_equal(ledger_compare_begin(&ledger), 0);
	assert_true(takes(false, "a", 1));
	assert_true(takes(false, "b", 1));
	/* those the old one has had before */
	assert_false(takes(true, "b", 2));
	assert_false(takes(true, "z", 2));
	assert_false(ledger_is_ahead(&ledger, 2));
	ledger_compare_all(&ledger);
	/* the same twice */
	assert_true(takes(false, "b", 2));
	assert_false(takes(true, "b", 2));
	/* the new one is before the old one */
	assert_false(takes(true, "c", 3));
	assert_false(takes(true, "b", 3));
	assert_true(ledger_is_ahead(&ledger, 3));
	assert_true(takes(false, "c", 4));
	assert_false(ledger_is_ahead(&ledger, 4));
	assert_true(takes(false, "d", 4));
	ledger_compare_rest(&ledger);
	/* from here on it is the only one */
	assert_false(takes(false, "d", 5));
	assert_true(takes(false, "d", 5));
	assert_true(takes(false, "e", 5));
	assert_true(takes(false, "e", 5));
	/* a third one takes nothing meanwhile */
	assert_false(takes(true, "e", 5));
	/* however late */
	assert_false(takes(false, "a", 3600000));
	assert_true(takes(false, "a", 3600000));
	assert_true(ledger_takes(&ledger, false, SLICE("other"),
	    SLICE("d"), 5));
	ledger_compare_end(&ledger);
	assert_true(takes(false, "d", 6));
}

static void
what_one_alone_brings_is_not_waited_for_for_ever(void **state)
{
	(void)state;
	assert_int_equal(ledger_compare_begin(&ledger), 0);
	ledger_compare_all(&ledger);
	assert_false(takes(true, "a", 1));
	assert_true(ledger_is_ahead(&ledger, 2001));
	assert_false(ledger_is_ahead(&ledger, 2002));
}

static void
many_have_room(void **state)
{
	char name[16];
	unsigned i;

	(void)state;
	assert_int_equal(ledger_compare_begin(&ledger), 0);
	ledger_compare_all(&ledger);
	for (i = 0; i < 100000; i++) {
		(void)snprintf(name, sizeof name, "%u", i);
		assert_true(takes(false, name, i / 100));
		assert_false(takes(true, name, i / 100));
	}
	assert_false(ledger_is_ahead(&ledger, 1000));
}

static void
both_have_one_number(void **state)
{
	(void)state;
	assert_int_equal(ledger_number(&ledger, false), 0);
	assert_int_equal(ledger_number(&ledger, true), 1);
	ledger.twofold = true;
	assert_int_equal(ledger_number(&ledger, false), 2);
	ledger.again = true;
	assert_int_equal(ledger_number(&ledger, false), 2);
	assert_int_equal(ledger_number(&ledger, true), 2);
	ledger.again = false;
	assert_int_equal(ledger_number(&ledger, true), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(alone_a_link_takes_all,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_message_is_taken_once,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    what_one_alone_brings_is_not_waited_for_for_ever,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_have_room, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(both_have_one_number, set_up,
		    tear_down),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
