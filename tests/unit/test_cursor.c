/* Places of several rooms as one text. */
#include "hub/store/cursor.h"

#include "check.h"

static struct since
place(const char *epoch, uint64_t offset)
{
	struct since s = { .given = false };

	since_set(&s, slice_str(epoch), offset);
	return (s);
}

static void
assert_written(const struct since *v, size_t n, const char *want)
{
	char out[CURSOR_MAX];

	assert_slices(slice_of(out, cursor_put(out, v, n)), slice_str(want));
}

static void
each_room_has_its_place_in_order(void **state)
{
	struct since v[4] = { place("ab1", 17), { .given = false },
		place("", 0), place("Zz", 0) };

	(void)state;
	assert_written(v, 1, "ab1:17");
	assert_written(v, 2, "ab1:17,");
	assert_written(v, 4, "ab1:17,,:0,Zz:0");
	assert_written(v + 1, 1, "");
	assert_written(v, 0, "");
}

static void
it_reads_what_it_writes(void **state)
{
	static const char *const rows[] = { "ab1:17", "ab1:17,", ",", ",,x:1",
		":0", "a:999999999999999999" };
	struct since v[CURSOR_ROOMS_MAX];
	const char *p;
	size_t i, n;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		for (n = 1, p = rows[i]; *p != '\0'; p++)
			n += *p == ',';
		assert_true(cursor_parse(v, n, slice_str(rows[i])));
		assert_written(v, n, rows[i]);
	}
	assert_true(cursor_parse(v, 2, SLICE("ab1:17,")));
	assert_true(v[0].given && v[0].offset == 17);
	assert_slices(since_epoch(&v[0]), SLICE("ab1"));
	assert_false(v[1].given);
}

static void
the_largest_fits(void **state)
{
	struct since v[CURSOR_ROOMS_MAX];
	char out[CURSOR_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(v); i++)
		v[i] = place("0123456789abcdef0123456789abcdef", UINT64_MAX);
	assert_int_equal(cursor_put(out, v, nitems(v)), CURSOR_MAX - 1);
}

static void
what_is_none_is_refused(void **state)
{
	static const char *const rows[] = { "", "17", "a:", "a:x", "a:1,b:2",
		"a:1:2", ":1", "a-b:1", "a:-1", "a: 1", "a:1 ",
		"0123456789abcdef0123456789abcdef0:1", "a:9999999999999999999" };
	struct since v[CURSOR_ROOMS_MAX];
	size_t i;

	(void)state;
	for (i = 1; i < nitems(rows); i++)
		assert_false(cursor_parse(v, 1, slice_str(rows[i])));
	assert_false(cursor_parse(v, 0, SLICE("")));
	assert_false(cursor_parse(v, 3, SLICE("a:1,b:2")));
	assert_true(cursor_parse(v, 2, SLICE("a:1,b:2")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_room_has_its_place_in_order),
		cmocka_unit_test(it_reads_what_it_writes),
		cmocka_unit_test(the_largest_fits),
		cmocka_unit_test(what_is_none_is_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
