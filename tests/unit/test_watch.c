/* master/watch: who has hung, and who only seems to. */
#include "master/watch.h"

#include "tests/lib/check.h"

/* One that has hung: in a loop, for longer than it may. */
static const struct watch hung = {
	.limit_us = 8750000, .silent_us = 8800000, .looks = 80,
	.state = 'R', .cpu_us = 9000000, .cpu_then_us = 4600000,
};

static void
a_loop_a_wait_and_a_stop_are_hung(void **state)
{
	static const char states[] = "RSDTZ?";
	struct watch w = hung;
	size_t i;

	(void)state;
	for (i = 0; states[i] != '\0'; i++) {
		w.state = states[i];
		assert_int_equal(watch_judge(&w), WATCH_HUNG);
	}
	/* who uses no CPU has hung, unless he would like to */
	w.cpu_us = w.cpu_then_us;
	for (i = 1; states[i] != '\0'; i++) {
		w.state = states[i];
		assert_int_equal(watch_judge(&w), WATCH_HUNG);
	}
}

static void
not_before_its_time_and_not_without_a_second_look(void **state)
{
	struct watch w = hung;

	(void)state;
	w.silent_us = w.limit_us;
	assert_int_equal(watch_judge(&w), WATCH_HUNG);
	w.silent_us--;
	assert_int_equal(watch_judge(&w), WATCH_WAIT);
	w = hung;
	w.looks = 43;	/* half of those that the limit has room for */
	assert_int_equal(watch_judge(&w), WATCH_HUNG);
	w.looks = 42;
	assert_int_equal(watch_judge(&w), WATCH_WAIT);
	w.silent_us *= 100;
	assert_int_equal(watch_judge(&w), WATCH_WAIT);
}

static void
who_is_held_by_a_debugger_is_traced_at_once(void **state)
{
	struct watch w = hung;

	(void)state;
	w.state = 't';
	assert_int_equal(watch_judge(&w), WATCH_TRACED);
	w.silent_us = w.limit_us / 2;
	w.looks = 0;
	assert_int_equal(watch_judge(&w), WATCH_TRACED);
}

static void
who_is_not_let_run_is_starved(void **state)
{
	struct watch w = hung;

	(void)state;
	w.cpu_us = w.cpu_then_us;
	assert_int_equal(watch_judge(&w), WATCH_STARVED);
	w.cpu_us++;
	assert_int_equal(watch_judge(&w), WATCH_HUNG);
	/* unknown is no excuse */
	w.cpu_us = w.cpu_then_us = -1;
	assert_int_equal(watch_judge(&w), WATCH_HUNG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loop_a_wait_and_a_stop_are_hung),
		cmocka_unit_test(
		    not_before_its_time_and_not_without_a_second_look),
		cmocka_unit_test(who_is_held_by_a_debugger_is_traced_at_once),
		cmocka_unit_test(who_is_not_let_run_is_starved),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
