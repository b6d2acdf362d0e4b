/* What the keys of rooststat do. */
#include "tools/rooststat/keys.h"

#include "tests/lib/check.h"

/* The view begins on an overview that is never drawn here. */
static struct view
fresh(void)
{
	struct view v;

	memset(&v, 0, sizeof v);
	v.interval_ms = 1000;
	return (v);
}

static enum keys_action
type(struct view *v, const char *keys)
{
	enum keys_action a = KEYS_REDRAW;

	for (; *keys != '\0'; keys++)
		a = keys_press(v, (unsigned char)*keys);
	return (a);
}

static void
seconds_may_have_decimals(void **state)
{
	(void)state;
	assert_int_equal(keys_interval("1"), 1000);
	assert_int_equal(keys_interval("0.5"), 500);
	assert_int_equal(keys_interval(".25"), 250);
	assert_int_equal(keys_interval("2."), 2000);
	assert_int_equal(keys_interval("0.12345"), 123);
	assert_int_equal(keys_interval("3600"), 3600000);
}

static void
what_is_no_fit_interval_is_refused(void **state)
{
	static const char *const bad[] = {
		"", ".", "0", "0.09", "3600.1", "-1", "1e3", "1.2.3", " 1",
		"99999999999999999999", "x"
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(bad); i++)
		assert_int_equal(keys_interval(bad[i]), 0);
}

static void
v_turns_the_pages_and_numbers_go_to_one(void **state)
{
	struct view v = fresh();
	unsigned i;

	(void)state;
	for (i = 1; i <= PAGE__MAX; i++) {
		(void)type(&v, "v");
		assert_int_equal(v.page, i % PAGE__MAX);
	}
	v.cursor = 5;
	(void)type(&v, "4");
	assert_int_equal(v.page, PAGE_WORKERS);
	assert_int_equal(v.cursor, 0);
}

static void
the_filter_works_while_it_is_typed(void **state)
{
	struct view v = fresh();

	(void)state;
	(void)type(&v, "/dq");
	assert_int_equal(v.prompt, PROMPT_FILTER);
	assert_string_equal(v.filter, "dq");
	(void)keys_press(&v, KEYS_BACKSPACE);
	assert_string_equal(v.filter, "d");
	(void)type(&v, "\xc3\xb6");
	assert_string_equal(v.filter, "d\xc3\xb6");
	(void)keys_press(&v, KEYS_BACKSPACE);
	assert_string_equal(v.filter, "d");
	(void)keys_press(&v, KEYS_ENTER);
	assert_int_equal(v.prompt, PROMPT_NONE);
	assert_string_equal(v.filter, "d");
	(void)keys_press(&v, KEYS_ESCAPE);
	assert_string_equal(v.filter, "");
	(void)type(&v, "/");
	(void)keys_press(&v, KEYS_BACKSPACE);	/* nothing to rub out */
	assert_string_equal(v.filter, "");
}

static void
the_filter_takes_no_more_than_it_holds(void **state)
{
	struct view v = fresh();
	unsigned i;

	(void)state;
	(void)type(&v, "/");
	for (i = 0; i < 2 * VIEW_INPUT; i++)
		(void)type(&v, "a");
	assert_int_equal(strlen(v.filter), VIEW_INPUT - 1);
}

static void
the_interval_is_asked_for(void **state)
{
	struct view v = fresh();

	(void)state;
	(void)type(&v, "/x");
	(void)keys_press(&v, KEYS_ENTER);
	assert_int_equal(type(&v, "w0.5"), KEYS_REDRAW);
	assert_int_equal(keys_press(&v, KEYS_ENTER), KEYS_INTERVAL);
	assert_int_equal(v.interval_ms, 500);
	assert_string_equal(v.filter, "x");
	(void)type(&v, "wq");
	assert_int_equal(keys_press(&v, KEYS_ENTER), KEYS_REDRAW);
	assert_int_equal(v.interval_ms, 500);
	(void)type(&v, "w3");
	(void)keys_press(&v, KEYS_ESCAPE);
	assert_int_equal(v.interval_ms, 500);
	assert_string_equal(v.filter, "x");
}

static void
space_stops_and_goes_on(void **state)
{
	struct view v = fresh();

	(void)state;
	assert_int_equal(type(&v, " "), KEYS_REDRAW);
	assert_true(v.paused);
	assert_int_equal(type(&v, " "), KEYS_CONTINUE);
	assert_false(v.paused);
	assert_int_equal(type(&v, "q"), KEYS_QUIT);
}

static void
sort_goes_round_in_both_directions(void **state)
{
	struct view v = fresh();
	unsigned i, n;

	(void)state;
	(void)type(&v, "2");
	n = view_columns(PAGE_COUNTERS);
	assert_true(n > 2);
	(void)type(&v, "S");
	assert_int_equal(v.sort[PAGE_COUNTERS], n - 1);
	for (i = 0; i < n; i++)
		(void)type(&v, "s");
	assert_int_equal(v.sort[PAGE_COUNTERS], n - 1);
}

static void
the_cursor_stops_at_the_top(void **state)
{
	struct view v = fresh();

	(void)state;
	v.shown = 10;
	(void)keys_press(&v, KEYS_UP);
	assert_int_equal(v.cursor, 0);
	(void)keys_press(&v, KEYS_PAGE_DOWN);
	assert_int_equal(v.cursor, 9);
	(void)keys_press(&v, KEYS_DOWN);
	assert_int_equal(v.cursor, 10);
	(void)keys_press(&v, KEYS_PAGE_UP);
	assert_int_equal(v.cursor, 1);
	(void)keys_press(&v, KEYS_PAGE_UP);
	assert_int_equal(v.cursor, 0);
	(void)keys_press(&v, KEYS_END);
	assert_true(v.cursor > 1000000);
	(void)keys_press(&v, KEYS_HOME);
	assert_int_equal(v.cursor, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seconds_may_have_decimals),
		cmocka_unit_test(what_is_no_fit_interval_is_refused),
		cmocka_unit_test(v_turns_the_pages_and_numbers_go_to_one),
		cmocka_unit_test(the_filter_works_while_it_is_typed),
		cmocka_unit_test(the_filter_takes_no_more_than_it_holds),
		cmocka_unit_test(the_interval_is_asked_for),
		cmocka_unit_test(space_stops_and_goes_on),
		cmocka_unit_test(sort_goes_round_in_both_directions),
		cmocka_unit_test(the_cursor_stops_at_the_top),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
