/*
 * Eviction of many: how long the idle stay, what is in limbo and comes free in
 * its order, a master short of memory, and one that goes on where another
 * ended.
 */
#include <errno.h>

#include "world.h"

static bool short_of_memory;

void	*__real_calloc(size_t, size_t);
void	*__wrap_calloc(size_t, size_t);

void *
__wrap_calloc(size_t n, size_t size)
{
	if (short_of_memory) {
		errno = ENOMEM;
		return (NULL);
	}
	return (__real_calloc(n, size));
}

static unsigned
nodes_in(const struct table *t, uint8_t map)
{
	unsigned n, sum = 0;

	for (n = 1; n < t->cap; n++)
		sum += atomic_load(&t->map[n]) == map;
	return (sum);
}

/* So many come and go, and that is told. */
static void
pass_through(struct world *w, unsigned users)
{
	uint32_t user, n;

	for (user = 1; user <= users; user++) {
		n = table_join(w->a, 1, slice_of(&user, sizeof user));
		assert_int_not_equal(n, 0);
		table_leave(w->a, n);
	}
	(void)announce(w, mono_now().us);
}

/* The version of a level is when it began. */
static void
set_since(struct table *t, uint32_t n, uint64_t us)
{
	atomic_store(&table_node(t, n)->ann, us << 8);
	atomic_store(&t->seen[n], us << 8);
}

static void
the_idle_linger_to_the_microsecond(void **state)
{
	static const struct {
		enum table_id	 id;
		uint64_t	 us;
	} rows[] = {
		{ TABLE_PRESENCE, 60 * SECOND },
		{ TABLE_INTEREST, 10 * SECOND },
		{ TABLE_COUNT, 10 * SECOND },
	};
	const uint64_t since = 1000 * (uint64_t)SECOND;
	struct segment_params p = { .max_workers = 2, .presence_max = 100,
		.interest_max = 100, .rate_ways = 8, .max_ns = 4,
		.count_max = 100 };
	struct segment *seg = segment_create(&p);
	struct table_master *master;
	struct table *t;
	uint32_t n;
	size_t i;

	(void)state;
	assert_non_null(seg);
	slot_start(seg, 1);
	for (i = 0; i < nitems(rows); i++) {
		t = table_open(seg, rows[i].id, 1);
		master = table_master_open(seg, rows[i].id);
		assert_true(t != NULL && master != NULL);
		n = table_join(t, 1, SLICE("ann"));
		assert_int_not_equal(n, 0);
		table_leave(t, n);
		set_since(t, n, since);
		table_master_sweep(master,
		    (struct mono){ since + rows[i].us - 1 }, true);
		assert_int_equal(atomic_load(&t->map[n]), MAP_LINKED);
		table_master_sweep(master, (struct mono){ since + rows[i].us },
		    true);
		assert_int_equal(atomic_load(&t->map[n]), MAP_LIMBO);
		table_close(&t);
		table_master_close(&master);
	}
	segment_free(&seg);
}

/* Not before it has ended, though the table is full and time stands still. */
static void
what_has_just_ended_stays_for_this_instant(void **state)
{
	const uint64_t since = 1000 * (uint64_t)SECOND;
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	pass_through(&w, w.a->cap - 1);
	for (n = 1; n < w.a->cap; n++)
		set_since(w.a, n, since);
	table_master_sweep(w.master, (struct mono){ since }, true);
	assert_int_equal(nodes_in(w.a, MAP_LINKED), w.a->cap - 1);
	/* nor one of tomorrow, to this clock */
	table_master_sweep(w.master, (struct mono){ since - 1 }, true);
	assert_int_equal(nodes_in(w.a, MAP_LINKED), w.a->cap - 1);
	table_master_sweep(w.master, (struct mono){ since + 1 }, true);
	assert_int_equal(nodes_in(w.a, MAP_LIMBO), w.a->cap - 1);
	world_fini(&w);
}

/* An eighth of the nodes is free, or less: then nobody lingers. */
static void
nobody_lingers_in_a_table_that_is_nearly_full(void **state)
{
	const uint64_t since = 1000 * (uint64_t)SECOND;
	struct world w;
	uint32_t n, spare;

	(void)state;
	for (spare = 0; spare < 2; spare++) {
		world_init(&w, 638);
		assert_int_equal(w.a->cap, 800);
		pass_through(&w, 799 - 99 - spare);
		for (n = 1; n < w.a->cap; n++)
			if (atomic_load(&w.a->map[n]) == MAP_LINKED)
				set_since(w.a, n, since);
		table_master_sweep(w.master, (struct mono){ since + 1 }, true);
		assert_int_equal(nodes_in(w.a, MAP_LIMBO),
		    spare == 0 ? 700 : 0);
		world_fini(&w);
	}
}

/* Whoever has a node, it is taken: a byte of any value. */
static void
what_is_claimed_is_not_free(void **state)
{
	struct world w;
	unsigned slot;

	(void)state;
	world_init(&w, 500);
	for (slot = 0; slot < SHM_SLOTS_MAX; slot++)
		atomic_store(&w.a->map[slot + 8], (uint8_t)(slot + 1));
	table_master_sweep(w.master, mono_now(), true);
	assert_int_equal(counter_get(COUNTER_presence_nodes), SHM_SLOTS_MAX);
	world_fini(&w);
}

/* What is in limbo will be free in a moment. */
static void
limbo_is_room(void **state)
{
	const uint64_t since = 1000 * (uint64_t)SECOND;
	struct world w;
	uint32_t n, old = 20;

	(void)state;
	world_init(&w, 638);
	pass_through(&w, 710);
	for (n = 1; n < w.a->cap; n++) {
		if (atomic_load(&w.a->map[n]) != MAP_LINKED)
			continue;
		set_since(w.a, n, old > 0 ? since : since + 60 * SECOND);
		old -= old > 0;
	}
	table_master_sweep(w.master, (struct mono){ since + 1 }, true);
	assert_int_equal(nodes_in(w.a, MAP_LIMBO), 20);
	assert_int_equal(nodes_in(w.a, MAP_FREE), 89);
	/* with these an eighth is free: the others linger */
	table_master_sweep(w.master, (struct mono){ since + 61 * SECOND },
	    true);
	assert_int_equal(nodes_in(w.a, MAP_LINKED), 690);
	world_fini(&w);
}

/* Limbo grows while its middle is its beginning. */
static void
all_of_many_come_free(void **state)
{
	struct world w;
	unsigned round, n;

	(void)state;
	world_init(&w, 4000);
	for (round = 0; round < 3; round++) {
		/* some are there already when the many come */
		pass_through(&w, 700);
		table_master_sweep(w.master, much_later(), true);
		n = nodes_in(w.a, MAP_LIMBO);
		assert_int_equal(n, table_master_limbo(w.master));
		waits(&w);
		pass_through(&w, 3000);
		while (nodes_in(w.a, MAP_LINKED) > 0)
			table_master_sweep(w.master, much_later(), true);
		assert_int_equal(counter_get(COUNTER_presence_nodes),
		    w.a->cap - 1 - nodes_in(w.a, MAP_FREE));
		/* the first ones were seen by nobody who is here */
		assert_int_equal(nodes_in(w.a, MAP_LIMBO),
		    table_master_limbo(w.master));
		assert_in_range(table_master_limbo(w.master), 2300, 3000);
		assert_int_equal(verify_segment(w.seg), 0);
		waits(&w);
		table_master_grace(w.master);
		assert_int_equal(table_master_limbo(w.master), 0);
		assert_int_equal(nodes_in(w.a, MAP_FREE), w.a->cap - 1);
		assert_int_equal(verify_segment(w.seg), 0);
	}
	world_fini(&w);
}

/* Without a place in limbo nothing is evicted, and nothing is half done. */
static void
without_memory_the_idle_stay(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 4000);
	table_master_grace(w.master);
	pass_through(&w, 3000);
	short_of_memory = true;
	table_master_sweep(w.master, much_later(), true);
	short_of_memory = false;
	assert_int_equal(nodes_in(w.a, MAP_LINKED), 3000);
	/* there is room for so many at first */
	while (table_master_limbo(w.master) == 0)
		table_master_sweep(w.master, much_later(), true);
	short_of_memory = true;
	while (table_master_limbo(w.master) < 1024)
		table_master_sweep(w.master, much_later(), true);
	table_master_sweep(w.master, much_later(), true);
	short_of_memory = false;
	assert_int_equal(nodes_in(w.a, MAP_LINKED), 3000 - 1024);
	assert_int_equal(verify_segment(w.seg), 0);
	while (nodes_in(w.a, MAP_LINKED) > 0)
		table_master_sweep(w.master, much_later(), true);
	assert_int_equal(table_master_limbo(w.master), 3000);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

/* A master that died with each node dead or in limbo, in turn. */
static void
a_new_master_goes_on_with_each_node(void **state)
{
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 500);
	pass_through(&w, w.a->cap - 1);
	for (n = 1; n < w.a->cap; n++) {
		atomic_fetch_or(&table_node(w.a, n)->ann, ANN_DEAD);
		if (n % 2 == 0)
			atomic_store(&w.a->map[n], MAP_LIMBO);
	}
	master_again(&w);
	assert_int_equal(nodes_in(w.a, MAP_LIMBO), w.a->cap - 1);
	assert_int_equal(table_master_limbo(w.master), w.a->cap - 1);
	waits(&w);
	table_master_grace(w.master);
	assert_int_equal(nodes_in(w.a, MAP_FREE), w.a->cap - 1);
	assert_int_equal(verify_segment(w.seg), 0);
	/* and leaves alone those who live */
	pass_through(&w, 400);
	master_again(&w);
	table_master_grace(w.master);
	assert_int_equal(nodes_in(w.a, MAP_LINKED), 400);
	world_fini(&w);
}

/* ... also with those that stand alone. */
static void
a_new_master_finds_each_node(void **state)
{
	struct world w;
	uint32_t n, sum = 0;

	(void)state;
	world_init(&w, 500);
	for (n = 8; n < w.a->cap; n += 16, sum++)
		atomic_store(&w.a->map[n], MAP_LIMBO);
	master_again(&w);
	assert_int_equal(table_master_limbo(w.master), sum);
	waits(&w);
	table_master_grace(w.master);
	assert_int_equal(nodes_in(w.a, MAP_FREE), w.a->cap - 1);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_idle_linger_to_the_microsecond),
		cmocka_unit_test(what_has_just_ended_stays_for_this_instant),
		cmocka_unit_test(
		    nobody_lingers_in_a_table_that_is_nearly_full),
		cmocka_unit_test(what_is_claimed_is_not_free),
		cmocka_unit_test(limbo_is_room),
		cmocka_unit_test(all_of_many_come_free),
		cmocka_unit_test(without_memory_the_idle_stay),
		cmocka_unit_test(a_new_master_goes_on_with_each_node),
		cmocka_unit_test(a_new_master_finds_each_node),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
