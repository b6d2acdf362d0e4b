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
	assert_ptr_equal(waits_heard(&w, ref, 3), &a);
	assert_ptr_equal(waits_heard(&w, ref, 128), &a);
	assert_null(waits_heard(&w, ref, 2));
	assert_null(waits_heard(&w, ref, 0));
	assert_null(waits_heard(&w, ref, 129));
	assert_null(waits_heard(&w, ref + 1, 3));
	slotset_drop(a.slots, 3);
	assert_null(waits_heard(&w, ref, 3));
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
names_begin_where_they_are_told_and_are_never_0(void **state)
{
	struct waits x;
	struct wait a = { .ref = 0 }, b = a, c = a;

	(void)state;
	waits_init(&x, 10, UINT32_MAX - 1);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f)	cmocka_unit_test_setup(f, setup)
		T(it_is_found_by_its_name_until_it_is_removed),
		T(only_those_who_were_asked_are_heard),
		T(what_is_over_first_is_first),
		T(those_that_end_together_end_in_the_order_they_began),
		T(it_is_bounded),
		T(names_begin_where_they_are_told_and_are_never_0),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
