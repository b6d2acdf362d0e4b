/* The next turn's work: in order, each once, and each in front in turn. */
#include "worker/net/later.h"

#include "base/bug.h"
#include "hub/work.h"

#include "tests/lib/check.h"

#define MANY	40		/* more than have a whole share in a turn */

struct one {
	struct later	 later;
	unsigned	 went;		/* turns */
	unsigned	 whole;		/* ... with a whole share */
};

static struct later_queue *queue;
static struct work work;
static struct one all[MANY];
static unsigned order[MANY], norder;

static void
start(void)
{
	unsigned i;

	memset(all, 0, sizeof all);
	later_free(&queue);
	queue = later_new();
	assert_non_null(queue);
	work_init(&work, WORK_BYTES);
	for (i = 0; i < MANY; i++)
		later_add(queue, &all[i].later);
}

/* One that always has more than it may do. */
static void
greedy(struct later *l)
{
	struct one *o = container_of(l, struct one, later);
	uint32_t share;

	work_begin(&work);
	share = work.end - work.spent;
	work_add(&work, share);
	o->went++;
	o->whole += share == WORK_SHARE;
	later_add(queue, l);
}

static void
modest(struct later *l)
{
	work_begin(&work);
	work_add(&work, 1);
	order[norder++] = (unsigned)(container_of(l, struct one, later) - all);
	later_add(queue, l);
}

static void
last(struct later *l)
{
	(void)l;
}

static void
each_has_a_whole_share_as_often_as_the_others(void **state)
{
	unsigned i, turn, turns = 100, least = UINT32_MAX, most = 0;

	(void)state;
	start();
	for (turn = 0; turn < turns; turn++) {
		work_turn(&work);
		later_walk(queue, &work, greedy);
	}
	for (i = 0; i < MANY; i++) {
		assert_int_equal(all[i].went, turns);
		if (all[i].whole < least)
			least = all[i].whole;
		if (all[i].whole > most)
			most = all[i].whole;
	}
	assert_true(least > turns / 4);
	assert_true(most - least <= 1);
	later_free(&queue);
}

static void
who_comes_first_goes_first_while_there_is_enough(void **state)
{
	unsigned i, turn;

	(void)state;
	start();
	for (turn = 0; turn < 3; turn++) {
		work_turn(&work);
		norder = 0;
		later_walk(queue, &work, modest);
		assert_int_equal(norder, MANY);
		for (i = 0; i < MANY; i++)
			assert_int_equal(order[i], i);
	}
	assert_false(later_empty(queue));
	later_walk(queue, NULL, last);
	assert_true(later_empty(queue));
	later_free(&queue);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    each_has_a_whole_share_as_often_as_the_others),
		cmocka_unit_test(
		    who_comes_first_goes_first_while_there_is_enough),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
