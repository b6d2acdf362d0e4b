/* Shares of a turn: one client's, and those that are left for the others. */
#include "hub/work.h"

#include "tests/lib/check.h"

static unsigned
packets(struct work *w)
{
	unsigned n = 0;

	work_begin(w);
	for (; !work_done(w); n++)
		work_add(w, 1);
	return (n);
}

static void
a_share_each(void **state)
{
	struct work w;

	(void)state;
	work_init(&w, WORK_BYTES);
	assert_int_equal(packets(&w), WORK_SHARE);
	assert_int_equal(packets(&w), WORK_SHARE);
	work_turn(&w);
	assert_false(work_done(&w));
	assert_int_equal(packets(&w), WORK_SHARE);
}

static void
a_turn_has_an_end_but_nobody_starves(void **state)
{
	unsigned i, n, all = 0;
	struct work w;

	(void)state;
	work_init(&w, WORK_BYTES);
	for (i = 0; i < WORK_TURN / WORK_SHARE; i++)
		all += packets(&w);
	assert_int_equal(all, WORK_TURN);
	for (i = 0; i < 1000; i++) {
		n = packets(&w);
		assert_int_equal(n, WORK_LEAST);
	}
}

/* A turn is crowded by who is new, whatever the others had. */
static void
so_many_may_come_in_a_turn(void **state)
{
	unsigned i, n = 0;
	struct work w;

	(void)state;
	work_init(&w, WORK_BYTES);
	for (i = 0; i < 1000; i++)
		(void)packets(&w);
	assert_false(work_crowded(&w));
	work_turn(&w);
	for (; !work_crowded(&w); n++)
		work_come(&w, WORK_COMER);
	assert_int_equal(n, WORK_COMING / WORK_COMER);
	assert_int_equal(packets(&w), WORK_SHARE);
	work_turn(&w);
	assert_false(work_crowded(&w));
}

static void
answers_and_signatures_count(void **state)
{
	struct work w;
	unsigned n;

	(void)state;
	work_init(&w, UINT64_MAX);
	work_begin(&w);
	work_answered(&w, WORK_BYTES - 1);
	assert_false(work_done(&w));
	work_add(&w, 1);
	assert_true(work_done(&w));
	work_begin(&w);
	for (n = 0; !work_done(&w); n++)
		work_add(&w, WORK_SIGNATURE);
	assert_int_equal(n, WORK_SHARE / WORK_SIGNATURE);
	/* one that is larger than a share ends it, and no other */
	work_begin(&w);
	work_answered(&w, 100 * WORK_BYTES);
	assert_true(work_done(&w));
	work_begin(&w);
	assert_false(work_done(&w));
}

static void
small_queues_make_small_shares(void **state)
{
	struct work w;

	(void)state;
	work_init(&w, 1024);
	work_begin(&w);
	work_answered(&w, 1024);
	assert_true(work_done(&w));
	work_init(&w, 0);
	assert_int_equal(packets(&w), WORK_SHARE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_share_each),
		cmocka_unit_test(a_turn_has_an_end_but_nobody_starves),
		cmocka_unit_test(so_many_may_come_in_a_turn),
		cmocka_unit_test(answers_and_signatures_count),
		cmocka_unit_test(small_queues_make_small_shares),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
