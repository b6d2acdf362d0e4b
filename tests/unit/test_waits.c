/* What waits for other workers: by name, by time, bounded. */
#include "hub/publish/waits.h"

#include <stdlib.h>

#include "tests/lib/check.h"

static struct waits w;

static int
setup(void **state)
{
	(void)state;
	waits_init(&w, 1000, 0);
	return (0);
}

/* What waits is on the stack of a test. */
static void
done(void)
{
	while (waits_first(&w) != NULL)
		waits_remove(&w, waits_first(&w));
	waits_fini(&w);
}

static void
add(struct wait *x, uint64_t until_us)
{
	uint32_t ref = waits_ref(&w);

	assert_int_not_equal(ref, 0);
	*x = (struct wait){ .ref = 0 };
	waits_add(&w, x, ref, until_us);
}

static void
it_is_found_by_its_name_until_it_is_removed(void **state)
{
	struct wait a, b;
	uint32_t ref;

	(void)state;
	assert_null(waits_find(&w, 1));
	add(&a, 10);
	add(&b, 10);
	assert_int_not_equal(a.ref, b.ref);
	assert_ptr_equal(waits_find(&w, a.ref), &a);
	assert_ptr_equal(waits_find(&w, b.ref), &b);
	/* another name of the same place */
	assert_null(waits_find(&w, a.ref + 4096));
	ref = a.ref;
	waits_remove(&w, &a);
	assert_int_equal(a.ref, 0);
	assert_null(waits_find(&w, ref));
	add(&a, 10);
	assert_int_not_equal(a.ref, ref);
	done();
}

static const uint64_t nobody[2];

static struct wait *
heard(uint32_t ref, unsigned slot, const uint64_t had[2])
{
	return (waits_heard(&w, ref, slot, had, nobody));
}

static void
only_those_who_were_asked_are_heard(void **state)
{
	struct wait a;
	uint32_t ref;

	(void)state;
	add(&a, 10);
	ref = a.ref;
	slotset_add(a.slots, 3);
	slotset_add(a.slots, 128);
	assert_ptr_equal(heard(ref, 3, nobody), &a);
	assert_ptr_equal(heard(ref, 128, nobody), &a);
	assert_null(heard(ref, 2, nobody));
	assert_null(heard(ref, 0, nobody));
	assert_null(heard(ref, 129, nobody));
	assert_null(heard(ref + 1, 3, nobody));
	slotset_drop(a.slots, 3);
	assert_null(heard(ref, 3, nobody));
	done();
}

/* 3, 4 and 5 were asked; 4 was gone, and 3 has two heirs. */
static void
who_got_it_is_waited_for(void **state)
{
	uint64_t slots[2] = { 0, 0 }, had[2] = { 0, 0 };
	struct wait a;
	uint32_t ref;

	(void)state;
	add(&a, 10);
	ref = a.ref;
	slotset_add(slots, 3);
	slotset_add(slots, 4);
	slotset_add(slots, 5);
	waits_for(&a, slots, nobody);
	slotset_add(had, 3);
	slotset_add(had, 5);
	slotset_add(had, 7);
	slotset_add(had, 100);
	/* the first word may be an heir's */
	assert_ptr_equal(heard(ref, 7, had), &a);
	assert_true(slotset_covers(a.slots, had));
	assert_true(slotset_covers(had, a.slots));
	slotset_drop(a.slots, 7);
	assert_null(heard(ref, 4, had));
	assert_null(heard(ref, 7, had));	/* once */
	assert_ptr_equal(heard(ref, 3, had), &a);
	slotset_drop(a.slots, 3);
	assert_ptr_equal(heard(ref, 100, had), &a);
	slotset_drop(a.slots, 100);
	assert_ptr_equal(heard(ref, 5, nobody), &a);
	slotset_drop(a.slots, 5);
	assert_true(slotset_empty(a.slots));
	assert_null(heard(ref, 3, had));
	done();
}

static void
what_is_over_first_is_first(void **state)
{
	struct wait v[100];
	uint64_t before = 0;
	unsigned i, n;

	(void)state;
	for (i = 0; i < 100; i++)
		add(&v[i], (i * 37) % 101 + 1);
	/* some are put off, some have an answer */
	for (i = 0; i < 100; i += 7)
		waits_until(&w, &v[i], 200 + i);
	for (i = 3; i < 100; i += 10)
		if (v[i].ref != 0)
			waits_remove(&w, &v[i]);
	for (i = 1; i < 100; i += 11)
		if (v[i].ref != 0)
			waits_until(&w, &v[i], 1);
	for (n = 0; waits_first(&w) != NULL; n++) {
		assert_true(waits_first(&w)->until_us >= before);
		before = waits_first(&w)->until_us;
		assert_ptr_equal(waits_find(&w, waits_first(&w)->ref),
		    waits_first(&w));
		waits_remove(&w, waits_first(&w));
	}
	assert_int_equal(n, 90);
	assert_true(before >= 200);
	done();
}

static void
those_that_end_together_end_in_the_order_they_began(void **state)
{
	struct wait v[200];
	unsigned i;

	(void)state;
	for (i = 0; i < 200; i++)
		add(&v[i], 50);
	assert_null(waits_over(&w, 49));
	for (i = 0; i < 200; i++) {
		assert_ptr_equal(waits_over(&w, 50), &v[i]);
		waits_remove(&w, &v[i]);
	}
	assert_null(waits_over(&w, 50));
	done();
}

static void
it_is_bounded(void **state)
{
	static struct wait v[1000];
	unsigned i;

	(void)state;
	for (i = 0; i < 1000; i++)
		add(&v[i], i);
	assert_int_equal(waits_ref(&w), 0);
	for (i = 0; i < 1000; i++)
		assert_ptr_equal(waits_find(&w, v[i].ref), &v[i]);
	waits_remove(&w, &v[500]);
	add(&v[500], 7);
	assert_int_equal(waits_ref(&w), 0);
	done();
}

static void
names_begin_with_the_generation_and_are_never_0(void **state)
{
	struct waits x;
	struct wait a = { .ref = 0 }, b = a, c = a;

	(void)state;
	waits_init(&x, 10, 7);
	waits_add(&x, &a, waits_ref(&x), 5);
	assert_int_equal(a.ref, (7 << 16) + 1);
	waits_remove(&x, &a);
	x.last = UINT32_MAX - 1;
	waits_add(&x, &a, waits_ref(&x), 5);
	waits_add(&x, &b, waits_ref(&x), 5);
	waits_add(&x, &c, waits_ref(&x), 5);
	assert_true(a.ref == UINT32_MAX && b.ref == 1 && c.ref == 2);
	assert_ptr_equal(waits_first(&x), &a);
	waits_remove(&x, &b);
	waits_remove(&x, &a);
	waits_remove(&x, &c);
	waits_fini(&x);
}

static void
who_has_gone_is_waited_for_no_more(void **state)
{
	const uint64_t gone[2] = { 1, 1 }, both[2] = { 3, 0 }, far[2] = { 0, 1 };
	struct wait a, b, c;

	(void)state;
	add(&a, 10);
	waits_for(&a, both, nobody);
	add(&b, 20);
	waits_for(&b, far, nobody);
	add(&c, 30);		/* for nobody */
	assert_ptr_equal(waits_gone(&w, gone), &a);
	assert_true(a.slots[0] == 2);
	assert_ptr_equal(waits_gone(&w, gone), &b);
	assert_true(slotset_empty(b.slots));
	assert_null(waits_gone(&w, gone));
	done();
}

/* Who was asked sits where another one sat, of whom it is not yet told that he
 * has gone. */
static void
who_sits_there_now_is_waited_for(void **state)
{
	const uint64_t gone[2] = { 1, 0 }, both[2] = { 3, 0 }, two[2] = { 2, 0 };
	struct wait asked, joined, heir;

	(void)state;
	add(&asked, 10);
	waits_for(&asked, both, gone);
	add(&joined, 20);
	waits_for(&joined, two, nobody);
	waits_join(&joined, gone, gone);
	add(&heir, 30);
	waits_for(&heir, two, nobody);
	assert_ptr_equal(waits_heard(&w, heir.ref, 2, both, gone), &heir);
	assert_null(waits_gone(&w, gone));
	assert_true(asked.slots[0] == 3 && joined.slots[0] == 3 &&
	    heir.slots[0] == 3);
	/* and goes itself */
	assert_ptr_equal(waits_gone(&w, gone), &asked);
	assert_ptr_equal(waits_gone(&w, gone), &joined);
	assert_ptr_equal(waits_gone(&w, gone), &heir);
	assert_null(waits_gone(&w, gone));
	assert_true(asked.slots[0] == 2 && joined.slots[0] == 2 &&
	    heir.slots[0] == 2);
	done();
}

/* Of a question whose answers take long: who got it is said when some of those
 * have gone already. */
static void
who_had_it_and_has_gone_is_missed(void **state)
{
	const uint64_t asked[2] = { 1, 0 }, had[2] = { 15, 0 };
	const uint64_t second[2] = { 2, 0 }, third[2] = { 4, 0 };
	struct wait a, b;

	(void)state;
	add(&a, 10);
	waits_for(&a, asked, third);
	a.notes = true;
	add(&b, 20);
	waits_for(&b, asked, nobody);
	assert_null(waits_gone(&w, second));
	assert_null(waits_gone(&w, third));	/* who was there before */
	assert_ptr_equal(heard(a.ref, 1, had), &a);
	assert_true(a.missed && a.slots[0] == 13);
	assert_ptr_equal(heard(b.ref, 1, had), &b);
	assert_true(!b.missed && b.slots[0] == 15);
	done();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f)	cmocka_unit_test_setup(f, setup)
		T(it_is_found_by_its_name_until_it_is_removed),
		T(only_those_who_were_asked_are_heard),
		T(who_got_it_is_waited_for),
		T(who_has_gone_is_waited_for_no_more),
		T(who_sits_there_now_is_waited_for),
		T(who_had_it_and_has_gone_is_missed),
		T(what_is_over_first_is_first),
		T(those_that_end_together_end_in_the_order_they_began),
		T(it_is_bounded),
		T(names_begin_with_the_generation_and_are_never_0),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
