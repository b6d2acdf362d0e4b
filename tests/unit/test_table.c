/*
 * The table: what find, join, leave and evict do in order, and every operation
 * broken off between any two of its shared accesses.  What the relay does is
 * in test_table_relay.c.
 */
#include "shm/why.h"
#include "world.h"

static void
a_joined_key_is_found_and_another_is_not(void **state)
{
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	assert_int_equal(table_find(w.a, 1, SLICE("ann")), 0);
	n = table_join(w.a, 1, SLICE("ann"));
	assert_int_not_equal(n, 0);
	assert_int_equal(table_find(w.b, 1, SLICE("ann")), n);
	assert_int_equal(table_find(w.b, 2, SLICE("ann")), 0);
	assert_int_equal(table_find(w.b, 1, SLICE("anna")), 0);
	assert_int_equal(table_find(w.b, 1, SLICE("")), 0);
	assert_int_equal(ann(&w, n) & ANN_LEVEL, ANN_L);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

static void
an_empty_key_is_a_key(void **state)
{
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 1, slice_of(NULL, 0));
	assert_int_not_equal(n, 0);
	assert_int_equal(table_find(w.b, 1, SLICE("")), n);
	table_leave(w.a, n);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

static void
long_keys_differ_by_what_a_node_cannot_hold(void **state)
{
	struct world w;
	uint8_t x[600], y[600];
	struct slice key;
	uint32_t n, m;

	(void)state;
	world_init(&w, 100);
	memset(x, 'x', sizeof x);
	memset(y, 'x', sizeof y);
	y[599] = 'y';
	n = table_join(w.a, 1, slice_of(x, 600));
	m = table_join(w.a, 1, slice_of(y, 600));
	assert_int_not_equal(n, m);
	assert_int_equal(table_find(w.b, 1, slice_of(x, 600)), n);
	assert_int_equal(table_find(w.b, 1, slice_of(y, 600)), m);
	assert_int_equal(table_find(w.b, 1, slice_of(x, 599)), 0);
	assert_false(table_key(w.a, table_node(w.a, n), &key));
	assert_int_equal(key.n, 112);
	n = table_join(w.a, 1, slice_of(x, 128));
	assert_true(table_key(w.a, table_node(w.a, n), &key));
	assert_int_equal(key.n, 128);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

static void
the_last_of_several_leaves_ends_the_level(void **state)
{
	struct world w;
	uint64_t before;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 1, SLICE("ann"));
	assert_int_equal(table_join(w.a, 1, SLICE("ann")), n);
	assert_int_equal(table_join(w.b, 1, SLICE("ann")), n);
	before = ann(&w, n);
	table_leave(w.a, n);
	table_leave(w.a, n);
	assert_false(table_holds(w.a, n));
	assert_int_equal(ann(&w, n), before);	/* b holds it: no edge */
	table_leave(w.b, n);
	assert_int_equal(ann(&w, n) & ANN_LEVEL, 0);
	assert_true(ANN_VERSION(ann(&w, n)) > ANN_VERSION(before));
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

static void
a_hand_over_makes_no_edge(void **state)
{
	struct world w;
	uint64_t before;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 1, SLICE("ann"));
	before = ann(&w, n);
	assert_int_equal(table_join(w.b, 1, SLICE("ann")), n);
	table_leave(w.a, n);
	assert_int_equal(ann(&w, n), before);
	world_fini(&w);
}

static void
more_connections_than_a_column_counts_are_counted(void **state)
{
	struct world w;
	uint32_t n, i;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 1, SLICE("crowd"));
	for (i = 1; i < 70000; i++)
		assert_int_equal(table_join(w.a, 1, SLICE("crowd")), n);
	for (i = 1; i < 70000; i++)
		table_leave(w.a, n);
	assert_true(table_holds(w.a, n));
	assert_int_equal(atomic_load(&w.a->col[n]), 1);
	table_leave(w.a, n);
	assert_false(table_holds(w.a, n));
	world_fini(&w);
}

static void
a_full_table_says_so_and_rings_the_master(void **state)
{
	struct world w;
	char key[16];
	unsigned i, joined = 0;
	uint64_t rung = 0, full = counter_get(COUNTER_presence_full);

	(void)state;
	world_init(&w, 20);
	for (i = 0; i < 100; i++) {
		snprintf(key, sizeof key, "u%u", i);
		joined += table_join(w.a, 1, slice_str(key)) != 0;
	}
	assert_int_equal(joined, w.a->cap - 1);
	assert_true(joined >= 20);
	assert_true(counter_get(COUNTER_presence_full) > full);
	assert_int_equal(read(segment_master_fd(w.seg), &rung, 8), 8);
	assert_int_equal(atomic_load(&segment_header(w.seg)->need_sweep), 1);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

static void
an_idle_node_is_evicted_and_free_after_everybody_waited(void **state)
{
	uint64_t evicted = counter_get(COUNTER_shm_evicted);
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 1, SLICE("ann"));
	table_leave(w.a, n);
	table_master_sweep(w.master, much_later(), true);
	assert_int_equal(table_find(w.a, 1, SLICE("ann")), n); /* not told */
	(void)announce(&w, 1);
	table_master_sweep(w.master, mono_now(), true);
	assert_int_equal(table_find(w.a, 1, SLICE("ann")), n); /* lingers */
	assert_int_equal(counter_get(COUNTER_shm_evicted), evicted);
	table_master_sweep(w.master, much_later(), true);
	assert_int_equal(counter_get(COUNTER_shm_evicted), evicted + 1);
	assert_int_equal(table_find(w.a, 1, SLICE("ann")), 0);
	assert_int_equal(atomic_load(&w.a->map[n]), MAP_LIMBO);
	table_master_grace(w.master);
	assert_int_equal(atomic_load(&w.a->map[n]), MAP_LIMBO);
	waits(&w);
	table_master_grace(w.master);
	assert_int_equal(atomic_load(&w.a->map[n]), MAP_FREE);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

/* Without a relay nobody is told, and it is counted that nobody was. */
static void
without_a_relay_nodes_are_evicted_unannounced(void **state)
{
	uint64_t untold = counter_get(COUNTER_shm_unannounced);
	struct world w;
	char key[16];
	unsigned i, joined = 0;

	(void)state;
	world_init(&w, 20);
	for (i = 0; i < w.a->cap; i++) {	/* it is full */
		snprintf(key, sizeof key, "u%u", i);
		joined += table_join(w.a, 1, slice_str(key)) != 0;
	}
	assert_int_equal(joined, w.a->cap - 1);
	table_leave(w.a, table_find(w.a, 1, SLICE("u1")));
	table_master_sweep(w.master, much_later(), true);
	assert_int_not_equal(table_find(w.a, 1, SLICE("u1")), 0);
	table_master_sweep(w.master, much_later(), false);
	assert_int_equal(table_find(w.a, 1, SLICE("u1")), 0);
	assert_int_equal(counter_get(COUNTER_shm_unannounced), untold + 1);
	world_fini(&w);
}

/* Nobody writes these; who reads them all the same comes to an end. */
static void
chains_that_cannot_be_are_not_followed(void **state)
{
	uint64_t overrun = counter_get(COUNTER_shm_overrun);
	struct world w;
	unsigned steps = 0, i;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 1, SLICE("ann"));
	atomic_store(&table_node(w.a, n)->next, w.a->cap);
	assert_int_equal(table_next(w.a, n, &steps), UINT32_MAX);
	assert_int_equal(counter_get(COUNTER_shm_overrun), overrun + 1);
	atomic_store(&table_node(w.a, n)->next, w.a->cap - 1);
	assert_int_equal(table_next(w.a, n, &steps), w.a->cap - 1);
	atomic_store(&table_node(w.a, n)->next, n);	/* a circle */
	for (i = 0, steps = 0; table_next(w.a, n, &steps) != UINT32_MAX; i++)
		assert_true(i < SHM_CHAIN_MAX);
	assert_int_equal(i, SHM_CHAIN_MAX - 1);
	assert_int_equal(counter_get(COUNTER_shm_overrun), overrun + 2);
	world_fini(&w);
}

static void
a_held_node_is_not_evicted(void **state)
{
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.b, 1, SLICE("ann"));
	(void)announce(&w, 1);
	table_master_sweep(w.master, much_later(), true);
	assert_int_equal(table_find(w.a, 1, SLICE("ann")), n);
	(void)table_mirror(w.relay, 1, SLICE("ann"), 6);
	table_leave(w.b, n);
	(void)announce(&w, 1);
	assert_int_equal(w.last.is, ANN_R);
	table_master_sweep(w.master, much_later(), true);
	assert_int_equal(table_find(w.a, 1, SLICE("ann")), n);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

static void
op_sweep(struct world *w)
{
	table_master_sweep(w->master, much_later(), true);
}

static void
a_new_master_finishes_what_the_old_one_began(void **state)
{
	struct world w;
	bool again = true;
	uint32_t n, k;

	(void)state;
	for (k = 1; again; k++) {
		world_init(&w, 100);
		n = table_join(w.a, 1, SLICE("ann"));
		table_leave(w.a, n);
		(void)announce(&w, 1);
		again = run_killed(&w, op_sweep, k);
		master_again(&w);
		table_master_sweep(w.master, much_later(), true);
		waits(&w);
		table_master_grace(w.master);
		assert_int_equal(atomic_load(&w.a->map[n]), MAP_FREE);
		assert_int_equal(verify_segment(w.seg), 0);
		world_fini(&w);
	}
}

/* --- killed at each step -------------------------------------------------- */

static void
op_join_new(struct world *w)
{
	old_node = table_join(w->a, 1, SLICE("new"));
}

static void
op_join_old(struct world *w)
{
	old_node = table_join(w->a, 1, SLICE("old"));
}

static void
op_join_idle(struct world *w)
{
	old_node = table_join(w->a, 1, SLICE("idle"));
}

static void
op_leave(struct world *w)
{
	table_ended(w->a, old_node, why_of(REASON_kicked));
	table_leave(w->a, old_node);
}

static const struct {
	const char	*name;
	operation	*run;
} operations[] = {
	{ "join_new", op_join_new },
	{ "join_old", op_join_old },
	{ "join_idle", op_join_idle },
	{ "leave", op_leave },
};

static void
op_reclaim(struct world *w)
{
	sweep_reclaim(w->sweep, 1);
}

/* After slot 1 is gone: nobody but b's key is there, and the relay says so. */
static void
assert_reclaimed(struct world *w)
{
	uint32_t n;

	assert_int_equal(slot_state(w->seg, 1), SLOT_FREE);
	assert_int_equal(verify_segment(w->seg), 0);
	(void)announce(w, 1);
	for (n = 1; n < w->a->cap; n++)
		if (atomic_load(&w->a->map[n]) == MAP_LINKED)
			assert_int_equal(ann(w, n),
			    atomic_load(&w->a->seen[n]));
	n = table_find(w->b, 1, SLICE("old"));
	assert_true(n == 0 || (ann(w, n) & ANN_LEVEL) == 0);
	n = table_find(w->b, 1, SLICE("shared"));
	assert_int_equal(ann(w, n) & ANN_LEVEL, ANN_L);
}

/* Why the user of slot 1 is gone, once it is reclaimed: as it said, if it got so
 * far that nothing of it was there any more. */
static uint8_t
why_gone(const struct world *w, bool leaves)
{
	const struct shm_node *node = table_node(w->a, old_node);

	if ((atomic_load(&node->bits[0]) & 1) == 0)
		return (why_of(REASON_kicked));
	return (why_of(leaves ? REASON_restart : REASON_worker_died));
}

static void
every_step_of_an_operation_may_be_a_workers_last(void **state)
{
	struct world w;
	unsigned i, k;
	bool again, leaves;
	uint8_t why;

	(void)state;
	for (i = 0; i < nitems(operations); i++)
		for (k = 1, again = true; again; k++) {
			crash_world(&w);
			leaves = k % 2 == 0;
			if (leaves)
				slot_leave(w.seg, 1);
			again = run_killed(&w, operations[i].run, k);
			slot_dead(w.seg, 1);
			why = why_gone(&w, leaves);
			sweep_reclaim(w.sweep, 1);
			assert_reclaimed(&w);
			if (operations[i].run == op_leave)
				assert_int_equal(why, LAST_WHY(atomic_load(
				    &table_node(w.a, old_node)->last)));
			assert_true(k < 200);
			world_fini(&w);
		}
}

static void
reclaim_may_be_broken_off_anywhere_and_repeated(void **state)
{
	struct world w;
	unsigned i, k, j;
	bool again, inner;

	(void)state;
	for (i = 0; i < nitems(operations); i++)
		for (k = 1, again = true; again; k++)
			for (j = 1, inner = true; inner; j++) {
				crash_world(&w);
				again = run_killed(&w, operations[i].run, k);
				slot_dead(w.seg, 1);
				inner = run_killed(&w, op_reclaim, j);
				if (inner)
					sweep_round(w.sweep, mono_now());
				assert_reclaimed(&w);
				world_fini(&w);
			}
}

/* --- against a plain model ------------------------------------------------ */

#define KEYS	48
#define STEPS	60000

struct oracle {
	uint32_t	 count[2][KEYS];	/* of a and b */
	uint32_t	 node[2][KEYS];
	bool		 told[KEYS];
};

static uint32_t
rolled(uint64_t *rng, uint32_t n)
{
	*rng = *rng * 6364136223846793005u + 1442695040888963407u;
	return ((uint32_t)(*rng >> 33) % n);
}

static void
oracle_step(struct world *w, struct oracle *o, uint64_t *rng)
{
	struct table *t[2] = { w->a, w->b };
	unsigned who = rolled(rng, 2), k = rolled(rng, KEYS);
	char key[16];
	uint32_t n;

	snprintf(key, sizeof key, "k%u", k);
	if (rolled(rng, 100) == 0) {
		(void)announce(w, 1);
		waits(w);
		table_master_sweep(w->master, much_later(), true);
	} else if (o->count[who][k] == 0 || rolled(rng, 3) == 0) {
		n = table_join(t[who], 1, slice_str(key));
		assert_int_not_equal(n, 0);
		if (o->count[who][k]++ > 0)
			assert_int_equal(n, o->node[who][k]);
		o->node[who][k] = n;
	} else {
		table_leave(t[who], o->node[who][k]);
		o->count[who][k]--;
	}
	n = table_find(w->b, 1, slice_str(key));
	assert_int_equal(n != 0 && (ann(w, n) & ANN_L) != 0,
	    o->count[0][k] + o->count[1][k] > 0);
	for (who = 0; who < 2 && n != 0; who++)
		assert_int_equal(atomic_load(&t[who]->col[n]),
		    o->count[who][k]);
}

static void
random_operations_agree_with_a_plain_model(void **state)
{
	static struct oracle o;
	uint64_t rng = 20240607;
	struct world w;
	unsigned i;

	(void)state;
	world_init(&w, KEYS);
	for (i = 0; i < STEPS; i++) {
		oracle_step(&w, &o, &rng);
		if (i % 1000 == 0)
			assert_int_equal(verify_segment(w.seg), 0);
	}
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_joined_key_is_found_and_another_is_not),
		cmocka_unit_test(an_empty_key_is_a_key),
		cmocka_unit_test(long_keys_differ_by_what_a_node_cannot_hold),
		cmocka_unit_test(the_last_of_several_leaves_ends_the_level),
		cmocka_unit_test(a_hand_over_makes_no_edge),
		cmocka_unit_test(
		    more_connections_than_a_column_counts_are_counted),
		cmocka_unit_test(a_full_table_says_so_and_rings_the_master),
		cmocka_unit_test(
		    an_idle_node_is_evicted_and_free_after_everybody_waited),
		cmocka_unit_test(without_a_relay_nodes_are_evicted_unannounced),
		cmocka_unit_test(chains_that_cannot_be_are_not_followed),
		cmocka_unit_test(a_held_node_is_not_evicted),
		cmocka_unit_test(a_new_master_finishes_what_the_old_one_began),
		cmocka_unit_test(
		    every_step_of_an_operation_may_be_a_workers_last),
		cmocka_unit_test(
		    reclaim_may_be_broken_off_anywhere_and_repeated),
		cmocka_unit_test(random_operations_agree_with_a_plain_model),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
