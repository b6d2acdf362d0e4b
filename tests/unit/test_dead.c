/* Dead letters: by hook, bounded, in order. */
#include "relay/hooks/dead.h"

#include "tests/lib/check.h"

static struct dead d;
static const struct dead_bounds plenty = { 100, 1 << 20 };

static struct entry *
entry_of(size_t n)
{
	struct entry *e = calloc(1, sizeof *e + n);

	assert_non_null(e);
	e->n = n;
	e->asker.ref = 7;
	return (e);
}

static void
give_up(const char *hook, const struct dead_bounds *most, size_t n)
{
	const struct dead_what w = { .hook = hook, .nsp = "/a",
		.why = "status 422", .at_ms = 5 };

	dead_add(&d, &w, most, entry_of(n));
}

static int
begin(void **state)
{
	(void)state;
	dead_init(&d);
	return (0);
}

static int
end(void **state)
{
	(void)state;
	dead_fini(&d);
	assert_int_equal(dead_count(&d), 0);
	return (0);
}

static void
letters_are_by_hook_and_in_order(void **state)
{
	struct dead_letter *l;
	struct dead_box *b;

	(void)state;
	give_up("one", &plenty, 10);
	give_up("two", &plenty, 20);
	give_up("one", &plenty, 30);
	assert_int_equal(dead_count(&d), 3);
	assert_null(dead_find(&d, SLICE("on")));
	b = dead_find(&d, SLICE("one"));
	assert_non_null(b);
	assert_int_equal(b->n, 2);
	assert_int_equal(b->bytes, 40 + 2 * DEAD_COST);
	l = dead_from(b, 1);
	assert_int_equal(l->id, 1);
	assert_string_equal(l->nsp, "/a");
	assert_string_equal(l->why, "status 422");
	assert_int_equal(l->at_ms, 5);
	assert_int_equal(l->entry->asker.ref, 0);	/* nobody waits */
	l = dead_from(b, 2);
	assert_int_equal(l->id, 3);
	assert_null(dead_from(b, 4));
	free(dead_take(b, l));
	assert_int_equal(b->n, 1);
	assert_int_equal(b->bytes, 10 + DEAD_COST);
}

static void
the_oldest_go_by_number_and_by_bytes(void **state)
{
	const struct dead_bounds two = { 2, 1 << 20 },
	    small = { 100, 100 + DEAD_COST }, none = { 0, 1 << 20 };
	struct dead_box *b;
	unsigned i;

	(void)state;
	for (i = 0; i < 5; i++)
		give_up("one", &two, 10);
	b = dead_find(&d, SLICE("one"));
	assert_int_equal(b->n, 2);
	assert_int_equal(dead_from(b, 0)->id, 4);
	give_up("one", &small, 100);
	assert_int_equal(b->n, 1);
	assert_int_equal(dead_from(b, 0)->id, 6);
	give_up("one", &small, 101);	/* too large by itself */
	assert_int_equal(b->n, 0);
	assert_int_equal(b->bytes, 0);
	give_up("one", &none, 1);
	assert_int_equal(b->n, 0);
	assert_int_equal(d.id, 8);
}

static void
what_was_left_keeps_its_id(void **state)
{
	const struct dead_what w = { .hook = "one", .nsp = "/a",
		.why = "x", .at_ms = 5 };

	(void)state;
	d.id = 20;
	assert_true(dead_restore(&d, &w, 10, entry_of(1)));
	assert_true(dead_restore(&d, &w, 12, entry_of(1)));
	assert_false(dead_restore(&d, &w, 12, entry_of(1)));
	assert_false(dead_restore(&d, &w, 21, entry_of(1)));
	give_up("one", &plenty, 1);
	assert_int_equal(dead_from(dead_find(&d, SLICE("one")), 13)->id, 21);
}

static void
there_are_so_many_hooks_at_most(void **state)
{
	char name[24];
	unsigned i;

	(void)state;
	for (i = 0; i < DEAD_BOXES + 5; i++) {
		(void)snprintf(name, sizeof name, "h%u", i);
		give_up(name, &plenty, 1);
	}
	assert_int_equal(d.nboxes, DEAD_BOXES);
	assert_int_equal(dead_count(&d), DEAD_BOXES);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    letters_are_by_hook_and_in_order, begin, end),
		cmocka_unit_test_setup_teardown(
		    the_oldest_go_by_number_and_by_bytes, begin, end),
		cmocka_unit_test_setup_teardown(what_was_left_keeps_its_id,
		    begin, end),
		cmocka_unit_test_setup_teardown(
		    there_are_so_many_hooks_at_most, begin, end),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
