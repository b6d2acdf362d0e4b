/* A table that grows and shrinks by degrees: all are found at every moment,
 * and no moment is long. */
#include "base/hashtab.h"

#include "tests/lib/check.h"

void	*__real_reallocarray(void *, size_t, size_t);
void	*__wrap_reallocarray(void *, size_t, size_t);

#define MANY	20000u
#define STEP	4u	/* full chains that may move at once */

struct thing {
	struct hashtab_link link;
	uint64_t	 hash;
	unsigned	 met;
};

static struct thing things[MANY];
static struct hashtab table;
static unsigned hashed;		/* how often a hash was asked for */
static bool no_memory;

void *
__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return (no_memory ? NULL : __real_reallocarray(p, n, size));
}

static struct thing *
thing_of(struct hashtab_link *l)
{
	return (container_of(l, struct thing, link));
}

static uint64_t
thing_hash(const void *arg, const struct hashtab_link *l)
{
	assert_ptr_equal(arg, things);
	hashed++;
	return (thing_of((struct hashtab_link *)(uintptr_t)l)->hash);
}

static bool
is_there(const struct thing *t)
{
	struct hashtab_link *l;

	for (l = hashtab_chain(&table, t->hash); l != NULL; l = l->next)
		if (l == &t->link)
			return (true);
	return (false);
}

static void
meet(struct hashtab_link *l, void *arg)
{
	unsigned *n = arg;

	thing_of(l)->met++;
	(*n)++;
}

/* Those from `from` to `to` are in the table, once each, and no others. */
static void
assert_holds(unsigned from, unsigned to)
{
	unsigned i, n = 0;

	for (i = 0; i < MANY; i++)
		things[i].met = 0;
	hashtab_each(&table, meet, &n);
	assert_int_equal(n, to - from);
	for (i = 0; i < MANY; i++) {
		assert_int_equal(things[i].met, i >= from && i < to);
		assert_int_equal(is_there(&things[i]), i >= from && i < to);
	}
	assert_int_equal(table.count, to - from);
}

static int
setup(void **state)
{
	uint64_t x = 88172645463325252u;
	unsigned i;

	(void)state;
	no_memory = false;
	hashtab_init(&table, thing_hash, things);
	for (i = 0; i < MANY; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		things[i].hash = x;
	}
	return (0);
}

static void
insert(struct thing *t)
{
	hashtab_insert(&table, t->hash, &t->link);
}

static void
removed(struct thing *t)
{
	hashtab_remove(&table, t->hash, &t->link);
}

static void
all_are_found_while_it_grows_and_shrinks(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < MANY; i++) {
		assert_false(is_there(&things[i]));
		insert(&things[i]);
		assert_true(is_there(&things[i / 2]));
		/* about each size at which it begins to move, and a while on */
		if (i < 300 || (i & (i - 1)) == 0 || i % 1999 == 0)
			assert_holds(0, i + 1);
	}
	assert_holds(0, MANY);
	assert_true(table.mask >= MANY / 2);
	for (i = 0; i < MANY; i++) {
		removed(&things[i]);
		if (i > MANY - 300 || i % 1999 == 0)
			assert_holds(i + 1, MANY);
	}
	assert_holds(0, 0);
	assert_true(table.mask < 256);
	hashtab_fini(&table);
}

/* What is there from the beginning to the end is met, whatever comes and goes
 * between the parts; with nothing that does, once. */
static void
a_walk_in_parts_meets_all(void **state)
{
	unsigned i, n, parts, few = 700, next;
	size_t at = 0;

	(void)state;
	for (i = 0; i < few; i++)
		insert(&things[i]);
	for (n = 0, parts = 1; (at = hashtab_scan(&table, at, meet, &n)) != 0;
	    parts++)
		continue;
	assert_int_equal(n, few);
	assert_true(parts > few / 8);
	for (i = 0; i < few; i++) {
		assert_int_equal(things[i].met, 1);
		things[i].met = 0;
	}
	next = few;	/* it grows */
	while ((at = hashtab_scan(&table, at, meet, &n)) != 0)
		for (i = 0; i < 40 && next < MANY; i++)
			insert(&things[next++]);
	assert_true(next > 4 * few);
	for (i = 0; i < few; i++) {
		assert_true(things[i].met >= 1);
		things[i].met = 0;
	}
	do {		/* it shrinks */
		for (i = 0; i < 40 && next > few; i++)
			removed(&things[--next]);
		at = hashtab_scan(&table, at, meet, &n);
	} while (at != 0);
	assert_int_equal(next, few);
	for (i = 0; i < few; i++) {
		assert_true(things[i].met >= 1);
		removed(&things[i]);
	}
	hashtab_fini(&table);
}

/* Work for one insert or remove: the things of a few chains, however many
 * there are. */
static void
no_moment_is_long(void **state)
{
	unsigned i, most = 0;

	(void)state;
	for (i = 0; i < MANY; i++) {
		hashed = 0;
		insert(&things[i]);
		if (hashed > most)
			most = hashed;
	}
	for (i = 0; i < MANY; i++) {
		hashed = 0;
		removed(&things[i]);
		if (hashed > most)
			most = hashed;
	}
	assert_true(most > 0);
	assert_true(most <= STEP * 8);	/* chains of eight are very rare */
	hashtab_fini(&table);
}

/* Come and go about a bound: it moves back and forth, and loses none. */
static void
who_comes_and_goes_is_found(void **state)
{
	unsigned i, round, first = 0, last = 0;

	(void)state;
	for (round = 1; round <= 12; round++) {
		for (i = 0; i < 97 * round && last < MANY; i++)
			insert(&things[last++]);
		assert_holds(first, last);
		for (i = 0; i < 89 * round && first < last; i++)
			removed(&things[first++]);
		assert_holds(first, last);
	}
	while (first < last)
		removed(&things[first++]);
	assert_holds(0, 0);
	hashtab_fini(&table);
}

static void
without_memory_chains_get_longer(void **state)
{
	unsigned i;

	(void)state;
	no_memory = true;
	for (i = 0; i < 100; i++)
		insert(&things[i]);
	assert_int_equal(table.mask, 0);
	assert_holds(0, 100);
	no_memory = false;
	for (; i < 200; i++)
		insert(&things[i]);
	assert_true(table.mask > 100);
	no_memory = true;
	for (; i < 600; i++)
		insert(&things[i]);
	assert_holds(0, 600);
	for (i = 0; i < 600; i++)
		removed(&things[i]);
	assert_holds(0, 0);
	hashtab_fini(&table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_are_found_while_it_grows_and_shrinks,
		    setup),
		cmocka_unit_test_setup(a_walk_in_parts_meets_all, setup),
		cmocka_unit_test_setup(no_moment_is_long, setup),
		cmocka_unit_test_setup(who_comes_and_goes_is_found, setup),
		cmocka_unit_test_setup(without_memory_chains_get_longer,
		    setup),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
