/* Numbers, columns and tables of rooststat. */
#include "tools/rooststat/grid.h"

#include <locale.h>
#include <math.h>

#include "tests/lib/check.h"

#define assert_number(call, want) do {					\
	char number_[TEXT_NUMBER];					\
	call;								\
	assert_string_equal(number_, want);				\
} while (0)
#define count(v, want) assert_number(text_count(number_, v), want)
#define rate(v, want) assert_number(text_rate(number_, v), want)
#define us(v, want) assert_number(text_us(number_, v), want)
#define age(v, want) assert_number(text_age(number_, v), want)
#define percent(v, want) assert_number(text_percent(number_, v), want)

static void
counts_take_five_columns(void **state)
{
	(void)state;
	count(0, "0");
	count(9999, "9999");
	count(9999.5, "10.0k");
	count(12345, "12.3k");
	count(99949, "99.9k");
	count(99950, "100k");
	count(999499, "999k");
	count(999500, "1.00M");
	count(1e18, "1.00E");
	count(18446744073709551615.0, "18.4E");
	count(-3, "-3");
	count(NAN, "-");
}

static void
rates_below_ten_have_a_decimal(void **state)
{
	(void)state;
	rate(0, "0");
	rate(0.01, "<0.1");
	rate(0.05, "0.1");
	rate(0.5, "0.5");
	rate(9.94, "9.9");
	rate(9.95, "10");
	rate(1234567, "1.23M");
	rate(NAN, "-");
	percent(0.974, "97");
	percent(0.004, "0.4");
	percent(1, "100");
	percent(NAN, "-");
}

static void
durations_have_three_digits_and_a_unit(void **state)
{
	(void)state;
	us(0, "0us");
	us(999, "999us");
	us(1000, "1.00ms");
	us(9994, "9.99ms");
	us(34000, "34.0ms");
	us(999499, "999ms");
	us(999500, "1.00s");
	us(134217728, "134s");
}

static void
ages_are_said_in_two_units(void **state)
{
	(void)state;
	age(0, "0s");
	age(59999, "59s");
	age(184000, "3m04s");
	age(15120000, "4h12m");
	age(273600000, "3d04h");
	age(31536000000, "365d00h");
}

static void
foreign_text_cannot_contain_controls_or_styles(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	text_safe(&b, "a\x01\x1b[31m\n\x7f" "b", true);
	assert_buf(&b, "a??[31m??b");
	text_safe(&b, "gr\xc3\xb6\xff\xc3", true);
	assert_buf(&b, "gr\xc3\xb6??");
	text_safe(&b, "gr\xc3\xb6" "e", false);
	assert_buf(&b, "gr?e");
	text_safe(&b, "\xc2\x85x", true);	/* a control of one more byte */
	assert_buf(&b, "?x");
	buf_fini(&b);
}

static void
columns_are_counted_in_characters_without_styles(void **state)
{
	(void)state;
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("\x03" "ab\x01"), 2);
	assert_int_equal(text_width("gr\xc3\xb6\xc3\x9f" "e"), 5);
	assert_int_equal(text_width("\xe6\xbc\xa2"), 2);
}

static void
text_is_cut_or_filled_to_the_column(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	text_left(&b, "abc", 5);
	assert_buf(&b, "abc  ");
	text_left(&b, "abcdef", 5);
	assert_buf(&b, "abcd~");
	text_left(&b, "abcde", 5);
	assert_buf(&b, "abcde");
	text_left(&b, "abc", 0);
	assert_buf(&b, "");
	text_right(&b, "12", 4);
	assert_buf(&b, "  12");
	text_right(&b, "12345", 4);
	assert_buf(&b, "123~");
	/* half of a wide character is no character */
	text_left(&b, "\xe6\xbc\xa2\xe6\xbc\xa2", 3);
	assert_buf(&b, "\xe6\xbc\xa2~");
	text_left(&b, "\xe6\xbc\xa2\xe6\xbc\xa2", 2);
	assert_buf(&b, "~ ");
	buf_fini(&b);
}

static const struct grid_col cols[] = {
	{ "name", 4, 0, true, 20 },
	{ "a", 3, 1, false, 0 },
	{ "b", 3, 2, false, 0 },
	{ "c", 3, 0, false, 0 },
};

static void
narrow_tables_drop_the_highest_rank_first(void **state)
{
	struct grid t;

	(void)state;
	grid_fit(&t, cols, 4, 16);
	assert_int_equal(t.total, 16);
	grid_fit(&t, cols, 4, 15);
	assert_int_equal(t.width[2], 0);
	assert_int_equal(t.width[1], 3);
	assert_int_equal(t.width[0], 7);
	grid_fit(&t, cols, 4, 9);
	assert_int_equal(t.width[1], 0);
	assert_int_equal(t.width[3], 3);
	grid_fit(&t, cols, 4, 2);	/* what must stay stays */
	assert_int_equal(t.total, 8);
}

static void
wide_tables_stretch_no_further_than_is_useful(void **state)
{
	struct grid t;

	(void)state;
	grid_fit(&t, cols, 4, 200);
	assert_int_equal(t.width[0], 20);
	assert_int_equal(t.total, 32);
}

static void
the_sorted_column_is_marked(void **state)
{
	const char *const cell[] = { "n", "1", "22", "4444" };
	struct grid t;
	struct buf b;

	(void)state;
	buf_init(&b);
	grid_fit(&t, cols, 4, 17);
	grid_head(&t, &b, 2);
	assert_buf(&b, "\x07" "name    a \x08 *b\x07   c");
	grid_head(&t, &b, 0);
	assert_buf(&b, "\x07\x08" "name*\x07   a   b   c");
	grid_row(&t, &b, STYLE_WARN, cell);
	assert_buf(&b, "\x05" "n       1  22 44~");
	buf_fini(&b);
}

static void
graphs_are_relative_to_the_greatest(void **state)
{
	const double v[] = { 0, 1, 50, 100, NAN };
	struct buf b;

	(void)state;
	buf_init(&b);
	text_spark(&b, v, 5, false);
	assert_buf(&b, " _-# ");
	text_bars(&b, v, 5, (struct text_bars){ 0, 2 }, false);
	assert_buf(&b, "   # ");
	text_bars(&b, v, 5, (struct text_bars){ 1, 2 }, false);
	assert_buf(&b, " _## ");
	text_spark(&b, v, 4, true);
	assert_buf(&b, " \xe2\x96\x81\xe2\x96\x84\xe2\x96\x88");
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_take_five_columns),
		cmocka_unit_test(rates_below_ten_have_a_decimal),
		cmocka_unit_test(durations_have_three_digits_and_a_unit),
		cmocka_unit_test(ages_are_said_in_two_units),
		cmocka_unit_test(
		    foreign_text_cannot_contain_controls_or_styles),
		cmocka_unit_test(
		    columns_are_counted_in_characters_without_styles),
		cmocka_unit_test(text_is_cut_or_filled_to_the_column),
		cmocka_unit_test(narrow_tables_drop_the_highest_rank_first),
		cmocka_unit_test(
		    wide_tables_stretch_no_further_than_is_useful),
		cmocka_unit_test(the_sorted_column_is_marked),
		cmocka_unit_test(graphs_are_relative_to_the_greatest),
	};

	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		return (99);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
