/*
 * Contention, not by luck: between the reading of a word and its exchange the
 * hook plays another process that is faster, each time.  Every operation must
 * end in a bounded number of steps, right, and leave nothing behind.
 */
#include "check.h"
#include "shm/bucket.h"
#include "shm/count.h"
#include "shm/counters.h"
#include "shm/once.h"
#include "shm/presence.h"
#include "shm/table_master.h"
#include "verify.h"

static struct segment *seg;
static void	(*other)(void);		/* what the other process does */
static unsigned	 turns;			/* how often it still does */
static unsigned	 done;			/* how often it did */
static unsigned	 skip;			/* hooks before the first time */

void
shm_hook(void)
{
	void (*f)(void) = other;

	if (f == NULL || turns == 0)
		return;
	if (skip > 0) {
		skip--;
		return;
	}
	other = NULL;		/* its own steps have hooks too */
	f();
	other = f;
}

static void
interfere(void (*f)(void), unsigned n)
{
	other = f;
	turns = n;
	skip = 0;
	if (f != NULL)
		done = 0;
}

/* Once, at the k-th of our steps. */
static void
interfere_at(void (*f)(void), unsigned k)
{
	interfere(f, 1);
	skip = k;
}

static void
did(void)
{
	turns--;
	done++;
}

static void
start(unsigned slot)
{
	atomic_store(&segment_slot(seg, slot)->state, SLOT_ASSIGNED);
	slot_live(seg, slot, 1);
	slots_quiesce_leave(seg, slot);
}

static int
set_up(void **state)
{
	struct segment_params p = { .max_workers = 64, .presence_max = 200,
		.interest_max = 8, .rate_ways = 8, .once_ways = 8,
		.max_ns = 4, .count_max = 100 };

	(void)state;
	other = NULL;
	seg = segment_create(&p);
	if (seg == NULL)
		return (-1);
	start(0);
	start(1);
	start(70);
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	other = NULL;
	segment_free(&seg);
	return (0);
}

/* --- rates ---------------------------------------------------------------- */

static _Atomic uint64_t *
ways(void)
{
	return ((_Atomic uint64_t *)(void *)(seg->base +
	    seg->hdr->rate_set));
}

static const struct mono noon = { 1000000000 };
static struct bucket_rate rate;

/* Somebody else is charged for the same key, a tick each time. */
static void
charge_a_tick(void)
{
	unsigned i;

	for (i = 0; i < SHM_WAYS; i++)
		if (atomic_load(&ways()[i]) != 0) {
			atomic_fetch_add(&ways()[i], 1);
			did();
			return;
		}
}

static void
a_rate_is_let_through_after_sixteen_losses(void **state)
{
	uint64_t contended = counter_get(COUNTER_rate_contended), retry;

	(void)state;
	assert_true(bucket_rate_init(&rate, 3, 10, 1000000, 10));
	assert_int_equal(bucket_check(seg, &rate, SLICE("ann"), 1, noon, NULL),
	    BUCKET_ALLOW);
	interfere(charge_a_tick, 15);
	assert_int_equal(bucket_check(seg, &rate, SLICE("ann"), 1, noon,
	    &retry), BUCKET_ALLOW);
	assert_int_equal(done, 15);
	assert_int_equal(counter_get(COUNTER_rate_contended), contended);
	interfere(charge_a_tick, 1000);
	assert_int_equal(bucket_check(seg, &rate, SLICE("ann"), 1, noon,
	    &retry), BUCKET_ALLOW);
	assert_int_equal(done, 16);
	assert_int_equal(retry, 0);
	assert_int_equal(counter_get(COUNTER_rate_contended), contended + 1);
	/* it paid nothing the last time: two units, and the others' ticks */
	interfere(NULL, 0);
	assert_int_equal(bucket_check(seg, &rate, SLICE("ann"), 8, noon,
	    &retry), BUCKET_DENY);
	assert_int_equal(retry, (15 + 16) * 4);
}

/* The other takes all that is left: the next look denies. */
static void
spend_all(void)
{
	unsigned i;

	for (i = 0; i < SHM_WAYS; i++)
		if (atomic_load(&ways()[i]) != 0)
			atomic_fetch_add(&ways()[i], rate.limit);
	did();
}

static void
what_another_spent_meanwhile_is_seen(void **state)
{
	uint64_t retry;

	(void)state;
	assert_true(bucket_rate_init(&rate, 3, 10, 1000000, 10));
	assert_int_equal(bucket_check(seg, &rate, SLICE("ann"), 1, noon, NULL),
	    BUCKET_ALLOW);
	interfere(spend_all, 1);
	assert_int_equal(bucket_check(seg, &rate, SLICE("ann"), 1, noon,
	    &retry), BUCKET_DENY);
	assert_int_equal(retry, 2 * rate.ticks * 4);
}

static _Atomic uint64_t *
class_word(unsigned class)
{
	return ((_Atomic uint64_t *)(void *)(seg->base +
	    seg->hdr->rate_over) + class);
}

static void
charge_the_class(void)
{
	atomic_store(class_word(3), noon.us * 1000 + 1000 + done);
	did();
}

/* Eight others that owe more than half of what ann may. */
static void
fill_set(void)
{
	struct bucket_rate big;
	char key[16];
	unsigned i;

	assert_true(bucket_rate_init(&big, 9, 1, 60000000, 10));
	for (i = 0; i < 200; i++) {
		snprintf(key, sizeof key, "big%u", i);
		(void)bucket_check(seg, &big, slice_str(key), 10, noon, NULL);
	}
	for (i = 0; i < SHM_WAYS; i++)
		assert_int_not_equal(atomic_load(&ways()[i]), 0);
}

static void
the_bucket_of_a_class_is_let_through_too(void **state)
{
	uint64_t contended = counter_get(COUNTER_rate_contended);
	uint64_t full = counter_get(COUNTER_rate_set_full);

	(void)state;
	fill_set();
	full = counter_get(COUNTER_rate_set_full);
	assert_true(bucket_rate_init(&rate, 3, 10, 1000000, 10));
	interfere(charge_the_class, 1000);
	assert_int_equal(bucket_check(seg, &rate, SLICE("ann"), 1, noon, NULL),
	    BUCKET_ALLOW);
	assert_int_equal(done, 16);
	assert_int_equal(counter_get(COUNTER_rate_contended), contended + 1);
	assert_int_equal(counter_get(COUNTER_rate_set_full), full + 1);
}

/* --- once ----------------------------------------------------------------- */

static _Atomic uint64_t *
names(void)
{
	return ((_Atomic uint64_t *)(void *)(seg->base +
	    seg->hdr->once_set));
}

/* Others claim other names, in any way that is free. */
static void
claim_another(void)
{
	char name[24];

	snprintf(name, sizeof name, "other %u", done);
	if (once_claim(seg, slice_str(name), noon) == ONCE_FIRST)
		did();
}

/* The same name, by somebody who is faster. */
static void
claim_the_same(void)
{
	assert_int_equal(once_claim(seg, SLICE("mine"), noon), ONCE_FIRST);
	did();
}

static void
a_name_is_claimed_once_whoever_is_in_between(void **state)
{
	unsigned i, n, others;

	(void)state;
	interfere(claim_another, 5);
	assert_int_equal(once_claim(seg, SLICE("a name"), noon), ONCE_FIRST);
	interfere(NULL, 0);
	others = done;
	assert_true(others > 0);
	assert_int_equal(once_claim(seg, SLICE("a name"), noon), ONCE_AGAIN);
	interfere(claim_the_same, 1);
	assert_int_equal(once_claim(seg, SLICE("mine"), noon), ONCE_AGAIN);
	assert_int_equal(done, 1);
	for (i = n = 0; i < SHM_WAYS; i++)
		n += atomic_load(&names()[i]) != 0;
	assert_int_equal(n, others + 2);
}

/* --- connections ---------------------------------------------------------- */

static struct count *mine, *its;
static bool inside;

static _Atomic uint64_t *
held_by(unsigned slot)
{
	return (&((struct shm_held *)(void *)(seg->base +
	    seg->hdr->count_host))[slot].n);
}

static unsigned tries;

/* Wants the last place whenever we do, and steps back when we do. */
static void
mirror_us(void)
{
	uint64_t us = atomic_load(held_by(1));

	did();
	tries += us > atomic_load(held_by(70));
	atomic_store(held_by(70), us);
}

static void
two_who_want_the_last_place_give_up_in_the_end(void **state)
{
	(void)state;
	mine = count_open(seg, 1);
	assert_non_null(mine);
	tries = 0;
	interfere(mirror_us, 100000);
	assert_false(count_enter(mine, 1));
	assert_int_equal(tries, 8);
	interfere(NULL, 0);
	atomic_store(held_by(70), 0);
	assert_int_equal(count_total(seg), 0);	/* nothing was left behind */
	assert_true(count_enter(mine, 1));
	assert_false(count_enter(mine, 1));
	count_leave(mine);
	count_close(&mine);
}

static uint32_t its_node;

static void
take_the_place_of_a_user(void)
{
	uint32_t n;

	did();
	if (count_enter_key(its, COUNT_USER, SLICE("ann"), 1, &n)) {
		its_node = n;
		inside = true;
	}
}

static struct table *look;

/* As mirror_us(), for a user's last place. */
static void
mirror_our_user(void)
{
	uint32_t n = table_find(look, COUNT_USER, SLICE("ann")), it;
	bool us = n != 0 && atomic_load(&table_col(look, 1)[n]) > 0;

	did();
	if (us == inside)
		return;
	inside = us;
	if (us) {
		tries++;
		assert_true(count_enter_key(its, COUNT_USER, SLICE("ann"), 9,
		    &its_node));
		return;
	}
	it = its_node;
	count_leave_key(its, it);
}

static void
two_who_want_a_users_last_place_give_up_in_the_end(void **state)
{
	uint32_t n;

	(void)state;
	mine = count_open(seg, 1);
	its = count_open(seg, 70);
	look = table_open(seg, TABLE_COUNT, SLOT_NONE);
	assert_true(mine != NULL && its != NULL && look != NULL);
	inside = false;
	tries = 0;
	interfere(mirror_our_user, 100000);
	assert_false(count_enter_key(mine, COUNT_USER, SLICE("ann"), 1, &n));
	interfere(NULL, 0);
	assert_int_equal(n, 0);
	assert_int_equal(tries, 8);
	if (inside)
		count_leave_key(its, its_node);
	assert_int_equal(count_of(mine, COUNT_USER, SLICE("ann")), 0);
	assert_int_equal(verify_table(seg, TABLE_COUNT), 0);
	table_close(&look);
	count_close(&mine);
	count_close(&its);
}

/* At any of our steps: one of the two gets in. */
static void
a_user_is_let_in_once_however_close_it_is(void **state)
{
	unsigned k, first = 0, second = 0;
	uint32_t n;
	bool in;

	for (k = 0, done = 1; done > 0; k++) {
		mine = count_open(seg, 1);
		its = count_open(seg, 70);
		assert_true(mine != NULL && its != NULL);
		inside = false;
		interfere_at(take_the_place_of_a_user, k);
		in = count_enter_key(mine, COUNT_USER, SLICE("ann"), 1, &n);
		interfere(NULL, 0);
		assert_int_not_equal(in, inside && done > 0);
		assert_int_equal(count_of(mine, COUNT_USER, SLICE("ann")), 1);
		first += in;
		second += inside;
		assert_true(in == (n != 0));
		count_leave_key(mine, n);
		if (inside)
			count_leave_key(its, its_node);
		assert_int_equal(count_of(mine, COUNT_USER, SLICE("ann")), 0);
		assert_int_equal(verify_table(seg, TABLE_COUNT), 0);
		count_close(&mine);
		count_close(&its);
		assert_true(k < 200);
		tear_down(state);
		assert_int_equal(set_up(state), 0);
	}
	assert_true(first > 0 && second > 0);
}

/* --- tables --------------------------------------------------------------- */

static struct table *a, *b;
static struct table_master *master;

static void
open_tables(void)
{
	a = table_open(seg, TABLE_PRESENCE, 1);
	b = table_open(seg, TABLE_PRESENCE, 70);
	master = table_master_open(seg, TABLE_PRESENCE);
	assert_true(a != NULL && b != NULL && master != NULL);
}

static void
close_tables(void)
{
	assert_int_equal(verify_table(seg, TABLE_PRESENCE), 0);
	table_close(&a);
	table_close(&b);
	table_master_close(&master);
}

static unsigned
claimed(uint8_t by)
{
	unsigned n, sum = 0;

	for (n = 1; n < a->cap; n++)
		sum += atomic_load(&a->map[n]) == by;
	return (sum);
}

/* All heads get another tag, as if something had been linked and unlinked. */
static void
touch_heads(void)
{
	uint32_t i;

	for (i = 0; i <= a->mask; i++)
		atomic_fetch_add(&a->head[i], UINT64_C(1) << 32);
	did();
}

static void
an_insertion_that_loses_again_and_again_ends(void **state)
{
	uint32_t n;

	(void)state;
	open_tables();
	interfere(touch_heads, 500);
	n = table_join(a, 1, SLICE("ann"));
	assert_int_not_equal(n, 0);
	assert_int_equal(done, 500);
	interfere(NULL, 0);
	assert_int_equal(table_find(b, 1, SLICE("ann")), n);
	assert_int_equal(claimed(MAP_LINKED), 1);
	assert_int_equal(claimed(1 + 1), 0);
	close_tables();
}

static void
insert_the_same(void)
{
	did();
	assert_int_not_equal(table_join(b, 1, SLICE("ann")), 0);
}

static void
one_node_for_one_key_whoever_is_first(void **state)
{
	unsigned k;
	uint32_t n;

	for (k = 0, done = 1; done > 0; k++) {
		open_tables();
		interfere_at(insert_the_same, k);
		n = table_join(a, 1, SLICE("ann"));
		interfere(NULL, 0);
		assert_int_equal(table_find(b, 1, SLICE("ann")), n);
		assert_int_equal(claimed(MAP_LINKED), 1);
		assert_int_equal(claimed(1 + 1), 0);	/* given back */
		assert_true(table_holds(a, n));
		assert_true(table_holds(b, n) == (done > 0));
		close_tables();
		tear_down(state);
		assert_int_equal(set_up(state), 0);
	}
	assert_true(k > 5);
}

/* The next free node is taken from under our eyes, by slot 70. */
static void
claim_the_next(void)
{
	uint32_t n;

	for (n = 1; n < a->cap; n++)
		if (atomic_load(&a->map[n]) == MAP_FREE &&
		    n >= (a->cursor & ~7u)) {
			atomic_store(&a->map[n], 70 + 1);
			did();
			return;
		}
	turns = 0;
}

static void
a_node_that_another_claims_is_not_ours(void **state)
{
	uint32_t n;

	(void)state;
	open_tables();
	interfere(claim_the_next, 20);
	n = table_join(a, 1, SLICE("ann"));
	interfere(NULL, 0);
	assert_int_not_equal(n, 0);
	assert_int_equal(atomic_load(&a->map[n]), MAP_LINKED);
	assert_int_equal(claimed(70 + 1), done);
	slot_dead(seg, 70);
	reclaim_anew(seg, 70);
	assert_int_equal(claimed(70 + 1), 0);
	close_tables();
}

static uint32_t node;

/* Another version, the same level: as another's status would be. */
static void
bump(void)
{
	atomic_fetch_add(&table_node(a, node)->ann, 1 << 8);
	did();
}

static void
what_is_told_agrees_though_versions_change_all_the_time(void **state)
{
	uint64_t before, after;

	(void)state;
	open_tables();
	node = table_join(a, 1, SLICE("ann"));
	before = atomic_load(&table_node(a, node)->ann);
	interfere(bump, 300);
	table_leave(a, node);
	assert_int_equal(done, 300);
	interfere(NULL, 0);
	after = atomic_load(&table_node(a, node)->ann);
	assert_int_equal(after & ANN_LEVEL, 0);
	assert_true(ANN_VERSION(after) > ANN_VERSION(before) + 300);
	assert_true((atomic_load(&a->dirty[node / 64]) >> (node % 64) & 1) !=
	    0);
	close_tables();
}

/* It is evicted between being found and being held. */
static void
evict_it(void)
{
	struct mono later = mono_add_ms(mono_now(), 3600 * 1000);

	did();
	atomic_store(&a->seen[node], atomic_load(&table_node(a, node)->ann));
	table_master_sweep(master, later, true);
}

/* The node dies before our bit is seen, and another is made; or it lives. */
static void
a_node_that_dies_while_it_is_joined_is_left_for_a_new_one(void **state)
{
	unsigned k, died = 0, lived = 0;
	uint32_t n;

	for (k = 0, done = 1; done > 0; k++) {
		open_tables();
		node = table_join(a, 1, SLICE("ann"));
		table_leave(a, node);
		interfere_at(evict_it, k);
		n = table_join(b, 1, SLICE("ann"));
		interfere(NULL, 0);
		assert_int_not_equal(n, 0);
		assert_int_equal(table_find(a, 1, SLICE("ann")), n);
		assert_int_equal(atomic_load(&a->map[n]), MAP_LINKED);
		assert_true(table_holds(b, n));
		if (n != node) {
			died++;
			assert_int_equal(atomic_load(&a->map[node]),
			    MAP_LIMBO);
			assert_int_equal(atomic_load(
			    &table_node(a, node)->bits[1]), 0);
			assert_false(table_holds(b, node));
		} else
			lived++;
		close_tables();
		tear_down(state);
		assert_int_equal(set_up(state), 0);
	}
	assert_true(died > 3 && lived > 3);
}

/* While the master unlinks the first of a chain, others link before it. */
static unsigned nlinked;

static void
link_before(void)
{
	char key[16];

	did();
	snprintf(key, sizeof key, "new%u", nlinked++);
	assert_int_not_equal(table_join(b, 1, slice_str(key)), 0);
}

static void
what_is_linked_while_another_is_unlinked_stays(void **state)
{
	char key[16];
	unsigned i;

	(void)state;
	open_tables();
	for (i = 0; i < 60; i++) {
		snprintf(key, sizeof key, "old%u", i);
		node = table_join(a, 1, slice_str(key));
		table_leave(a, node);
		atomic_store(&a->seen[node],
		    atomic_load(&table_node(a, node)->ann));
	}
	nlinked = 0;
	interfere(link_before, 120);
	table_master_sweep(master, mono_add_ms(mono_now(), 3600 * 1000), true);
	interfere(NULL, 0);
	assert_true(nlinked > 100);
	for (i = 0; i < nlinked; i++) {
		snprintf(key, sizeof key, "new%u", i);
		assert_int_not_equal(table_find(a, 1, slice_str(key)), 0);
	}
	for (i = 0; i < 60; i++) {
		snprintf(key, sizeof key, "old%u", i);
		assert_int_equal(table_find(a, 1, slice_str(key)), 0);
	}
	close_tables();
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_rate_is_let_through_after_sixteen_losses),
		T(what_another_spent_meanwhile_is_seen),
		T(the_bucket_of_a_class_is_let_through_too),
		T(a_name_is_claimed_once_whoever_is_in_between),
		T(two_who_want_the_last_place_give_up_in_the_end),
		T(two_who_want_a_users_last_place_give_up_in_the_end),
		T(a_user_is_let_in_once_however_close_it_is),
		T(an_insertion_that_loses_again_and_again_ends),
		T(one_node_for_one_key_whoever_is_first),
		T(a_node_that_another_claims_is_not_ours),
		T(what_is_told_agrees_though_versions_change_all_the_time),
		T(a_node_that_dies_while_it_is_joined_is_left_for_a_new_one),
		T(what_is_linked_while_another_is_unlinked_stays),
	};
#undef T

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
