/*
 * The master's round without memory: a dead worker's slot waits, nothing of
 * it is used again meanwhile, and the next round finishes.
 */
#include "check.h"
#include "shm/presence.h"
#include "shm/slots.h"
#include "shm/table.h"
#include "verify.h"

static unsigned left;		/* allocations that succeed */
static bool short_of_memory;

void	*__real_calloc(size_t, size_t);
void	*__wrap_calloc(size_t, size_t);

void *
__wrap_calloc(size_t n, size_t size)
{
	if (short_of_memory && left-- == 0) {
		left = 0;
		return (NULL);
	}
	return (__real_calloc(n, size));
}

static void
start(struct segment *seg, unsigned slot)
{
	atomic_store(&segment_slot(seg, slot)->state, SLOT_ASSIGNED);
	slot_live(seg, slot, 1);
	slots_quiesce_leave(seg, slot);
}

static uint64_t
qs(struct segment *seg, unsigned slot)
{
	return (atomic_load(&segment_slot(seg, slot)->qs));
}

/* The first, second and third handle of the master can't be made. */
static void
a_slot_that_can_not_be_reclaimed_keeps_its_epoch(void **state)
{
	struct segment_params p = { .max_workers = 2, .presence_max = 100,
		.interest_max = 100, .rate_ways = 8, .max_ns = 4 };
	struct segment *seg;
	struct table *t;
	unsigned k, id;
	uint32_t n;

	(void)state;
	for (k = 0; k < SHM_TABLES; k++) {
		seg = segment_create(&p);
		assert_non_null(seg);
		start(seg, 1);
		t = table_open(seg, TABLE_PRESENCE, 1);
		assert_non_null(t);
		n = table_join(t, 1, SLICE("ann"));
		assert_int_not_equal(n, 0);
		slot_dead(seg, 1);
		short_of_memory = true;
		left = k;
		segment_reclaim(seg, 1);
		short_of_memory = false;
		assert_int_equal(slot_state(seg, 1), SLOT_RECLAIM);
		assert_int_not_equal(qs(seg, 1), 0);
		assert_true(table_holds(t, n));
		/* other workers' slots are given, not this one */
		assert_int_equal(slot_assign(seg, SLOT_WORKER, 2), 2);

		segment_sweep(seg, mono_now());
		assert_int_equal(slot_state(seg, 1), SLOT_FREE);
		assert_int_equal(qs(seg, 1), 0);
		assert_false(table_holds(t, n));
		for (id = 0; id < SHM_TABLES; id++)
			assert_int_equal(verify_table(seg,
			    (enum table_id)id), 0);
		table_close(&t);
		segment_free(&seg);
	}
}

/* ... nor does what was unlinked in its time become free. */
static void
what_a_dead_worker_may_have_seen_stays_until_it_is_reclaimed(void **state)
{
	struct segment_params p = { .max_workers = 2, .presence_max = 100,
		.interest_max = 100, .rate_ways = 8, .max_ns = 4 };
	struct segment *seg = segment_create(&p);
	struct table *two, *master;
	uint32_t n;

	(void)state;
	assert_non_null(seg);
	start(seg, 1);
	start(seg, 2);
	two = table_open(seg, TABLE_PRESENCE, 2);
	master = table_open(seg, TABLE_PRESENCE, SLOT_NONE);
	assert_true(two != NULL && master != NULL);
	n = table_join(two, 1, SLICE("ann"));
	table_leave(two, n);
	atomic_store(&two->seen[n], atomic_load(&table_node(two, n)->ann));
	table_sweep(master, mono_add_ms(mono_now(), 3600000), true);
	assert_int_equal(atomic_load(&master->map[n]), MAP_LIMBO);
	slots_quiesce_enter(seg, 2);
	slot_dead(seg, 1);
	short_of_memory = true;
	left = 1;
	segment_reclaim(seg, 1);
	table_grace(master);
	short_of_memory = false;
	assert_int_equal(atomic_load(&master->map[n]), MAP_LIMBO);
	segment_reclaim(seg, 1);
	table_grace(master);
	assert_int_equal(atomic_load(&master->map[n]), MAP_FREE);
	table_close(&two);
	table_close(&master);
	segment_free(&seg);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_slot_that_can_not_be_reclaimed_keeps_its_epoch),
		cmocka_unit_test(
		    what_a_dead_worker_may_have_seen_stays_until_it_is_reclaimed),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
