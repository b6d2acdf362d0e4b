/*
 * Private keys, for which the table has no room: many of them, with and
 * without memory for the list to grow.
 */
#include "check.h"
#include "shm/counters.h"
#include "shm/spill.h"

#define KEYS	3000u

static struct segment *seg;
static struct spill sp;
static bool no_lists;		/* calloc() fails: no longer lists */
static bool no_entries;		/* malloc() fails: no entries */

void	*__real_calloc(size_t, size_t);
void	*__wrap_calloc(size_t, size_t);
void	*__real_malloc(size_t);
void	*__wrap_malloc(size_t);

void *
__wrap_calloc(size_t n, size_t size)
{
	return (no_lists ? NULL : __real_calloc(n, size));
}

void *
__wrap_malloc(size_t size)
{
	return (no_entries ? NULL : __real_malloc(size));
}

static int
set_up(void **state)
{
	struct segment_params p = { .max_workers = 2, .presence_max = 8,
		.interest_max = 8, .rate_ways = 8, .max_ns = 4 };
	unsigned i;
	char key[16];

	(void)state;
	no_lists = no_entries = false;
	seg = segment_create(&p);
	if (seg == NULL || spill_init(&sp, seg, TABLE_INTEREST, 2) != 0)
		return (-1);
	/* the table is full */
	i = 0;
	do
		snprintf(key, sizeof key, "full%u", i++);
	while (table_join(sp.t, 1, slice_str(key)) != 0);
	sp.t->full_until_us = UINT64_MAX;
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	no_lists = no_entries = false;
	spill_fini(&sp);
	assert_int_equal(counter_get(COUNTER_interest_untracked), 0);
	segment_free(&seg);
	return (0);
}

static struct slice
key_of(unsigned i, char text[16])
{
	snprintf(text, 16, "room%u", i);
	return (slice_str(text));
}

static bool
overflow(void)
{
	uint64_t bits[2];

	spill_overflow(seg, TABLE_INTEREST, bits);
	assert_int_equal(bits[1], 0);
	assert_true((bits[0] & ~(uint64_t)2) == 0);
	return (bits[0] != 0);
}

static void
join_all(void)
{
	char text[16];
	unsigned i;

	for (i = 0; i < KEYS; i++)
		assert_int_equal(spill_join(&sp, 1, key_of(i, text)), 0);
}

/* Each once more, every third; then all leave, the last is the last. */
static void
check_all(void)
{
	struct spill_entry *e;
	char text[16];
	unsigned i;

	for (i = 0; i < KEYS; i += 3)
		assert_int_equal(spill_join(&sp, 1, key_of(i, text)), 0);
	assert_int_equal(sp.count, KEYS);
	assert_int_equal(counter_get(COUNTER_interest_untracked), KEYS);
	for (i = 0; i < KEYS; i++) {
		e = spill_find(&sp, 1, key_of(i, text));
		assert_non_null(e);
		assert_int_equal(e->count, i % 3 == 0 ? 2 : 1);
		assert_null(spill_find(&sp, 2, key_of(i, text)));
	}
	for (i = 0; i < KEYS; i += 3)
		spill_leave(&sp, 0, 1, key_of(i, text));
	assert_int_equal(sp.count, KEYS);
	for (i = 0; i < KEYS; i++) {
		assert_true(overflow());
		spill_leave(&sp, 0, 1, key_of(i, text));
		assert_null(spill_find(&sp, 1, key_of(i, text)));
	}
	assert_false(overflow());
	assert_int_equal(sp.count, 0);
	assert_int_equal(counter_get(COUNTER_interest_untracked), 0);
}

static void
the_list_grows_and_forgets_nobody(void **state)
{
	(void)state;
	assert_false(overflow());
	join_all();
	/* as many buckets as entries, rounded up */
	assert_int_equal(sp.nbuckets, 4096);
	check_all();
}

static void
a_list_that_can_not_grow_is_slower_and_no_less_right(void **state)
{
	char text[16];

	(void)state;
	assert_int_equal(spill_join(&sp, 1, key_of(0, text)), 0);
	spill_leave(&sp, 0, 1, key_of(0, text));
	assert_int_equal(sp.nbuckets, 256);
	no_lists = true;
	join_all();
	assert_int_equal(sp.nbuckets, 256);
	check_all();
}

/* Not even an entry: only the bit says that there is something. */
static void
what_can_not_be_remembered_is_still_heard_of(void **state)
{
	char text[16];
	unsigned i;

	(void)state;
	no_entries = true;
	for (i = 0; i < 10; i++)
		assert_int_equal(spill_join(&sp, 1, key_of(i, text)), 0);
	assert_int_equal(sp.count, 0);
	assert_int_equal(sp.blind, 10);
	no_entries = false;
	assert_int_equal(spill_join(&sp, 1, key_of(99, text)), 0);
	assert_int_equal(counter_get(COUNTER_interest_untracked), 11);
	spill_leave(&sp, 0, 1, key_of(99, text));
	for (i = 0; i < 10; i++) {
		assert_true(overflow());
		spill_leave(&sp, 0, 1, key_of(i, text));
	}
	assert_false(overflow());
	/* once more than joined: nothing */
	spill_leave(&sp, 0, 1, key_of(0, text));
	assert_int_equal(sp.blind, 0);
}

/* No list at all; then one, and as many in it as are not. */
static void
the_bit_goes_with_the_last_of_both_kinds(void **state)
{
	char text[16];
	unsigned i;

	(void)state;
	no_lists = true;
	assert_int_equal(spill_join(&sp, 1, key_of(0, text)), 0);
	assert_int_equal(sp.nbuckets, 0);
	assert_int_equal(sp.blind, 1);
	assert_int_equal(sp.count, 0);
	assert_null(spill_find(&sp, 1, key_of(0, text)));
	no_lists = false;
	for (i = 1; i <= 2; i++)
		assert_int_equal(spill_join(&sp, 1, key_of(i, text)), 0);
	assert_int_equal(sp.count, 2);
	assert_int_equal(counter_get(COUNTER_interest_untracked), 3);
	for (i = 0; i <= 2; i++) {
		assert_true(overflow());
		spill_leave(&sp, 0, 1, key_of(2 - i, text));
	}
	assert_false(overflow());
}

static unsigned nmoved;

static void
moved(struct table *t, uint32_t n, const struct spill_entry *e)
{
	assert_int_equal(atomic_load(&t->col[n]), e->count);
	nmoved++;
}

/* As far as there is room, and the rest later; counts go along. */
static void
they_move_when_there_is_room(void **state)
{
	char text[16];
	unsigned i, n;

	(void)state;
	for (i = 0; i < 20; i++)
		for (n = 0; n <= i; n++)
			assert_int_equal(spill_join(&sp, 1,
			    key_of(i, text)), 0);
	spill_retry(&sp, moved);
	assert_int_equal(nmoved, 0);
	for (n = 1; n <= 5; n++) {
		/* as if the master had freed them */
		sp.t->col[n] = 0;
		sp.t->map[n] = MAP_FREE;
	}
	for (i = 0; i <= sp.t->mask; i++)
		sp.t->head[i] = 0;
	sp.t->full_until_us = 0;
	spill_retry(&sp, moved);
	assert_int_equal(nmoved, 5);
	assert_int_equal(sp.count, 15);
	assert_true(overflow());
	sp.t->full_until_us = UINT64_MAX;
	for (i = n = 0; i < 20; i++)
		n += table_find(sp.t, 1, key_of(i, text)) != 0;
	assert_int_equal(n, 5);
	/* each leaves from where it is */
	for (i = 0; i < 20; i++)
		for (n = 0; n <= i; n++)
			spill_leave(&sp, 0, 1, key_of(i, text));
	assert_int_equal(sp.count, 0);
	assert_false(overflow());
	for (n = 1; n <= 5; n++)
		assert_false(table_holds(sp.t, n));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(the_list_grows_and_forgets_nobody),
		T(a_list_that_can_not_grow_is_slower_and_no_less_right),
		T(what_can_not_be_remembered_is_still_heard_of),
		T(the_bit_goes_with_the_last_of_both_kinds),
		T(they_move_when_there_is_room),
	};
#undef T

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
