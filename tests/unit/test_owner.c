/* Who is asked for a session over polling, worker after worker. */
#include "shm/slots.h"
#include "tests/lib/check.h"
#include "worker/engineio/owner.h"

static struct segment *seg;

static int
setup(void **state)
{
	struct segment_params p = { .max_workers = 4, .presence_max = 10,
		.interest_max = 10, .rate_ways = 8, .max_ns = 1 };

	(void)state;
	seg = segment_create(&p);
	return (seg == NULL ? -1 : 0);
}

static int
teardown(void **state)
{
	(void)state;
	segment_free(&seg);
	return (0);
}

static struct heirs_name
birth(uint32_t generation)
{
	int s = slot_assign(seg, SLOT_WORKER, generation);

	assert_true(s > 0);
	slot_live(seg, (unsigned)s, 1);
	return ((struct heirs_name){ .slot = (uint8_t)s,
		.generation = (uint8_t)generation });
}

static void
gives(struct heirs_name giver, struct heirs_name heir)
{
	heirs_set(seg, giver.slot, giver.generation, heir.slot,
	    heir.generation);
}

static void
death(struct heirs_name name)
{
	slot_dead(seg, name.slot);
	heirs_dead(seg, name.slot, name.generation);
	atomic_store(&segment_slot(seg, name.slot)->state, SLOT_FREE);
}

/*
 * The way of a request that comes to `at` for a session of `owner`: the slots
 * that are asked, as digits; none of them has it.
 */
static const char *
way_of(struct heirs_name at, struct heirs_name owner)
{
	static char way[64];
	struct owner_way next = { .slot = 0 };
	size_t n = 0;

	while (n < 32) {
		way[n++] = (char)('0' + at.slot);
		if (!owner_ask(seg, at, owner, next.inherited, &next))
			break;
		assert_int_not_equal(next.slot, at.slot);
		at = (struct heirs_name){ .slot = (uint8_t)next.slot,
			.generation = (uint8_t)slot_generation(seg, next.slot) };
	}
	way[n] = '\0';
	return (way);
}

static void
without_heirs_the_owner_is_asked(void **state)
{
	struct heirs_name a = birth(1), b = birth(2);

	(void)state;
	assert_string_equal(way_of(a, a), "1");
	assert_string_equal(way_of(b, a), "21");
	death(a);
	assert_string_equal(way_of(b, a), "2");
}

/* 1 gives to 3, 2 to 4: whoever is asked, the giver is first, its heir last. */
static void
while_a_giver_lives_it_is_asked_before_its_heir(void **state)
{
	struct heirs_name a = birth(1), b = birth(2), c = birth(3),
	    d = birth(4);

	(void)state;
	gives(a, c);
	gives(b, d);
	assert_string_equal(way_of(a, a), "13");
	assert_string_equal(way_of(b, a), "213");
	assert_string_equal(way_of(c, a), "313");
	assert_string_equal(way_of(d, a), "413");
	assert_string_equal(way_of(a, b), "124");
	assert_string_equal(way_of(a, c), "13");
	assert_string_equal(way_of(b, d), "24");
}

static void
the_heir_of_one_that_has_gone_is_asked_at_once(void **state)
{
	struct heirs_name a = birth(1), b = birth(2), c = birth(3),
	    d = birth(4);

	(void)state;
	gives(a, c);
	gives(b, d);
	death(a);
	assert_string_equal(way_of(b, a), "23");
	assert_string_equal(way_of(c, a), "3");
	assert_string_equal(way_of(d, a), "43");
	death(b);
	assert_string_equal(way_of(c, b), "34");
}

/* 1 gave to 2 and has gone; 2 gives to 3. */
static void
sessions_three_generations_old_find_their_way(void **state)
{
	struct heirs_name a = birth(1), b = birth(2), c, d;

	(void)state;
	gives(a, b);
	death(a);
	c = birth(3);		/* where a was */
	gives(b, c);
	assert_int_equal(c.slot, a.slot);
	assert_string_equal(way_of(b, a), "21");
	assert_string_equal(way_of(c, a), "121");
	death(b);
	assert_string_equal(way_of(c, a), "1");
	d = birth(4);
	gives(c, d);
	assert_string_equal(way_of(d, a), "212");
	assert_string_equal(way_of(d, b), "212");
	death(c);
	assert_string_equal(way_of(d, a), "2");
}

/* 2 leaves, to 1, which then gives to 3. */
static void
one_that_leaves_gives_to_one_that_stays(void **state)
{
	struct heirs_name a = birth(1), b = birth(2), c;

	(void)state;
	gives(b, a);
	c = birth(3);
	gives(a, c);
	assert_string_equal(way_of(c, b), "3213");
	/* the way back is not the end of it */
	assert_string_equal(way_of(a, b), "1213");
	assert_string_equal(way_of(b, b), "213");
	death(b);
	assert_string_equal(way_of(c, b), "313");
	death(a);
	assert_string_equal(way_of(c, b), "3");
}

static void
an_heir_that_died_is_not_asked(void **state)
{
	struct heirs_name a = birth(1), b = birth(2), c = birth(3);

	(void)state;
	gives(a, b);
	death(b);
	assert_string_equal(way_of(a, a), "1");
	assert_string_equal(way_of(c, a), "31");
	assert_string_equal(way_of(c, b), "3");
}

/* Which cannot be, unless memory is damaged. */
static void
nothing_runs_in_a_circle_for_ever(void **state)
{
	struct heirs_name a = birth(1), b = birth(2), none = { .slot = 0 };

	(void)state;
	gives(a, b);
	atomic_store(&segment_slot(seg, a.slot)->state, SLOT_FREE);
	gives(b, a);
	assert_string_equal(way_of(b, a), "2");
	assert_string_equal(way_of(b, none), "2");
}

int
main(void)
{
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(without_heirs_the_owner_is_asked),
		TEST(while_a_giver_lives_it_is_asked_before_its_heir),
		TEST(the_heir_of_one_that_has_gone_is_asked_at_once),
		TEST(sessions_three_generations_old_find_their_way),
		TEST(one_that_leaves_gives_to_one_that_stays),
		TEST(an_heir_that_died_is_not_asked),
		TEST(nothing_runs_in_a_circle_for_ever),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
