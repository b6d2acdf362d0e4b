/*
 * Heirs: found, followed to who lives, given new names at birth; and the same
 * with the master stopped between any two stores.
 */
#include <unistd.h>

#include "check.h"
#include "shm/hook.h"
#include "shm/slots.h"
#include "shm/slots_heirs.h"

#define WORKER	SLOT_WORKER

static struct segment *seg;
static jmp_buf stopped;
static unsigned stop_at;	/* hook number; 0: never */
static unsigned hooks;

void
shm_hook(void)
{
	if (++hooks == stop_at)
		longjmp(stopped, 1);
}

static int
setup(void **state)
{
	struct segment_params p = { .max_workers = 4, .presence_max = 10,
		.interest_max = 10, .rate_ways = 8, .max_ns = 1 };

	(void)state;
	seg = segment_create(&p);
	stop_at = hooks = 0;
	return (seg == NULL ? -1 : 0);
}

static int
teardown(void **state)
{
	(void)state;
	segment_free(&seg);
	return (0);
}

/* A worker of this generation in the next free slot. */
static unsigned
birth(uint32_t generation)
{
	int s = slot_assign(seg, WORKER, generation);

	assert_true(s > 0);
	slot_live(seg, (unsigned)s, 1);
	return ((unsigned)s);
}

/* As waitpid() and the sweep leave it. */
static void
death(unsigned slot)
{
	uint32_t generation = slot_generation(seg, slot);

	slot_dead(seg, slot);
	heirs_dead(seg, slot, generation);
	atomic_store(&segment_slot(seg, slot)->state, SLOT_FREE);
}

static struct heirs_name
name(unsigned slot, uint32_t generation)
{
	return ((struct heirs_name){ .slot = (uint8_t)slot,
		.generation = (uint8_t)generation });
}

static void
assert_lives_as(struct heirs_name asked, struct heirs_name want)
{
	struct heirs_name got;

	assert_true(heirs_living(seg, asked, &got));
	assert_int_equal(got.slot, want.slot);
	assert_int_equal(got.generation, want.generation);
}

static void
assert_gone(struct heirs_name asked)
{
	struct heirs_name got;

	assert_false(heirs_living(seg, asked, &got));
}

static void
nobody_has_an_heir_at_the_start(void **state)
{
	struct heirs_name heir;
	unsigned s, g;

	(void)state;
	for (s = 0; s < 256; s++)
		for (g = 0; g < 256; g++)
			assert_false(heirs_find(seg, name(s, g), &heir));
}

static void
an_owner_that_lives_is_asked_itself(void **state)
{
	struct heirs_name heir;
	unsigned a = birth(7), b = birth(8);

	(void)state;
	heirs_set(seg, a, 7, b, 8);
	assert_lives_as(name(a, 7), name(a, 7));
	assert_true(heirs_find(seg, name(a, 7), &heir));
	assert_int_equal(heir.slot, b);
	assert_int_equal(heir.generation, 8);
	death(a);
	assert_lives_as(name(a, 7), name(b, 8));
	assert_gone(name(a, 6));
}

/* Only the low byte of a generation is in a name. */
static void
generations_beyond_a_byte_are_found(void **state)
{
	unsigned a = birth(0x12345607), b = birth(0x12345608);

	(void)state;
	heirs_set(seg, a, 0x12345607, b, 0x12345608);
	death(a);
	assert_lives_as(name(a, 7), name(b, 8));
	assert_int_equal(heirs_generation(seg, a, 0x12345707), 0x12345708);
}

/* Reload after reload: the first one's sessions are found at the last one's,
 * and the way there never gets long. */
static void
the_heirs_of_the_dead_are_not_in_the_way(void **state)
{
	unsigned slot[2], i, first;
	struct heirs_name heir;

	(void)state;
	first = slot[0] = birth(1);
	for (i = 1; i < 200; i++) {
		slot[i % 2] = birth(1 + i);
		assert_int_not_equal(slot[0], slot[1]);
		heirs_set(seg, slot[(i - 1) % 2], i, slot[i % 2], 1 + i);
		/* not moved yet: who gives is asked first */
		assert_lives_as(name(first, 1), name(slot[(i - 1) % 2], i));
		death(slot[(i - 1) % 2]);
		assert_lives_as(name(first, 1), name(slot[i % 2], 1 + i));
		assert_true(heirs_find(seg, name(first, 1), &heir));
		assert_int_equal(heir.slot, slot[i % 2]);
		assert_int_equal(heir.generation, 1 + i);
	}
}

static void
who_dies_without_an_heir_is_nobodys_heir(void **state)
{
	unsigned a = birth(1), b = birth(2), c;
	struct heirs_name heir;

	(void)state;
	heirs_set(seg, a, 1, b, 2);
	death(a);
	death(b);
	assert_gone(name(a, 1));
	assert_false(heirs_find(seg, name(a, 1), &heir));
	/* the same name again is another one */
	c = birth(2 + 256);
	assert_int_equal(c, a);
	assert_gone(name(a, 1));
}

static void
an_heir_that_died_may_have_a_successor(void **state)
{
	unsigned a = birth(1), b = birth(2), c;

	(void)state;
	heirs_set(seg, a, 1, b, 2);
	death(b);
	c = birth(3);
	heirs_set(seg, a, 1, c, 3);
	death(a);
	assert_lives_as(name(a, 1), name(c, 3));
}

static void
names_still_asked_for_are_not_given_again(void **state)
{
	unsigned a = birth(1), b = birth(2), g;

	(void)state;
	assert_int_equal(heirs_generation(seg, a, 1), 1);
	heirs_set(seg, a, 1, b, 2);
	assert_int_equal(heirs_generation(seg, a, 3), 3);
	assert_int_equal(heirs_generation(seg, a, 257), 258);
	assert_int_equal(heirs_generation(seg, b, 257), 257);
	/* none is left: the eldest goes */
	for (g = 2; g < 257; g++)
		heirs_set(seg, a, g, b, 2);
	death(a);
	assert_int_equal(heirs_generation(seg, a, 300), 257 + 256);
	assert_gone(name(a, 1));
	assert_lives_as(name(a, 2), name(b, 2));
	assert_int_equal(heirs_generation(seg, a, 300), 257 + 256);
	heirs_set(seg, a, 257 + 256, b, 2);
	assert_int_equal(heirs_generation(seg, a, 600), 258 + 512);
}

static void
names_that_cannot_be_are_nobody(void **state)
{
	struct heirs_name heir;

	(void)state;
	assert_false(heirs_find(seg, name(0, 0), &heir));
	assert_false(heirs_find(seg, name(255, 3), &heir));
	assert_gone(name(0, 0));
	assert_gone(name(9, 0));
	assert_gone(name(255, 255));
}

/* A circle can't be made, unless memory is damaged: nobody runs in it. */
static void
a_circle_ends(void **state)
{
	unsigned a = birth(1), b = birth(2);

	(void)state;
	heirs_set(seg, a, 1, b, 2);
	heirs_set(seg, b, 2, a, 1);
	assert_lives_as(name(a, 1), name(a, 1));
	atomic_store(&segment_slot(seg, a)->state, SLOT_FREE);
	atomic_store(&segment_slot(seg, b)->state, SLOT_FREE);
	assert_gone(name(a, 1));
}

/* x[6] and b give to c, then b dies; all with the master stopped at the n-th
 * access, which does the interrupted step again. false: it was not stopped. */
static bool
stopped_at(unsigned n)
{
	unsigned a, b, c, g;
	volatile bool was = false;

	a = birth(1);
	b = birth(2);
	for (g = 10; g < 16; g++)
		heirs_set(seg, a, g, b, 2);
	c = birth(3);
	hooks = 0;
	stop_at = n;
	if (setjmp(stopped) == 0)
		heirs_set(seg, b, 2, c, 3);
	else {
		was = true;
		assert_lives_as(name(a, 10), name(b, 2));
		heirs_set(seg, b, 2, c, 3);
	}
	slot_dead(seg, b);
	if (setjmp(stopped) == 0)
		heirs_dead(seg, b, 2);
	else
		was = true;
	for (g = 10; g < 16; g++)
		assert_lives_as(name(a, g), name(c, 3));
	stop_at = 0;
	heirs_dead(seg, b, 2);
	for (g = 10; g < 16; g++)
		assert_lives_as(name(a, g), name(c, 3));
	return (was);
}

static void
wherever_the_master_stops_the_way_is_found(void **state)
{
	unsigned n;

	for (n = 1; stopped_at(n); n++) {
		(void)teardown(state);
		assert_int_equal(setup(state), 0);
	}
	assert_int_equal(n, 2 + 2 * 6 + 1);
}

int
main(void)
{
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(nobody_has_an_heir_at_the_start),
		TEST(an_owner_that_lives_is_asked_itself),
		TEST(generations_beyond_a_byte_are_found),
		TEST(the_heirs_of_the_dead_are_not_in_the_way),
		TEST(who_dies_without_an_heir_is_nobodys_heir),
		TEST(an_heir_that_died_may_have_a_successor),
		TEST(names_still_asked_for_are_not_given_again),
		TEST(names_that_cannot_be_are_nobody),
		TEST(a_circle_ends),
		TEST(wherever_the_master_stops_the_way_is_found),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
