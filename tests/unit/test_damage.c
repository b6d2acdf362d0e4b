/*
 * A segment that somebody has scribbled on: walks end and are counted, indices
 * are looked at before they are used, and what stands behind the last slot is
 * nobody's.
 */
#include "check.h"
#include "shm/count.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "shm/presence.h"
#include "shm/table_master.h"
#include "verify.h"

static struct segment *seg;		/* 2 workers at once: slots 0 to 4 */
static struct table *t;

static int
set_up(void **state)
{
	struct segment_params p = { .max_workers = 2, .presence_max = 400,
		.interest_max = 100, .rate_ways = 8, .max_ns = 4,
		.count_max = 100 };
	unsigned s;

	(void)state;
	seg = segment_create(&p);
	if (seg == NULL)
		return (-1);
	for (s = 0; s < 3; s++) {
		atomic_store(&segment_slot(seg, s)->state, SLOT_ASSIGNED);
		slot_live(seg, s, 1);
	}
	t = table_open(seg, TABLE_PRESENCE, 1);
	return (t == NULL ? -1 : 0);
}

static int
tear_down(void **state)
{
	(void)state;
	table_close(&t);
	segment_free(&seg);
	return (0);
}

static struct slice
key_of(unsigned i, char text[16])
{
	snprintf(text, 16, "user%u", i);
	return (slice_str(text));
}

static uint32_t
join(unsigned i)
{
	char text[16];
	uint32_t n = table_join(t, 1, key_of(i, text));

	assert_int_not_equal(n, 0);
	return (n);
}

static _Atomic uint64_t *
head_of(struct slice key)
{
	struct hash_key k = segment_key(seg);

	k.k0 ^= 1;		/* the namespace */
	return (&t->head[hash_bytes(&k, key) & t->mask]);
}

static unsigned
nodes_in(uint8_t map)
{
	unsigned n, sum = 0;

	for (n = 1; n < t->cap; n++)
		sum += atomic_load(&t->map[n]) == map;
	return (sum);
}

/* Nothing of a key is found, held or left behind, and it is counted. */
static void
assert_lost(struct slice key)
{
	uint64_t overrun = counter_get(COUNTER_shm_overrun);
	unsigned nfree = nodes_in(MAP_FREE);

	assert_int_equal(table_find(t, 1, key), 0);
	assert_int_equal(counter_get(COUNTER_shm_overrun), overrun + 1);
	assert_int_equal(table_join(t, 1, key), 0);
	assert_int_equal(counter_get(COUNTER_shm_overrun), overrun + 2);
	assert_int_equal(nodes_in(MAP_FREE), nfree);
	assert_int_equal(nodes_in(1 + 1), 0);
}

static void
a_cycle_ends(void **state)
{
	uint32_t n = join(1), m = join(2);

	(void)state;
	atomic_store(head_of(SLICE("nobody")), n);
	atomic_store(&table_node(t, n)->next, m);
	atomic_store(&table_node(t, m)->next, n);
	assert_lost(SLICE("nobody"));
	/* one node alone */
	atomic_store(&table_node(t, n)->next, n);
	assert_lost(SLICE("nobody"));
}

static void
an_index_beyond_the_table_ends_a_chain(void **state)
{
	uint32_t n = join(1), bad[] = { t->cap, t->cap + 1, UINT32_MAX };
	_Atomic uint64_t *head = head_of(SLICE("nobody"));
	unsigned i;

	(void)state;
	for (i = 0; i < nitems(bad); i++) {
		atomic_store(head, bad[i]);
		assert_lost(SLICE("nobody"));
		atomic_store(head, n);
		atomic_store(&table_node(t, n)->next, bad[i]);
		assert_lost(SLICE("nobody"));
	}
	/* the last there is, is one */
	atomic_store(&table_node(t, n)->next, t->cap - 1);
	assert_int_equal(table_find(t, 1, SLICE("nobody")), 0);
	i = (unsigned)counter_get(COUNTER_shm_overrun);
	assert_int_equal(table_find(t, 1, SLICE("nobody")), 0);
	assert_int_equal(counter_get(COUNTER_shm_overrun), i);
}

/* 256 nodes are a chain, 257 are none. */
static void
a_chain_is_followed_so_far_and_no_further(void **state)
{
	uint64_t overrun = counter_get(COUNTER_shm_overrun);
	uint32_t first = 0, n, last = 0, extra = join(1000);
	char text[16];
	unsigned i;

	(void)state;
	for (i = 0; i < SHM_CHAIN_MAX; i++) {
		n = join(i);
		if (first == 0)
			first = n;
		else
			atomic_store(&table_node(t, last)->next, n);
		atomic_store(&table_node(t, n)->next, 0);
		last = n;
	}
	(void)key_of(SHM_CHAIN_MAX - 1, text);
	atomic_store(head_of(slice_str(text)), first);
	assert_int_equal(table_find(t, 1, slice_str(text)), last);
	assert_int_equal(counter_get(COUNTER_shm_overrun), overrun);
	/* one more in front */
	atomic_store(&table_node(t, extra)->next, first);
	atomic_store(head_of(slice_str(text)), extra);
	assert_int_equal(table_find(t, 1, slice_str(text)), 0);
	assert_int_equal(counter_get(COUNTER_shm_overrun), overrun + 1);
}

/* The master's ways through a chain end too, and the segment's users go on. */
static void
the_master_gets_through(void **state)
{
	struct table_master *master = table_master_open(seg, TABLE_PRESENCE);
	uint32_t n = join(1), m = join(2), k = join(3);
	char text[16];

	(void)state;
	assert_non_null(master);
	table_leave(t, n);
	table_leave(t, m);
	/* a cycle that does not hold what is to be unlinked */
	atomic_store(head_of(key_of(1, text)), m);
	atomic_store(&table_node(t, m)->next, m);
	table_master_sweep(master, mono_add_ms(mono_now(), 3600000), false);
	atomic_store(&t->seen[n], atomic_load(&table_node(t, n)->ann));
	table_master_sweep(master, mono_add_ms(mono_now(), 3600000), false);
	assert_int_not_equal(atomic_load(&t->map[n]), MAP_LINKED);
	/* claimed, and its chain goes round: reclaim ends */
	atomic_store(&t->map[k], 1 + 1);
	atomic_store(head_of(key_of(3, text)), m);
	slot_dead(seg, 1);
	reclaim_anew(seg, 1);
	assert_int_equal(slot_state(seg, 1), SLOT_FREE);
	assert_int_equal(atomic_load(&t->map[k]), MAP_FREE);
	table_master_close(&master);
}

/* --- behind the last slot -------------------------------------------------- */

static void
bits_of_slots_that_are_not_there_count_for_nothing(void **state)
{
	struct presence *p = presence_open(seg, 1);
	struct count *c = count_open(seg, 1);
	struct presence_info info;
	struct shm_node *node;
	uint32_t n;

	(void)state;
	assert_true(p != NULL && c != NULL);
	n = presence_join(p, 1, SLICE("ann"));
	node = table_node(t, n);
	/* slot 5 is the first that is not there */
	atomic_fetch_or(&node->bits[0], UINT64_MAX << 4);
	atomic_store(&node->bits[1], UINT64_MAX);
	assert_true(presence_get(p, 1, SLICE("ann"), &info));
	assert_int_equal(info.connections, 1);
	/* slot 4 is the last that is */
	atomic_fetch_or(&node->bits[0], 1u << 3);
	assert_true(presence_get(p, 1, SLICE("ann"), &info));
	assert_int_equal(info.connections, 2);

	assert_true(count_enter_key(c, COUNT_USER, SLICE("ann"), 9, &n));
	node = (struct shm_node *)(void *)(seg->base + seg->hdr->count.node +
	    (size_t)n * seg->hdr->count.stride);
	atomic_fetch_or(&node->bits[0], UINT64_MAX << 4);
	atomic_store(&node->bits[1], UINT64_MAX);
	assert_int_equal(count_of(c, COUNT_USER, SLICE("ann")), 1);
	count_close(&c);
	presence_close(&p);
}

static void
a_word_behind_the_last_slot_is_not_summed(void **state)
{
	struct shm_held *held = (struct shm_held *)(void *)(seg->base +
	    seg->hdr->count_host);
	struct count *c = count_open(seg, 1);

	(void)state;
	assert_non_null(c);
	assert_true(count_enter(c, 10));
	atomic_store(&held[5].n, 7);
	assert_int_equal(count_total(seg), 1);
	atomic_store(&held[4].n, 2);
	atomic_store(&held[0].n, 3);
	assert_int_equal(count_total(seg), 6);
	count_close(&c);
}

static void
to_peek_at_no_node_means_all_who_live(void **state)
{
	struct interest *i = interest_open(seg, 4);
	uint32_t no[] = { 0, 0, UINT32_MAX };
	uint64_t bits[2];
	uint32_t n;
	unsigned k;

	(void)state;
	assert_non_null(i);
	no[1] = seg->hdr->table[TABLE_INTEREST].cap;
	for (k = 0; k < nitems(no); k++) {
		bits[0] = bits[1] = UINT64_MAX;
		interest_peek(i, no[k], bits);
		/* slots 1 and 2 live; 4 is ours, though nobody says so */
		assert_int_equal(bits[0], 1u << 0 | 1u << 1 | 1u << 3);
		assert_int_equal(bits[1], 0);
		assert_false(interest_remote(i, no[k]));
	}
	n = interest_join(i, 1, SLICE("room"));
	bits[0] = bits[1] = UINT64_MAX;
	interest_peek(i, n, bits);
	assert_int_equal(bits[0], 1u << 3);
	assert_int_equal(bits[1], 0);
	assert_int_equal(interest_find(i, 1, SLICE("room")), n);
	assert_int_equal(interest_find(i, 1, SLICE("hall")), 0);
	interest_close(&i);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_cycle_ends),
		T(an_index_beyond_the_table_ends_a_chain),
		T(a_chain_is_followed_so_far_and_no_further),
		T(the_master_gets_through),
		T(bits_of_slots_that_are_not_there_count_for_nothing),
		T(a_word_behind_the_last_slot_is_not_summed),
		T(to_peek_at_no_node_means_all_who_live),
	};
#undef T

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
