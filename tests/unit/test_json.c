/* The JSON scanner: grammar, limits, walking, strings, numbers. */
#include "proto/json.h"

#include "tests/lib/check.h"

/* Valid by json_valid, read from memory of exactly that size. */
static bool
valid(struct slice s)
{
	uint8_t *p = check_copy(s);
	bool ok = json_valid(slice_of(p, s.n));

	free(p);
	return (ok);
}

static void
accepts_every_kind_of_value(void **state)
{
	static const struct slice rows[] = {
		SLICE("0"), SLICE("-0"), SLICE("12"), SLICE("-1.5"),
		SLICE("1e5"), SLICE("1E+5"), SLICE("1.25e-7"), SLICE("1e999"),
		SLICE("123456789012345678901234567890"), SLICE("true"),
		SLICE("false"), SLICE("null"), SLICE("\"\""), SLICE("\"a\""),
		SLICE("[]"), SLICE("{}"), SLICE("[ ]"), SLICE("{ }"),
		SLICE("[1,2 , 3]"), SLICE("{\"a\":1}"),
		SLICE(" { \"a\" : [ 1 , { } ] , \"b\" : null } \r\n\t"),
		SLICE("[[[[]]],{}]"), SLICE("{\"a\":1,\"a\":2}"),
		SLICE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\""),
		SLICE("\"\\u0000\""), SLICE("\"\\ud800\""),
		SLICE("\"\\ud83d\\ude00\""), SLICE("\"\x7f\""),
		SLICE("\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""),
		SLICE("\"a long string, well beyond eight bytes \xc3\xa9\""),
		SLICE("[\"eight by\",\"sevenby\",\"ninebytes\"]")
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		assert_row(valid(rows[i]), rows[i]);
}

static void
refuses_what_the_grammar_refuses(void **state)
{
	static const struct slice rows[] = {
		SLICE(""), SLICE(" "), SLICE("+1"), SLICE("01"), SLICE("-"),
		SLICE("-a"), SLICE("1."), SLICE(".5"), SLICE("1.e1"),
		SLICE("1e"), SLICE("1e+"), SLICE("0x1"), SLICE("1 2"),
		SLICE("tru"), SLICE("True"), SLICE("nul"), SLICE("NaN"),
		SLICE("falsy"), SLICE("trux"), SLICE("nulx"),
		SLICE("Infinity"), SLICE("truefalse"), SLICE("true1"),
		SLICE("\""), SLICE("\"a"), SLICE("\"\\\""), SLICE("\"\\x\""),
		SLICE("\"\\u12\""), SLICE("\"\\u12g4\""), SLICE("\"\\u123"),
		SLICE("\"\n\""), SLICE("\"\x1e\""), SLICE("\"\0\""),
		SLICE("\"abcdefg\x1fzzz\""), SLICE("'a'"), SLICE("["),
		SLICE("]"), SLICE("[1"), SLICE("[1,"), SLICE("[1,]"),
		SLICE("[,1]"), SLICE("[1 2]"), SLICE("[1}"), SLICE("{"),
		SLICE("{\"a\"}"), SLICE("{\"a\":}"), SLICE("{\"a\":1,}"),
		SLICE("{\"a\" 1}"), SLICE("{a:1}"), SLICE("{1:1}"),
		SLICE("{\"a\":1]"), SLICE("{,}"), SLICE("{\"a\":1 \"b\":2}"),
		SLICE("[]]"), SLICE("[1:2]"), SLICE("{\"a\",1}"),
		SLICE("{\"a\":1:2}"), SLICE("1\0"), SLICE("\xef\xbb\xbf""1"),
		SLICE("[1]x"), SLICE("//c\n1"), SLICE("\v1"), SLICE("\xa0"),
		SLICE("{\"a\""), SLICE("{\"a\":"), SLICE("{\"a\":1,\"b")
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		assert_row(!valid(rows[i]), rows[i]);
}

static void
refuses_bytes_that_are_not_utf8(void **state)
{
	static const struct slice rows[] = {
		SLICE("\"\x80\""), SLICE("\"\xc3\""), SLICE("\"\xc0\x80\""),
		SLICE("\"\xed\xa0\x80\""), SLICE("\"\xf5\x80\x80\x80\""),
		SLICE("\"0123456789\xff\""), SLICE("\"\xe2\x82\""),
		SLICE("\"01234567\\n012345\xc3(\""), SLICE("{\"\xff\":1}")
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		assert_row(!valid(rows[i]), rows[i]);
}

static void
every_beginning_of_a_value_is_refused(void **state)
{
	static const struct slice all =
	    SLICE("{\"ab\\n\xc3\xa9\":[true,false,null,{\"x\":-1.5e+3}],"
		  "\"long enough a key\":\"\\u00e9 and a long value\"}");
	size_t n;

	(void)state;
	assert_true(valid(all));
	for (n = 0; n < all.n; n++)
		assert_row(!valid(slice_of(all.p, n)), slice_of(all.p, n));
	/* also where the rest stands behind it */
	for (n = 0; n < all.n; n++)
		assert_row(!json_valid(slice_of(all.p, n)),
		    slice_of(all.p, n));
}

static void
depth_is_limited_to_64(void **state)
{
	static const char *const opens[] = { "[", "{\"a\":" };
	static const char closes[] = "]}";
	size_t i, depth, d;
	struct buf b;

	(void)state;
	buf_init(&b);
	for (i = 0; i < 2; i++)
		for (depth = 63; depth <= 66; depth++) {
			buf_reset(&b);
			for (d = 0; d < depth; d++)
				buf_str(&b, opens[i]);
			buf_byte(&b, '0');
			for (d = 0; d < depth; d++)
				buf_byte(&b, (uint8_t)closes[i]);
			assert_int_equal(valid(buf_unread(&b)),
			    depth <= JSON_DEPTH_MAX);
		}
	buf_reset(&b);
	for (d = 0; d < 100000; d++)
		buf_byte(&b, '[');
	assert_false(valid(buf_unread(&b)));
	buf_fini(&b);
}

static void
value_gives_exactly_its_bytes_and_eats_the_space(void **state)
{
	struct slice in = SLICE(" \n[1, 2] \t,3"), v;

	(void)state;
	assert_int_equal(json_value(in, &v), 10);
	assert_slice(v, "[1, 2]");
	assert_int_equal(json_value(SLICE("1,2"), &v), 1);
	assert_slice(v, "1");
	assert_int_equal(json_value(slice_of(NULL, 0), &v), CODEC_BAD);
	assert_int_equal(v.n, 0);
}

static void
type_is_told_by_the_first_byte(void **state)
{
	(void)state;
	assert_int_equal(json_type(slice_of(NULL, 0)), JSON_NONE);
	assert_int_equal(json_type(SLICE("{}")), JSON_OBJECT);
	assert_int_equal(json_type(SLICE("[]")), JSON_ARRAY);
	assert_int_equal(json_type(SLICE("\"\"")), JSON_STRING);
	assert_int_equal(json_type(SLICE("-1")), JSON_NUMBER);
	assert_int_equal(json_type(SLICE("7")), JSON_NUMBER);
	assert_int_equal(json_type(SLICE("true")), JSON_TRUE);
	assert_int_equal(json_type(SLICE("false")), JSON_FALSE);
	assert_int_equal(json_type(SLICE("null")), JSON_NULL);
}

static void
walks_the_elements_of_an_array(void **state)
{
	static const struct slice want[] = { SLICE("1"), SLICE("\"a,]\\\"\""),
		SLICE("[2,[3]]"), SLICE("{\"k\":\"}\"}"), SLICE("null"),
		SLICE("\"\"") };
	struct slice in = SLICE("[1 , \"a,]\\\"\",[2,[3]],{\"k\":\"}\"} "
				",\n null, \"\" ]");
	struct json_iter it;
	struct slice k, v;
	size_t i = 0;

	(void)state;
	assert_true(valid(in));
	assert_true(json_enter(in, &it));
	for (; json_next(&it, &k, &v); i++) {
		assert_true(i < nitems(want));
		assert_int_equal(k.n, 0);
		assert_slices(v, want[i]);
	}
	assert_int_equal(i, nitems(want));
	assert_false(json_next(&it, &k, &v));
	assert_true(json_enter(SLICE("[ ]"), &it));
	assert_false(json_next(&it, &k, &v));
	assert_false(json_enter(SLICE("12"), &it));
	assert_false(json_enter(SLICE("\"[]\""), &it));
	assert_false(json_enter(slice_of(NULL, 0), &it));
}

static void
walks_the_members_of_an_object(void **state)
{
	struct slice in = SLICE("{\"a\":1,\"b:\" : {\"c\":[]} , \"\":true}");
	struct json_iter it;
	struct slice k, v;

	(void)state;
	assert_true(json_enter(in, &it));
	assert_true(json_next(&it, &k, &v));
	assert_slice(k, "\"a\"");
	assert_slice(v, "1");
	assert_true(json_next(&it, &k, &v));
	assert_slice(k, "\"b:\"");
	assert_slice(v, "{\"c\":[]}");
	assert_true(json_next(&it, &k, &v));
	assert_slice(k, "\"\"");
	assert_slice(v, "true");
	assert_false(json_next(&it, &k, &v));
}

static void
get_finds_the_last_of_equal_names(void **state)
{
	struct slice o = SLICE("{\"a\":1,\"\\u0061b\":2,\"a\":3,\"\":4,"
			       "\"__proto__\":5}"), v;

	(void)state;
	assert_true(json_get(o, SLICE("a"), &v));
	assert_slice(v, "3");
	assert_true(json_get(o, SLICE("ab"), &v));
	assert_slice(v, "2");
	assert_true(json_get(o, SLICE(""), &v));
	assert_slice(v, "4");
	assert_true(json_get(o, SLICE("__proto__"), &v));
	assert_slice(v, "5");
	assert_false(json_get(o, SLICE("constructor"), &v));
	assert_int_equal(v.n, 0);
	assert_false(json_get(SLICE("[\"a\"]"), SLICE("a"), &v));
	assert_false(json_get(SLICE("\"a\""), SLICE("a"), &v));
}

static void
strings_compare_by_what_they_mean(void **state)
{
	(void)state;
	assert_true(json_string_eq(SLICE("\"abc\""), SLICE("abc")));
	assert_true(json_string_eq(SLICE("\"\""), SLICE("")));
	assert_true(json_string_eq(SLICE("\"a\\u0062c\""), SLICE("abc")));
	assert_true(json_string_eq(SLICE("\"\\n\""), SLICE("\n")));
	assert_true(json_string_eq(SLICE("\"\\u20AC\""),
	    SLICE("\xe2\x82\xac")));
	assert_true(json_string_eq(SLICE("\"\\ud83d\\ude00\""),
	    SLICE("\xf0\x9f\x98\x80")));
	assert_false(json_string_eq(SLICE("\"\\n\""), SLICE("\\n")));
	assert_false(json_string_eq(SLICE("\"abc\""), SLICE("ab")));
	assert_false(json_string_eq(SLICE("\"ab\""), SLICE("abc")));
	assert_false(json_string_eq(SLICE("\"\\ud800\""),
	    SLICE("\xed\xa0\x80")));
	assert_false(json_string_eq(SLICE("12"), SLICE("12")));
	assert_false(json_string_eq(slice_of(NULL, 0), SLICE("")));
}

static void
unescape_gives_plain_utf8_or_refuses(void **state)
{
	static const struct {
		struct slice raw, plain;
	} rows[] = {
		{ SLICE("\"\""), SLICE("") },
		{ SLICE("\"abc\""), SLICE("abc") },
		{ SLICE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
		    SLICE("\"\\/\b\f\n\r\t") },
		{ SLICE("\"\\u00e9\xc3\xa9\""), SLICE("\xc3\xa9\xc3\xa9") },
		{ SLICE("\"\\uD83D\\uDE00\""), SLICE("\xf0\x9f\x98\x80") }
	};
	static const struct slice bad[] = { SLICE("\"\\u0000\""),
		SLICE("\"\\ud800\""), SLICE("\"\\ud800x\""),
		SLICE("\"\\udc00\""), SLICE("\"\\ud800\\ud800\""),
		SLICE("\"\\ud800\\n\"") };
	uint8_t out[64];
	ssize_t n;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		n = json_unescape(rows[i].raw, out);
		assert_true(n >= 0);
		assert_slices(slice_of(out, (size_t)n), rows[i].plain);
	}
	for (i = 0; i < nitems(bad); i++)
		assert_row(json_unescape(bad[i], out) == -1, bad[i]);
}

static void
a_name_is_measured_unescaped(void **state)
{
	static const struct {
		struct slice raw, plain;
	} rows[] = {
		{ SLICE("\"\""), SLICE("") },
		{ SLICE("\"abcdef\""), SLICE("abcdef") },
		{ SLICE("\"\\u0061\\u0062\\u0063\\u0064\\u0065\\u0066\""),
		    SLICE("abcdef") },
		{ SLICE("\"\\/\\\"\\\\\""), SLICE("/\"\\") },
		{ SLICE("\"ab\\ud83d\\ude00\""),
		    SLICE("ab\xf0\x9f\x98\x80") },
		{ SLICE("\"\xc3\xa9\\u00e9x\\u0080\""),
		    SLICE("\xc3\xa9\xc3\xa9x") },	/* one too many */
	};
	static const struct slice bad[] = { SLICE("\"abcdefg\""),
		SLICE("\"abcdef\\u0067\""), SLICE("\"abc\\ud83d\\ude00\""),
		SLICE("\"\\u0000\""), SLICE("\"a\\n\""), SLICE("\"a\\u000d\""),
		SLICE("\"\\u001f\""), SLICE("\"\x7f\""), SLICE("\"\\u007f\""),
		SLICE("\"\\ud800\""), SLICE("\"a\\udc00\""), SLICE("12"),
		SLICE("\"\\ufffd\""), SLICE("\"a\xef\xbf\xbd\""),
		SLICE("null"), SLICE("[\"a\"]"), SLICE("") };
	uint8_t out[8];
	ssize_t n;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		memset(out, '#', sizeof out);
		n = json_name(rows[i].raw, out, 6);
		assert_int_equal(out[6], '#');
		if (i == nitems(rows) - 1) {
			assert_int_equal(n, -1);
			continue;
		}
		assert_true(n >= 0);
		assert_slices(slice_of(out, (size_t)n), rows[i].plain);
	}
	for (i = 0; i < nitems(bad); i++)
		assert_row(json_name(bad[i], out, 6) == -1, bad[i]);
}

/* The last one of that name counts; what is there and no name is told from
 * what is not there by the value itself. */
static void
members_are_taken_as_names(void **state)
{
	const struct slice o = SLICE("{\"a\":\"x\",\"b\":7,"
	    "\"long\":\"1234567\",\"\":\"\",\"a\":\"\\u0041bcdef\"}");
	uint8_t out[6];
	struct slice raw;

	(void)state;
	assert_int_equal(json_text(o, SLICE("a"), out, 6, &raw), 6);
	assert_memory_equal(out, "Abcdef", 6);
	assert_slices(raw, SLICE("\"\\u0041bcdef\""));
	assert_int_equal(json_text(o, SLICE("a"), out, 5, &raw), -1);
	assert_int_equal(json_text(o, SLICE(""), out, 6, &raw), 0);
	assert_slices(raw, SLICE("\"\""));
	assert_int_equal(json_text(o, SLICE("b"), out, 6, &raw), -1);
	assert_slices(raw, SLICE("7"));
	assert_int_equal(json_text(o, SLICE("long"), out, 6, &raw), -1);
	assert_slices(raw, SLICE("\"1234567\""));
	assert_int_equal(json_text(o, SLICE("none"), out, 6, &raw), -1);
	assert_int_equal(raw.n, 0);
	assert_int_equal(json_text(SLICE("[]"), SLICE("a"), out, 6, &raw), -1);
	assert_int_equal(raw.n, 0);
	assert_int_equal(json_text(slice_of(NULL, 0), SLICE("a"), out, 6,
	    &raw), -1);
	assert_int_equal(raw.n, 0);
}

/* Each at the end of its memory, so that nothing behind it is looked at. */
static void
halves_of_pairs_are_mended(void **state)
{
	static const struct {
		struct slice in, out;
	} rows[] = {
		{ SLICE(""), SLICE("") }, { SLICE("abc"), SLICE("abc") },
		{ SLICE("\"\\ud800\""), SLICE("\"\\ufffd\"") },
		{ SLICE("\\ud800"), SLICE("\\ufffd") },
		{ SLICE("\\uDC00\\uD83d"), SLICE("\\ufffd\\ufffd") },
		{ SLICE("\\ud83d\\ude00"), SLICE("\\ud83d\\ude00") },
		{ SLICE("\\ud83d\\ud83d\\ude00\\ude00"),
		    SLICE("\\ufffd\\ud83d\\ude00\\ufffd") },
		{ SLICE("\\\\ud800"), SLICE("\\\\ud800") },
		{ SLICE("\\\\\\ud800"), SLICE("\\\\\\ufffd") },
		{ SLICE("\\ud83dx\\ude00"), SLICE("\\ufffdx\\ufffd") },
		{ SLICE("\\ud83d\\ude0"), SLICE("\\ufffd\\ude0") },
		{ SLICE("\\ud80"), SLICE("\\ud80") },
		{ SLICE("\\ud8zz"), SLICE("\\ud8zz") },
		{ SLICE("\\"), SLICE("\\") }, { SLICE("\\u"), SLICE("\\u") },
		{ SLICE("\\ud7ff\\ue000"), SLICE("\\ud7ff\\ue000") },
	};
	uint8_t *p;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		p = check_copy(rows[i].in);
		json_mend(p, rows[i].in.n);
		assert_slices(slice_of(p, rows[i].in.n), rows[i].out);
		free(p);
	}
	json_mend(NULL, 0);
}

static void
length_counts_code_points(void **state)
{
	(void)state;
	assert_int_equal(json_string_chars(SLICE("\"\"")), 0);
	assert_int_equal(json_string_chars(SLICE("\"abc\"")), 3);
	assert_int_equal(json_string_chars(SLICE("\"\xe2\x82\xac\\n\"")), 2);
	assert_int_equal(json_string_chars(SLICE("\"\\ud83d\\ude00a\"")), 2);
	assert_int_equal(json_string_chars(SLICE("\"\\ud83da\"")), 2);
	assert_int_equal(json_string_chars(SLICE("\"\\ud83d\\ud83d\"")), 2);
}

static void
escape_is_undone_by_unescape(void **state)
{
	struct slice s = SLICE("\x01\x1e\"\\/\b\f\n\r\t\x1f\x7f\xc3\xa9");
	uint8_t plain[64];
	struct buf b;
	ssize_t n;

	(void)state;
	buf_init(&b);
	json_escape(&b, s);
	assert_slice(buf_unread(&b), "\"\\u0001\\u001e\\\"\\\\/\\b\\f\\n\\r\\t"
				     "\\u001f\x7f\xc3\xa9\"");
	assert_int_equal(json_escape_size(s), b.wpos);
	assert_true(json_valid(buf_unread(&b)));
	n = json_unescape(buf_unread(&b), plain);
	assert_slices(slice_of(plain, (size_t)n), s);
	buf_reset(&b);
	json_escape(&b, slice_of(NULL, 0));
	assert_buf(&b, "\"\"");
	buf_fini(&b);
}

static void
text_is_whatever_a_string_says(void **state)
{
	static const struct {
		struct slice	 raw, text;
		uint8_t		 without;
	} rows[] = {
		{ SLICE("\"\""), SLICE(""), 0 },
		{ SLICE("\"plain\""), SLICE("plain"), 0 },
		{ SLICE("\"\\n\\\"\\\\\""), SLICE("\n\"\\"), 0 },
		{ SLICE("\"a\\u0000b\""), SLICE("a\0b"), 0 },
		{ SLICE("\"\\ud83d\\ude00\""), SLICE("\xf0\x9f\x98\x80"), 0 },
		{ SLICE("\"\\ud83dx\""), SLICE("\xef\xbf\xbdx"), 0 },
		{ SLICE("\"\\ude00\\ud83d\""),
		    SLICE("\xef\xbf\xbd\xef\xbf\xbd"), 0 },
		{ SLICE("\"\\u001e\\u001f\""), SLICE("\x1e\x1f"), 0 },
		{ SLICE("\"\\u001e\\u001f\""), SLICE("\xef\xbf\xbd\x1f"),
		    0x1e },
		{ SLICE("\"\\u0000\""), SLICE("\0"), 0x1e },
	};
	uint8_t out[64], *end;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		end = json_plain_to(out, rows[i].raw, rows[i].without);
		assert_row(slice_eq(slice_of(out, (size_t)(end - out)),
		    rows[i].text), rows[i].raw);
		assert_row(json_plain_size(rows[i].raw, rows[i].without) ==
		    rows[i].text.n, rows[i].raw);
	}
}

static void
integers_are_exact_or_refused(void **state)
{
	static const struct {
		struct slice in;
		bool ok;
		int64_t v;
	} rows[] = {
		{ SLICE("0"), true, 0 }, { SLICE("-0"), true, 0 },
		{ SLICE("42"), true, 42 }, { SLICE("-7"), true, -7 },
		{ SLICE("1e3"), true, 1000 }, { SLICE("10.0"), true, 10 },
		{ SLICE("1.5e1"), true, 15 }, { SLICE("100e-2"), true, 1 },
		{ SLICE("0e99999999999999999999"), true, 0 },
		{ SLICE("0.000"), true, 0 },
		{ SLICE("9007199254740991"), true, INT64_C(9007199254740991) },
		{ SLICE("-9007199254740991"), true,
		    INT64_C(-9007199254740991) },
		{ SLICE("9007199254740992"), false, 0 },
		{ SLICE("1e16"), false, 0 }, { SLICE("1.5"), false, 0 },
		{ SLICE("1e-1"), false, 0 }, { SLICE("1e999"), false, 0 },
		{ SLICE("1e-99999999999999999999"), false, 0 },
		{ SLICE("1e99999999999999999999"), false, 0 },
		{ SLICE("99999999999999999999"), false, 0 },
		{ SLICE("\"1\""), false, 0 }, { SLICE("true"), false, 0 },
		{ SLICE("null"), false, 0 }
	};
	int64_t v;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		v = 0;
		assert_row(json_int(rows[i].in, &v) == rows[i].ok, rows[i].in);
		assert_row(!rows[i].ok || v == rows[i].v, rows[i].in);
	}
}

static void
doubles_are_what_strtod_says(void **state)
{
	static const char *const rows[] = { "0", "1", "-1.5", "1e10", "1e-7",
		"123456.789e-3", "0.1", "5e-324", "1.7976931348623157e308",
		"1e999", "-1e999", "1e-999", "0.0000001",
		"100000000000000000" };
	struct buf b;
	double d;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_true(json_double(slice_str(rows[i]), &d));
		assert_true(d == strtod(rows[i], NULL));
	}
	assert_false(json_double(SLICE("\"1\""), &d));
	buf_init(&b);
	buf_str(&b, "0.");
	for (i = 0; i < 5000; i++)
		buf_byte(&b, '3');
	buf_str(&b, "e+2");
	assert_true(json_double(buf_unread(&b), &d));
	assert_true(d == 100.0 / 3);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_every_kind_of_value),
		cmocka_unit_test(refuses_what_the_grammar_refuses),
		cmocka_unit_test(refuses_bytes_that_are_not_utf8),
		cmocka_unit_test(every_beginning_of_a_value_is_refused),
		cmocka_unit_test(depth_is_limited_to_64),
		cmocka_unit_test(
		    value_gives_exactly_its_bytes_and_eats_the_space),
		cmocka_unit_test(type_is_told_by_the_first_byte),
		cmocka_unit_test(walks_the_elements_of_an_array),
		cmocka_unit_test(walks_the_members_of_an_object),
		cmocka_unit_test(get_finds_the_last_of_equal_names),
		cmocka_unit_test(strings_compare_by_what_they_mean),
		cmocka_unit_test(unescape_gives_plain_utf8_or_refuses),
		cmocka_unit_test(a_name_is_measured_unescaped),
		cmocka_unit_test(members_are_taken_as_names),
		cmocka_unit_test(halves_of_pairs_are_mended),
		cmocka_unit_test(length_counts_code_points),
		cmocka_unit_test(escape_is_undone_by_unescape),
		cmocka_unit_test(text_is_whatever_a_string_says),
		cmocka_unit_test(integers_are_exact_or_refused),
		cmocka_unit_test(doubles_are_what_strtod_says),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
