/* Names of requests by client, and as bytes. */
#include "worker/net/names.h"

#include <stdio.h>

#include "base/state.h"

#include "tests/lib/check.h"

static void
a_name_is_there_until_it_is_dropped(void **state)
{
	struct names *t = NULL;

	(void)state;
	assert_null(names_find(t, 1));
	names_drop(t, 1);
	names_put(&t, 1, "a");
	names_put(&t, 2, "b");
	names_put(&t, 1, "again");
	names_put(&t, 0, "nobody's");
	names_put(&t, 3, "");
	assert_string_equal(names_find(t, 1), "again");
	assert_string_equal(names_find(t, 2), "b");
	assert_null(names_find(t, 0));
	assert_null(names_find(t, 3));
	names_drop(t, 1);
	names_drop(t, 1);
	assert_null(names_find(t, 1));
	assert_string_equal(names_find(t, 2), "b");
	names_free(&t);
	assert_null(t);
	names_free(&t);
}

static void
many_are_found_and_all_are_freed(void **state)
{
	struct names *t = NULL;
	char text[16];
	uint32_t i;

	(void)state;
	for (i = 1; i <= 5000; i++) {
		(void)snprintf(text, sizeof text, "n%u", (unsigned)i);
		names_put(&t, i * 7, text);
	}
	for (i = 1; i <= 5000; i += 2)
		names_drop(t, i * 7);
	for (i = 1; i <= 5000; i++) {
		(void)snprintf(text, sizeof text, "n%u", (unsigned)i);
		if (i % 2 == 1)
			assert_null(names_find(t, i * 7));
		else
			assert_string_equal(names_find(t, i * 7), text);
	}
	names_free(&t);
}

static bool
load(struct names **t, uint32_t number, struct buf *b)
{
	struct state_in in = state_in(buf_unread(b));

	return (names_load(t, number, &in) && state_end(&in));
}

static void
what_was_saved_is_loaded(void **state)
{
	char longest[NAMES_LENGTH_MAX + 2];
	struct names *t = NULL, *u = NULL;
	struct buf b;

	(void)state;
	memset(longest, 'x', sizeof longest);
	longest[NAMES_LENGTH_MAX] = '\0';
	buf_init(&b);
	names_put(&t, 4, longest);
	names_save(t, 4, &b);
	assert_true(load(&u, 9, &b));
	assert_string_equal(names_find(u, 9), longest);
	buf_reset(&b);
	names_save(t, 5, &b);		/* has none */
	assert_true(load(&u, 10, &b));
	assert_null(names_find(u, 10));
	/* one that is too long, one that would break a line, one cut short */
	longest[NAMES_LENGTH_MAX] = 'x';
	buf_reset(&b);
	state_put_slice(&b, slice_of(longest, NAMES_LENGTH_MAX + 1));
	assert_false(load(&u, 11, &b));
	buf_reset(&b);
	state_put_slice(&b, SLICE("a\nb"));
	assert_false(load(&u, 11, &b));
	buf_reset(&b);
	state_put_u32(&b, 3);
	assert_false(load(&u, 11, &b));
	assert_null(names_find(u, 11));
	buf_fini(&b);
	names_free(&t);
	names_free(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_there_until_it_is_dropped),
		cmocka_unit_test(many_are_found_and_all_are_freed),
		cmocka_unit_test(what_was_saved_is_loaded),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
