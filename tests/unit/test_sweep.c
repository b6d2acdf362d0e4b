/*
 * The master's round without memory: a dead worker's slot waits, nothing of
 * it is used again meanwhile, and the next round finishes.
 */
#include "check.h"
#include "shm/counters.h"
#include "shm/presence.h"
#include "shm/slots.h"
#include "shm/sweep.h"
#include "shm/table_master.h"
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

/* Each of the master's handles can't be made, in turn. */
static void
a_slot_that_can_not_be_reclaimed_keeps_its_epoch(void **state)
{
	struct segment_params p = { .max_workers = 2, .presence_max = 100,
		.interest_max = 100, .rate_ways = 8, .max_ns = 4 };
	struct segment *seg;
	struct sweep *w;
	struct table *t;
	unsigned k, id;
	uint32_t n;

	(void)state;
	for (k = 0; k < 2 * SHM_TABLES; k++) {
		seg = segment_create(&p);
		assert_non_null(seg);
		w = sweep_new(seg);
		assert_non_null(w);
		start(seg, 1);
		t = table_open(seg, TABLE_PRESENCE, 1);
		assert_non_null(t);
		n = table_join(t, 1, SLICE("ann"));
		assert_int_not_equal(n, 0);
		slot_dead(seg, 1);
		short_of_memory = true;
		left = k;
		sweep_reclaim(w, 1);
		short_of_memory = false;
		assert_int_equal(slot_state(seg, 1), SLOT_RECLAIM);
		assert_int_not_equal(qs(seg, 1), 0);
		assert_true(table_holds(t, n));
		/* other workers' slots are given, not this one */
		assert_int_equal(slot_assign(seg, SLOT_WORKER, 2), 2);

		sweep_round(w, mono_now());
		assert_int_equal(slot_state(seg, 1), SLOT_FREE);
		assert_int_equal(qs(seg, 1), 0);
		assert_false(table_holds(t, n));
		for (id = 0; id < SHM_TABLES; id++)
			assert_int_equal(verify_table(seg,
			    (enum table_id)id), 0);
		table_close(&t);
		sweep_free(&w);
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
	struct table_master *master;
	struct sweep *w;
	struct table *two;
	uint32_t n;

	(void)state;
	assert_non_null(seg);
	start(seg, 1);
	start(seg, 2);
	two = table_open(seg, TABLE_PRESENCE, 2);
	master = table_master_open(seg, TABLE_PRESENCE);
	w = sweep_new(seg);
	assert_true(two != NULL && master != NULL && w != NULL);
	n = table_join(two, 1, SLICE("ann"));
	table_leave(two, n);
	atomic_store(&two->seen[n], atomic_load(&table_node(two, n)->ann));
	table_master_sweep(master, mono_add_ms(mono_now(), 3600000), true);
	assert_int_equal(atomic_load(&two->map[n]), MAP_LIMBO);
	slots_quiesce_enter(seg, 2);
	slot_dead(seg, 1);
	short_of_memory = true;
	left = 1;
	sweep_reclaim(w, 1);
	table_master_grace(master);
	short_of_memory = false;
	assert_int_equal(atomic_load(&two->map[n]), MAP_LIMBO);
	sweep_reclaim(w, 1);
	table_master_grace(master);
	assert_int_equal(atomic_load(&two->map[n]), MAP_FREE);
	table_close(&two);
	table_master_close(&master);
	sweep_free(&w);
	segment_free(&seg);
}

static struct slice
key_of(unsigned i, char text[16])
{
	snprintf(text, 16, "k%u", i);
	return (slice_str(text));
}

/* Some come and go at once; returns how many found a node. */
static unsigned
pass_through(struct table *t, unsigned n)
{
	unsigned i, got = 0;
	uint32_t node;
	char text[16];

	for (i = 0; i < n; i++) {
		node = table_join(t, 1, key_of(i, text));
		if (node == 0)
			continue;
		table_leave(t, node);
		got++;
	}
	return (got);
}

static unsigned
nodes_in(struct table *t, uint8_t map)
{
	unsigned n, sum = 0;

	for (n = 1; n < t->cap; n++)
		sum += atomic_load(&t->map[n]) == map;
	return (sum);
}

/* The relay has told nobody yet: it waits for a living one, not for none. */
static void
what_nobody_was_told_goes_only_without_a_relay(void **state)
{
	struct segment_params p = { .max_workers = 2, .presence_max = 20,
		.interest_max = 100, .rate_ways = 8, .max_ns = 4 };
	struct segment *seg = segment_create(&p);
	struct mono later = mono_add_ms(mono_now(), 3600000);
	uint64_t untold = counter_get(COUNTER_shm_unannounced);
	struct sweep *w;
	struct table *t;
	unsigned n;

	(void)state;
	assert_non_null(seg);
	w = sweep_new(seg);
	assert_non_null(w);
	start(seg, 0);
	start(seg, 2);
	t = table_open(seg, TABLE_PRESENCE, 2);
	assert_non_null(t);
	n = pass_through(t, 100);
	assert_int_equal(n, t->cap - 1);
	assert_int_equal(atomic_load(&seg->hdr->need_sweep), 1);
	sweep_round(w, later);
	assert_int_equal(atomic_load(&seg->hdr->need_sweep), 0);
	assert_int_equal(nodes_in(t, MAP_LINKED), n);
	assert_int_equal(counter_get(COUNTER_shm_limbo), 0);
	slot_dead(seg, 0);
	sweep_reclaim(w, 0);
	sweep_round(w, later);
	assert_int_equal(nodes_in(t, MAP_LINKED), 0);
	assert_int_equal(counter_get(COUNTER_shm_unannounced) - untold, n);
	/* slot 2 may still look at them */
	assert_int_equal(counter_get(COUNTER_shm_limbo), n);
	slots_quiesce_enter(seg, 2);
	sweep_round(w, later);
	assert_int_equal(nodes_in(t, MAP_FREE), n);
	assert_int_equal(counter_get(COUNTER_shm_limbo), 0);
	table_close(&t);
	sweep_free(&w);
	segment_free(&seg);
}

/* ... but others' bits stay, in either word. */
static void
the_overflow_of_the_dead_ends_with_them(void **state)
{
	struct segment_params p = { .max_workers = 64, .presence_max = 100,
		.interest_max = 100, .rate_ways = 8, .max_ns = 4 };
	struct segment *seg = segment_create(&p);
	static const unsigned slots[] = { 1, 2, 64, 65, 70, 128 };
	unsigned i, k, id, word;

	(void)state;
	assert_non_null(seg);
	for (id = 0; id < 2; id++)
		for (word = 0; word < 2; word++)
			atomic_store(&seg->hdr->overflow[id][word],
			    UINT64_MAX);
	for (i = 0; i < nitems(slots); i++) {
		start(seg, slots[i]);
		slot_dead(seg, slots[i]);
		reclaim_anew(seg, slots[i]);
		for (id = 0; id < 2; id++)
			for (k = 1; k <= 128; k++)
				assert_int_equal(atomic_load(
				    &seg->hdr->overflow[id][(k - 1) / 64]) >>
				    ((k - 1) % 64) & 1, k != slots[0] &&
				    (i < 1 || k != slots[1]) &&
				    (i < 2 || k != slots[2]) &&
				    (i < 3 || k != slots[3]) &&
				    (i < 4 || k != slots[4]) &&
				    (i < 5 || k != slots[5]));
	}
	segment_free(&seg);
}

/* What waits for its grace is summed over all tables. */
static void
every_table_is_swept(void **state)
{
	struct segment_params p = { .max_workers = 2, .presence_max = 100,
		.interest_max = 100, .rate_ways = 8, .max_ns = 4,
		.count_max = 100 };
	struct segment *seg = segment_create(&p);
	struct mono later = mono_add_ms(mono_now(), 3600000);
	struct table *t[SHM_TABLES];
	struct sweep *w;
	unsigned id, n;

	(void)state;
	assert_non_null(seg);
	w = sweep_new(seg);
	assert_non_null(w);
	start(seg, 2);
	for (id = 0; id < SHM_TABLES; id++) {
		t[id] = table_open(seg, (enum table_id)id, 2);
		assert_non_null(t[id]);
		assert_int_equal(pass_through(t[id], 3 + id), 3 + id);
		for (n = 1; n < t[id]->cap; n++)	/* as if told */
			atomic_store(&t[id]->seen[n],
			    atomic_load(&table_node(t[id], n)->ann));
	}
	sweep_round(w, later);
	assert_int_equal(counter_get(COUNTER_shm_limbo), 3 + 4 + 5);
	/* as they were found */
	assert_int_equal(counter_get(COUNTER_presence_nodes), 3);
	assert_int_equal(counter_get(COUNTER_interest_nodes), 4);
	assert_int_equal(counter_get(COUNTER_count_nodes), 5);
	for (id = 0; id < SHM_TABLES; id++) {
		assert_int_equal(nodes_in(t[id], MAP_LIMBO), 3 + id);
		table_close(&t[id]);
	}
	sweep_free(&w);
	segment_free(&seg);
}

/* Slots at both ends of both words of bits: each takes back its own. */
static void
a_dead_slot_takes_back_its_own_bit(void **state)
{
	static const unsigned slots[] = { 1, 64, 65, 128 };
	struct segment_params p = { .max_workers = 64, .presence_max = 100,
		.interest_max = 100, .rate_ways = 8, .max_ns = 4 };
	struct segment *seg = segment_create(&p);
	struct table *t[nitems(slots)];
	uint64_t bits[2] = { 0, 0 };
	struct shm_node *node;
	uint32_t n = 0;
	size_t i;

	(void)state;
	assert_non_null(seg);
	for (i = 0; i < nitems(slots); i++) {
		start(seg, slots[i]);
		t[i] = table_open(seg, TABLE_PRESENCE, slots[i]);
		assert_non_null(t[i]);
		n = table_join(t[i], 1, SLICE("ann"));
		assert_int_not_equal(n, 0);
		bits[(slots[i] - 1) / 64] |=
		    (uint64_t)1 << ((slots[i] - 1) % 64);
	}
	node = table_node(t[0], n);
	for (i = 0; i < nitems(slots); i++) {
		assert_int_equal(atomic_load(&node->bits[0]), bits[0]);
		assert_int_equal(atomic_load(&node->bits[1]), bits[1]);
		assert_int_equal(atomic_load(&node->ann) & ANN_LEVEL, ANN_L);
		slot_dead(seg, slots[i]);
		reclaim_anew(seg, slots[i]);
		bits[(slots[i] - 1) / 64] &=
		    ~((uint64_t)1 << ((slots[i] - 1) % 64));
	}
	assert_int_equal(atomic_load(&node->bits[1]), 0);
	assert_int_equal(atomic_load(&node->ann) & ANN_LEVEL, 0);
	assert_int_equal(verify_segment(seg), 0);
	for (i = 0; i < nitems(slots); i++)
		table_close(&t[i]);
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
		cmocka_unit_test(
		    what_nobody_was_told_goes_only_without_a_relay),
		cmocka_unit_test(every_table_is_swept),
		cmocka_unit_test(a_dead_slot_takes_back_its_own_bit),
		cmocka_unit_test(the_overflow_of_the_dead_ends_with_them),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
