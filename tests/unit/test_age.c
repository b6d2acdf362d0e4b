/* net/age: the end of a connection, drawn once and kept in 16 bits. */
#include "worker/net/age.h"

#include "tests/lib/check.h"

static void
off_is_for_ever(void **state)
{
	(void)state;
	assert_true(age_unit(0) == 0);
	assert_int_equal(age_draw(0, (struct mono){ 77 }, 5), 0);
	assert_true(age_due(0, 0, (struct mono){ 77 }).us == UINT64_MAX);
}

/* Whatever the age, the time and the draw: within a tenth, and one unit. */
static void
an_end_is_an_age_away_give_or_take_a_tenth(void **state)
{
	static const uint64_t ages_ms[] = { 1, 100, 1000, 3600000,
		30 * 86400000ull };
	static const uint64_t starts[] = { 0, 1, 999999, 65536ull * 65536,
		1ull << 50 };
	struct mono born, due;
	uint64_t us, unit, lived;
	uint32_t r;
	size_t i, k;

	(void)state;
	for (i = 0; i < nitems(ages_ms); i++)
		for (k = 0; k < nitems(starts); k++)
			for (r = 0; r < 4000; r += 7) {
				unit = age_unit(ages_ms[i]);
				us = unit * 8000;
				assert_true(us >= ages_ms[i] * 1000);
				born.us = starts[k];
				due = age_due(unit, age_draw(unit, born, r), born);
				lived = due.us - born.us;
				assert_true(lived + unit >= us / 10 * 9);
				assert_true(lived <= us / 10 * 11);
			}
}

static void
it_is_the_same_whenever_it_is_asked_for(void **state)
{
	struct mono born = { 123456789 }, due, t;
	const uint64_t unit = age_unit(10000);
	uint16_t end;

	(void)state;
	end = age_draw(unit, born, 1234567);
	due = age_due(unit, end, born);
	for (t = born; t.us < due.us + 3 * 8000 * unit; t.us += 98765)
		assert_true(age_due(unit, end, t).us == due.us);
}

/* By another worker, whose age may be another. */
static void
it_is_kept_by_another_if_that_may_be(void **state)
{
	const uint64_t unit = age_unit(10000), longer = age_unit(100000);
	const uint64_t shorter = age_unit(1000);
	struct mono born = { 123456789 }, due, now, got;
	uint16_t end;

	(void)state;
	end = age_draw(unit, born, 1234567);
	due = age_due(unit, end, born);
	for (now = born; now.us < due.us; now.us += 98765) {
		assert_int_equal(age_keep(unit, due, now, 5), end);
		got = age_due(longer, age_keep(longer, due, now, 5), now);
		assert_true(got.us <= due.us && got.us + longer > due.us);
		got = age_due(shorter, age_keep(shorter, due, now, 5), now);
		assert_true(got.us <= now.us + 8800 * shorter);
	}
	/* over it stays, however long ago */
	for (now = due; now.us < due.us * 100; now.us *= 2)
		assert_true(age_due(unit, age_keep(unit, due, now, 5),
		    now).us <= now.us);
	/* none before; none now */
	got.us = UINT64_MAX;
	assert_int_equal(age_keep(unit, got, now, 5), age_draw(unit, now, 5));
	assert_int_equal(age_keep(0, due, now, 5), 0);
}

static void
draws_differ(void **state)
{
	struct mono now = { 5000000 };
	unsigned i, n = 0;
	uint16_t last = 0, end;

	(void)state;
	for (i = 0; i < 1000; i++) {
		end = age_draw(age_unit(60000), now, i * 2654435761u);
		n += end != last;
		last = end;
	}
	assert_true(n > 900);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(off_is_for_ever),
		cmocka_unit_test(an_end_is_an_age_away_give_or_take_a_tenth),
		cmocka_unit_test(it_is_the_same_whenever_it_is_asked_for),
		cmocka_unit_test(it_is_kept_by_another_if_that_may_be),
		cmocka_unit_test(draws_differ),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
