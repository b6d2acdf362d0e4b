/*
 * The table near its end: all that was promised fits, whoever fills it and in
 * whatever order; what becomes free is found again; and a table that is full
 * in earnest does not keep the master busy.
 */
#include <unistd.h>

#include "check.h"
#include "shm/interest.h"
#include "shm/presence.h"
#include "shm/table_int.h"
#include "shm/table_master.h"
#include "verify.h"

#define USERS	300000u		/* several times as long as a search */

struct crowd {
	struct segment	*seg;
	struct table	*t[64];
	unsigned	 n;		/* slots */
};

static void
crowd_init(struct crowd *c, unsigned slots, uint32_t users)
{
	struct segment_params p = { .max_workers = 64,
		.presence_max = users, .interest_max = 8, .rate_ways = 8,
		.max_ns = 4, .presence_key_max = 64 };
	unsigned i;

	*c = (struct crowd){ .n = slots };
	c->seg = segment_create(&p);
	assert_non_null(c->seg);
	for (i = 0; i < slots; i++) {
		c->t[i] = table_open(c->seg, TABLE_PRESENCE, i + 1);
		assert_non_null(c->t[i]);
	}
}

static void
crowd_fini(struct crowd *c)
{
	unsigned i;

	for (i = 0; i < c->n; i++)
		table_close(&c->t[i]);
	segment_free(&c->seg);
}

static uint32_t
join(struct crowd *c, unsigned slot, uint32_t user)
{
	return (table_join(c->t[slot], 1, slice_of(&user, sizeof user)));
}

/* Returns how many found no node. */
static uint32_t
fill(struct crowd *c, uint32_t users, unsigned (*whose)(unsigned, uint32_t))
{
	uint32_t u, failed = 0;

	for (u = 0; u < users; u++)
		failed += join(c, whose(c->n, u), u) == 0;
	return (failed);
}

static unsigned
round_robin(unsigned n, uint32_t user)
{
	return (user % n);
}

/* Nine of ten come to one worker, the others to the rest. */
static unsigned
skewed(unsigned n, uint32_t user)
{
	return (user % 10 != 0 || n == 1 ? 0 : 1 + user / 10 % (n - 1));
}

/* One worker after the other, as they are killed or rolled. */
static unsigned
in_turns(unsigned n, uint32_t user)
{
	return ((unsigned)((uint64_t)user * n / USERS));
}

static void
as_many_as_promised_fit_whoever_joins_them(void **state)
{
	static const unsigned slots[] = { 1, 2, 16, 64 };
	unsigned (*order[])(unsigned, uint32_t) = { round_robin, skewed,
		in_turns };
	struct crowd c;
	unsigned i, k;

	(void)state;
	for (i = 0; i < nitems(slots); i++)
		for (k = 0; k < nitems(order); k++) {
			crowd_init(&c, slots[i], USERS);
			assert_int_equal(fill(&c, USERS, order[k]), 0);
			crowd_fini(&c);
		}
}

/* 92,000 were too many for the default size. */
static void
as_many_rooms_as_promised_fit(void **state)
{
	struct segment_params p = { .max_workers = 2, .presence_max = 8,
		.interest_max = 262144, .rate_ways = 8, .max_ns = 4 };
	struct segment *seg = segment_create(&p);
	struct interest *i[2];
	uint32_t k;

	(void)state;
	assert_non_null(seg);
	i[0] = interest_open(seg, 1);
	i[1] = interest_open(seg, 2);
	assert_true(i[0] != NULL && i[1] != NULL);
	for (k = 0; k < p.interest_max; k++)
		assert_int_not_equal(interest_join(i[k % 2], 1,
		    slice_of(&k, sizeof k)), 0);
	assert_int_equal(interest_untracked(i[0]) +
	    interest_untracked(i[1]), 0);
	interest_close(&i[0]);
	interest_close(&i[1]);
	segment_free(&seg);
}

static void
slots_in_use_start_far_from_each_other(void **state)
{
	uint32_t cap = 1u << 20, a, b, gap, least;
	unsigned first, n, i, k;

	(void)state;
	/* as workers get them: the lowest ones; after a reload the next */
	for (n = 2; n <= 64; n *= 2)
		for (first = 1; first < 2 * n; first += n) {
			least = cap;
			for (i = first; i < first + n; i++)
				for (k = first; k < i; k++) {
					a = table_claim_start(cap, i);
					b = table_claim_start(cap, k);
					gap = a > b ? a - b : b - a;
					least = gap < least ? gap : least;
				}
			assert_true(least >= cap / n / 2);
		}
}

static void
give_back(struct crowd *c, uint32_t n)
{
	struct table_master *master = table_master_open(c->seg,
	    TABLE_PRESENCE);
	unsigned sweeps;

	assert_non_null(master);
	table_leave(c->t[0], n);
	for (sweeps = 0; atomic_load(&c->t[0]->map[n]) != MAP_FREE; sweeps++) {
		assert_true(sweeps < 100);
		table_master_sweep(master, mono_add_ms(mono_now(), 1000),
		    false);
	}
	table_master_close(&master);
}

static void
the_last_free_node_is_found(void **state)
{
	struct crowd c;
	uint32_t u, n = 0, tries;

	(void)state;
	crowd_init(&c, 2, USERS);
	for (u = 0; n != 0 || c.t[0]->full_until_us == 0; u++) {
		c.t[0]->full_until_us = 0;
		n = join(&c, 0, u);
	}
	/* a few may be left where no search came by: take them */
	for (tries = 0; tries < 2 * c.t[0]->cap / 32768 + 2; tries++) {
		c.t[0]->full_until_us = 0;
		while (join(&c, 0, u++) != 0)
			tries = 0;
	}
	for (n = 1; n < c.t[0]->cap; n++)
		assert_int_not_equal(atomic_load(&c.t[0]->map[n]), MAP_FREE);
	/* one is given back at a place where nobody searches now */
	n = (c.t[1]->cursor + c.t[1]->cap / 3) % c.t[1]->cap;
	give_back(&c, n);
	for (tries = 0; join(&c, 1, u) == 0; tries++) {
		c.t[1]->full_until_us = 0;
		assert_true(tries < c.t[1]->cap / 32768 + 2);
	}
	crowd_fini(&c);
}

static void
a_full_table_rings_ten_times_a_second_at_most(void **state)
{
	struct crowd c;
	uint64_t rung = 0, began = mono_now().us, most;
	uint32_t u;

	(void)state;
	crowd_init(&c, 4, 20);
	for (u = 0; u < 100000; u++) {
		c.t[u % 4]->full_until_us = 0;
		(void)join(&c, u % 4, u);
		/* the master has swept, in vain */
		atomic_store(&segment_header(c.seg)->need_sweep, 0);
	}
	most = (mono_now().us - began) / 100000 + 1;
	assert_int_equal(read(segment_master_fd(c.seg), &rung, 8), 8);
	assert_in_range(rung, 1, most);
	crowd_fini(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_as_promised_fit_whoever_joins_them),
		cmocka_unit_test(as_many_rooms_as_promised_fit),
		cmocka_unit_test(slots_in_use_start_far_from_each_other),
		cmocka_unit_test(the_last_free_node_is_found),
		cmocka_unit_test(
		    a_full_table_rings_ten_times_a_second_at_most),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
