/* UTF-8 validity against a slow and obvious decoder; pieces; encoding. */
#include "base/utf8.h"

#include "base/bug.h"
#include "tests/lib/check.h"

#define SIGN	"\xef\xbf\xbd"

/* Length of the character at p by the definition, or 0. */
static size_t
character(const uint8_t *p, size_t n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t cp;
	size_t i, len;

	if (n == 0 || (p[0] >= 0x80 && p[0] < 0xc0) || p[0] >= 0xf8)
		return (0);
	len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len > n)
		return (0);
	cp = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return (0);
		cp = cp << 6 | (p[i] & 0x3f);
	}
	if (cp < least[len] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return (0);
	return (len);
}

static bool
obvious(struct slice s)
{
	size_t n;

	for (; s.n > 0; s = slice_from(s, n))
		if ((n = character(s.p, s.n)) == 0)
			return (false);
	return (true);
}

static void
all_sequences_of_two_and_many_longer_ones_agree(void **state)
{
	static const uint8_t edges[] = { 0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
		0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed,
		0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff };
	const unsigned n = nitems(edges);
	uint8_t t[4];
	unsigned i;

	(void)state;
	for (i = 0; i < 65536; i++) {
		t[0] = (uint8_t)(i >> 8);
		t[1] = (uint8_t)i;
		assert_row(utf8_valid(slice_of(t, 2)) ==
		    obvious(slice_of(t, 2)), slice_of(t, 2));
	}
	for (i = 0; i < n * n * n * n; i++) {
		t[0] = edges[i % n];
		t[1] = edges[i / n % n];
		t[2] = edges[i / n / n % n];
		t[3] = edges[i / n / n / n];
		assert_row(utf8_valid(slice_of(t, 4)) ==
		    obvious(slice_of(t, 4)), slice_of(t, 4));
	}
}

static void
every_code_point_is_encoded_and_valid(void **state)
{
	uint8_t out[4];
	uint32_t cp;
	size_t n;

	(void)state;
	for (cp = 0; cp <= 0x10ffff; cp++) {
		if (cp == 0xd800)
			cp = 0xe000;
		n = utf8_put(out, cp);
		assert_int_equal(character(out, n), n);
		if (!utf8_valid(slice_of(out, n)))
			fail();
	}
}

static void
pieces_are_judged_like_the_whole(void **state)
{
	static const struct slice rows[] = {
		SLICE("plain ascii, longer than eight bytes"),
		SLICE("12345678\xc3\xa9""12345678\xe2\x82\xac\xf0\x9f\x98\x80"),
		SLICE("1234567\xc3"), SLICE("\xe2\x82"),
		SLICE("12345678\xff""12345678"), SLICE("\xed\xa0\x80""1234567")
	};
	uint32_t s, whole;
	size_t i, k, j;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		whole = utf8_feed(UTF8_OK, rows[i]);
		for (k = 0; k <= rows[i].n; k++) {
			s = utf8_feed(UTF8_OK, slice_of(rows[i].p, k));
			s = utf8_feed(s, slice_from(rows[i], k));
			assert_int_equal(s, whole);
		}
		for (s = UTF8_OK, j = 0; j < rows[i].n; j++)
			s = utf8_feed(s, slice_of(rows[i].p + j, 1));
		assert_int_equal(s, whole);
		assert_int_equal(whole == UTF8_OK, obvious(rows[i]));
	}
	assert_true(utf8_feed(UTF8_BAD, SLICE("a")) == UTF8_BAD);
	assert_true(utf8_valid(slice_of(NULL, 0)));
}

static void
a_bad_byte_is_found_wherever_it_stands(void **state)
{
	uint8_t t[40];
	size_t n, i;

	(void)state;
	for (n = 1; n <= sizeof t; n++)
		for (i = 0; i < n; i++) {
			memset(t, 'a', n);
			assert_true(utf8_valid(slice_of(t, n)));
			t[i] = 0x80;
			assert_false(utf8_valid(slice_of(t, n)));
		}
}

static void
a_name_has_no_control_characters(void **state)
{
	uint8_t c;

	(void)state;
	assert_true(utf8_name(SLICE("")));
	assert_true(utf8_name(SLICE("a b\xc3\xa9\xc2\x85")));
	assert_false(utf8_name(SLICE("a\xff")));
	assert_false(utf8_name(SLICE("a\xef\xbf\xbd" "b")));
	assert_true(utf8_name(SLICE("\xef\xbf\xbc")));
	for (c = 0; c < 0x80; c++)
		assert_int_equal(utf8_name(slice_of(&c, 1)),
		    c >= 0x20 && c != 0x7f);
}

static void
what_is_cut_or_wrong_becomes_a_sign(void **state)
{
	static const struct {
		struct slice in, out;
	} rows[] = {
		{ SLICE(""), SLICE("") },
		{ SLICE("a\xc3\xa9z"), SLICE("a\xc3\xa9z") },
		{ SLICE("\xff" "a\xfe"), SLICE(SIGN "a" SIGN) },
		/* as long as it was right, it is one */
		{ SLICE("\xe2\x82"), SLICE(SIGN) },
		{ SLICE("\xf0\x9f\x98" "A"), SLICE(SIGN "A") },
		{ SLICE("\xf0\x9f\xc3\xa9"), SLICE(SIGN "\xc3\xa9") },
		{ SLICE("\xed\xa0\x80"), SLICE(SIGN SIGN SIGN) },
		{ SLICE("\xc0\x80"), SLICE(SIGN SIGN) },
		{ SLICE("\xe2\xe2\x82\xac"), SLICE(SIGN "\xe2\x82\xac") },
	};
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(rows); i++) {
		utf8_mend(&b, rows[i].in);
		assert_slices(buf_unread(&b), rows[i].out);
		assert_true(utf8_valid(buf_unread(&b)));
		buf_reset(&b);
	}
	buf_fini(&b);
}

static void
a_character_that_is_cut_is_left_out(void **state)
{
	static const struct slice rows[][2] = {
		{ SLICE(""), SLICE("") }, { SLICE("ab"), SLICE("ab") },
		{ SLICE("a\xc3"), SLICE("a") }, { SLICE("\xc3"), SLICE("") },
		{ SLICE("a\xc3\xa9"), SLICE("a\xc3\xa9") },
		{ SLICE("\xe2\x82"), SLICE("") },
		{ SLICE("\xe2\x82\xac"), SLICE("\xe2\x82\xac") },
		{ SLICE("\xf0\x9f\x98"), SLICE("") },
		{ SLICE("a\xf0\x9f"), SLICE("a") },
		{ SLICE("\xf0\x9f\x98\x80"), SLICE("\xf0\x9f\x98\x80") },
		{ SLICE("\xc3\xa9\xf0"), SLICE("\xc3\xa9") },
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		assert_int_equal(utf8_cut(rows[i][0]), rows[i][1].n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    all_sequences_of_two_and_many_longer_ones_agree),
		cmocka_unit_test(every_code_point_is_encoded_and_valid),
		cmocka_unit_test(pieces_are_judged_like_the_whole),
		cmocka_unit_test(a_bad_byte_is_found_wherever_it_stands),
		cmocka_unit_test(a_name_has_no_control_characters),
		cmocka_unit_test(what_is_cut_or_wrong_becomes_a_sign),
		cmocka_unit_test(a_character_that_is_cut_is_left_out),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
