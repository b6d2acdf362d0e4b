/* Slots: who gets which, notes of the dying, and the two stores. */
#include "check.h"
#include "shm/slots.h"
#include "verify.h"

static struct segment *seg;

static int
setup(void **state)
{
	struct segment_params p = { .max_workers = 2, .presence_max = 10,
		.interest_max = 10, .rate_ways = 8, .max_ns = 1 };

	(void)state;
	seg = segment_create(&p);
	return (seg == NULL ? -1 : 0);
}

static int
teardown(void **state)
{
	(void)state;
	segment_free(&seg);
	return (0);
}

static void
there_is_one_relay_and_twice_the_workers(void **state)
{
	int i;

	(void)state;
	assert_int_equal(slot_assign(seg, SLOT_RELAY, 1), 0);
	assert_int_equal(slot_assign(seg, SLOT_RELAY, 1), -1);
	for (i = 1; i <= 4; i++)
		assert_int_equal(slot_assign(seg, SLOT_WORKER, 1), i);
	assert_int_equal(slot_assign(seg, SLOT_WORKER, 1), -1);
}

static void
a_slot_goes_round(void **state)
{
	int s = slot_assign(seg, SLOT_WORKER, 9);

	(void)state;
	assert_int_equal(s, 1);
	assert_int_equal(slot_state(seg, 1), SLOT_ASSIGNED);
	slot_live(seg, 1, 1234);
	assert_int_equal(slot_state(seg, 1), SLOT_LIVE);
	assert_int_equal(slot_pid(seg, 1), 1234);
	assert_int_equal(slot_generation(seg, 1), 9);
	assert_int_equal(slot_role(seg, 1), SLOT_WORKER);
	slot_heartbeat(seg, 1, 55);
	slot_heartbeat(seg, 1, 56);
	assert_int_equal(slot_heartbeat_us(seg, 1), 56);
	assert_int_equal(slot_turns(seg, 1), 2);
	slot_dead(seg, 1);
	assert_int_equal(slot_state(seg, 1), SLOT_DEAD);
	reclaim_anew(seg, 1);
	assert_int_equal(slot_state(seg, 1), SLOT_FREE);
	assert_int_equal(slot_assign(seg, SLOT_WORKER, 10), 1);
	assert_int_equal(slot_heartbeat_us(seg, 1), 0);
}

static void
a_failed_fork_gives_its_slot_back(void **state)
{
	(void)state;
	assert_int_equal(slot_assign(seg, SLOT_WORKER, 1), 1);
	slot_unassign(seg, 1);
	assert_int_equal(slot_assign(seg, SLOT_WORKER, 1), 1);
}

static void
a_note_is_cut_and_outlives_its_writer(void **state)
{
	char out[128], longer[300];

	(void)state;
	assert_int_equal(slot_assign(seg, SLOT_WORKER, 1), 1);
	assert_false(slot_panic(seg, 1, out));
	memset(longer, 'x', sizeof longer);
	longer[299] = '\0';
	slot_panic_note(seg, 1, longer);
	slot_dead(seg, 1);
	assert_true(slot_panic(seg, 1, out));
	assert_int_equal(strlen(out), 127);
	reclaim_anew(seg, 1);
	assert_int_equal(slot_assign(seg, SLOT_WORKER, 2), 1);
	assert_false(slot_panic(seg, 1, out));
}

static void
the_epoch_shows_only_between_waits(void **state)
{
	struct slot_row *row = segment_slot(seg, 1);

	(void)state;
	atomic_store(&segment_header(seg)->epoch, 7);
	slots_quiesce_leave(seg, 1);
	assert_int_equal(atomic_load(&row->qs), 7);
	slots_quiesce_enter(seg, 1);
	assert_int_equal(atomic_load(&row->qs), 0);
}

static void
states_have_names(void **state)
{
	(void)state;
	assert_string_equal(slot_state_name(SLOT_FREE), "free");
	assert_string_equal(slot_state_name(SLOT_RECLAIM), "reclaim");
}

static void
what_an_owner_does_has_words(void **state)
{
	struct slot_row *row;
	unsigned what;

	(void)state;
	assert_int_equal(slot_assign(seg, SLOT_WORKER, 1), 1);
	row = segment_slot(seg, 1);
	assert_string_equal(slot_doing(seg, 1), "starting");
	for (what = SLOT_STARTING; what <= SLOT_MOVING; what++) {
		slot_does(row, (enum slot_doing)what);
		assert_non_null(slot_doing(seg, 1));
		assert_true(strcmp(slot_doing(seg, 1), "nonsense") != 0);
	}
	/* the column is its owner's, who may be unwell */
	atomic_store(&row->doing, 4000000000u);
	assert_string_equal(slot_doing(seg, 1), "nonsense");
	slot_dead(seg, 1);
	reclaim_anew(seg, 1);
	assert_int_equal(slot_assign(seg, SLOT_WORKER, 2), 1);
	assert_string_equal(slot_doing(seg, 1), "starting");
}

static void
a_slot_that_does_not_come_round_is_silent(void **state)
{
	(void)state;
	assert_int_equal(slot_assign(seg, SLOT_WORKER, 1), 1);
	/* its process is on its way */
	assert_false(slot_silent(seg, 1, (struct mono){ 10000000 }, 2000));
	slot_heartbeat(seg, 1, 5000000);
	assert_false(slot_silent(seg, 1, (struct mono){ 4000000 }, 2000));
	assert_false(slot_silent(seg, 1, (struct mono){ 6999999 }, 2000));
	assert_true(slot_silent(seg, 1, (struct mono){ 7000000 }, 2000));
	slot_heartbeat(seg, 1, 7000000);
	assert_false(slot_silent(seg, 1, (struct mono){ 7000000 }, 2000));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(there_is_one_relay_and_twice_the_workers),
		T(a_slot_goes_round),
		T(a_failed_fork_gives_its_slot_back),
		T(a_note_is_cut_and_outlives_its_writer),
		T(the_epoch_shows_only_between_waits),
		T(what_an_owner_does_has_words),
		T(a_slot_that_does_not_come_round_is_silent),
		T(states_have_names),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
