/* The timer wheel, with the clock set by hand. */
#include "sys/timer.h"

#include "tests/lib/check.h"

#define TICK_US	((uint64_t)TIMER_TICK_MS * 1000)

static struct wheel wheel;

struct alarm {
	struct timer	 timer;
	unsigned	 fired;
	struct mono	 at;		/* of the last time */
	struct timer	*stops;		/* when it fires, also ... */
	struct alarm	*starts;
	struct mono	 starts_at;
	unsigned	 order;
};

static unsigned order;

static struct mono
us(uint64_t v)
{
	return ((struct mono){ v });
}

static void
rang(struct timer *t, struct mono now)
{
	struct alarm *a = container_of(t, struct alarm, timer);

	a->fired++;
	a->at = now;
	a->order = ++order;
	if (a->stops != NULL)
		timer_stop(&wheel, a->stops);
	if (a->starts != NULL)
		timer_start(&wheel, &a->starts->timer, a->starts_at, rang);
}

static int
set_up(void **state)
{
	(void)state;
	order = 0;
	wheel_init(&wheel, us(1000000));
	return (0);
}

static void
fires_once_never_early_and_within_a_tick(void **state)
{
	uint64_t at, now;

	(void)state;
	for (at = 1000001; at < 1000000 + 4 * TICK_US; at += 997) {
		struct alarm a = { .fired = 0 };

		set_up(NULL);
		timer_start(&wheel, &a.timer, us(at), rang);
		for (now = 1000000; now < at + 3 * TICK_US; now += 500) {
			wheel_advance(&wheel, us(now));
			if (now < at)
				assert_int_equal(a.fired, 0);
		}
		assert_int_equal(a.fired, 1);
		assert_true(a.at.us >= at);
		assert_true(a.at.us < at + TICK_US + 500);
		assert_false(a.timer.running);
		assert_int_equal(wheel.count, 0);
	}
}

static void
a_time_that_has_passed_fires_at_the_next_tick(void **state)
{
	struct alarm a = { .fired = 0 };

	(void)state;
	timer_start(&wheel, &a.timer, us(5), rang);
	wheel_advance(&wheel, us(1000000));
	assert_int_equal(a.fired, 0);
	wheel_advance(&wheel, us(1000000 + TICK_US));
	assert_int_equal(a.fired, 1);
}

static void
delays_longer_than_the_wheel_go_round_again(void **state)
{
	const uint64_t round = TIMER_SLOTS * TICK_US;
	struct alarm a = { .fired = 0 }, b = { .fired = 0 };
	uint64_t now;

	(void)state;
	/* the same slot, two rounds apart */
	timer_start(&wheel, &a.timer, us(2000000), rang);
	timer_start(&wheel, &b.timer, us(2000000 + 2 * round), rang);
	for (now = 1000000; now < 2000000 + 2 * round; now += 7 * TICK_US) {
		wheel_advance(&wheel, us(now));
		assert_int_equal(b.fired, 0);
	}
	assert_int_equal(a.fired, 1);
	wheel_advance(&wheel, us(2000000 + 2 * round + TICK_US));
	assert_int_equal(b.fired, 1);
}

static void
a_clock_that_jumps_fires_all_that_is_due_in_order(void **state)
{
	struct alarm a[3] = { { .fired = 0 } };

	(void)state;
	timer_start(&wheel, &a[2].timer, us(9000000), rang);
	timer_start(&wheel, &a[0].timer, us(2000000), rang);
	timer_start(&wheel, &a[1].timer, us(3000000), rang);
	wheel_advance(&wheel, us(60000000));
	assert_int_equal(a[0].order, 1);
	assert_int_equal(a[1].order, 2);
	assert_int_equal(a[2].order, 3);

	/* further than the whole wheel */
	timer_start(&wheel, &a[0].timer, us(61000000), rang);
	wheel_advance(&wheel, us(60000000 + 10 * TIMER_SLOTS * TICK_US));
	assert_int_equal(a[0].fired, 2);
	/* a clock that stands still or goes back does no harm */
	wheel_advance(&wheel, us(1));
	assert_int_equal(a[0].fired, 2);
}

static void
a_stopped_timer_stays_silent(void **state)
{
	struct alarm a = { .fired = 0 };

	(void)state;
	timer_stop(&wheel, &a.timer); /* idle: harmless */
	timer_start(&wheel, &a.timer, us(1100000), rang);
	timer_stop(&wheel, &a.timer);
	timer_stop(&wheel, &a.timer);
	wheel_advance(&wheel, us(5000000));
	assert_int_equal(a.fired, 0);
	assert_int_equal(wheel.count, 0);
}

static void
a_restarted_timer_fires_at_its_new_time_only(void **state)
{
	struct alarm a = { .fired = 0 };

	(void)state;
	timer_start(&wheel, &a.timer, us(1100000), rang);
	timer_start(&wheel, &a.timer, us(3000000), rang);
	assert_int_equal(wheel.count, 1);
	wheel_advance(&wheel, us(2900000));
	assert_int_equal(a.fired, 0);
	wheel_advance(&wheel, us(3000000 + TICK_US));
	assert_int_equal(a.fired, 1);
	assert_true(timer_at(&a.timer).us >= 3000000);
}

static void
a_callback_may_stop_others_that_are_due(void **state)
{
	struct alarm a = { .fired = 0 }, b = { .fired = 0 };

	(void)state;
	a.stops = &b.timer;
	timer_start(&wheel, &a.timer, us(1100000), rang);
	timer_start(&wheel, &b.timer, us(1100000), rang);
	wheel_advance(&wheel, us(1200000));
	assert_int_equal(a.fired, 1);
	assert_int_equal(b.fired, 0);
	assert_int_equal(wheel.count, 0);
}

static void
a_callback_may_restart_its_own_timer(void **state)
{
	struct alarm a = { .fired = 0 };

	(void)state;
	a.starts = &a;
	a.starts_at = us(0); /* at once: at the next tick, not for ever */
	timer_start(&wheel, &a.timer, us(1100000), rang);
	wheel_advance(&wheel, us(1200000));
	assert_int_equal(a.fired, 1);
	wheel_advance(&wheel, us(1200000 + TICK_US));
	assert_int_equal(a.fired, 2);
	timer_stop(&wheel, &a.timer);
}

static void
a_callback_may_put_off_another_that_is_due(void **state)
{
	struct alarm a = { .fired = 0 }, b = { .fired = 0 };

	(void)state;
	a.starts = &b;
	a.starts_at = us(9000000);
	timer_start(&wheel, &a.timer, us(1100000), rang);
	timer_start(&wheel, &b.timer, us(1100000), rang);
	wheel_advance(&wheel, us(1200000));
	assert_int_equal(b.fired, 0);
	wheel_advance(&wheel, us(9100000));
	assert_int_equal(b.fired, 1);
}

static void
freed(struct timer *t, struct mono now)
{
	(void)now;
	free(container_of(t, struct alarm, timer));
}

static void
a_callback_may_free_its_timer(void **state)
{
	struct alarm *a = calloc(1, sizeof *a);

	(void)state;
	assert_non_null(a);
	timer_start(&wheel, &a->timer, us(1100000), freed);
	wheel_advance(&wheel, us(1200000));
	assert_int_equal(wheel.count, 0);
}

static void
the_wait_ends_when_something_is_due_and_not_later(void **state)
{
	struct alarm a = { .fired = 0 };
	int ms;

	(void)state;
	assert_int_equal(wheel_wait_ms(&wheel, us(1000000), 500), 500);
	assert_int_equal(wheel_wait_ms(&wheel, us(1000000), 0), 0);
	timer_start(&wheel, &a.timer, us(1200000), rang);
	ms = wheel_wait_ms(&wheel, us(1000000), 500);
	assert_in_range(ms, 200, 200 + TIMER_TICK_MS);
	assert_int_equal(wheel_wait_ms(&wheel, us(1000000), 100), 100);
	/* woken after that long, it fires */
	wheel_advance(&wheel, us(1000000 + (uint64_t)ms * 1000));
	assert_int_equal(a.fired, 1);

	timer_start(&wheel, &a.timer, us(1300000), rang);
	assert_int_equal(wheel_wait_ms(&wheel, us(2000000), 500), 0);
	timer_stop(&wheel, &a.timer);
	/* farther away than the limit looks */
	timer_start(&wheel, &a.timer, us(1000000000), rang);
	assert_int_equal(wheel_wait_ms(&wheel, us(1300000), 1000), 1000);
	timer_stop(&wheel, &a.timer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup(f, set_up)
		T(fires_once_never_early_and_within_a_tick),
		T(a_time_that_has_passed_fires_at_the_next_tick),
		T(delays_longer_than_the_wheel_go_round_again),
		T(a_clock_that_jumps_fires_all_that_is_due_in_order),
		T(a_stopped_timer_stays_silent),
		T(a_restarted_timer_fires_at_its_new_time_only),
		T(a_callback_may_stop_others_that_are_due),
		T(a_callback_may_restart_its_own_timer),
		T(a_callback_may_put_off_another_that_is_due),
		T(a_callback_may_free_its_timer),
		T(the_wait_ends_when_something_is_due_and_not_later),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
