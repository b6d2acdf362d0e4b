/*
 * roostctl's words for lines of the log, and what it makes by itself: tokens,
 * hashes, keys.
 */
#include "tools/roostctl/mint.h"
#include "tools/roostctl/words.h"

#include "tests/lib/check.h"

static struct buf out;

static const char *
words(char level, const char *line)
{
	buf_reset(&out);
	words_put(&out, level, slice_str(line));
	buf_byte(&out, '\0');
	return ((const char *)out.data);
}

static void
lines_are_told_in_plain_words(void **state)
{
	(void)state;
	assert_string_equal(words('e', "config_bad what=\"/etc/roost.conf:3: "
	    "unknown directive 'x'\""),
	    "/etc/roost.conf:3: unknown directive 'x'\n");
	assert_string_equal(words('e', "config_refused at=\"/r.conf:9\" "
	    "what=\"shm: users\" why=\"takes effect with a new start only\""),
	    "/r.conf:9: shm: users: takes effect with a new start only\n");
	assert_string_equal(words('i', "config_changed what=\"workers\" "
	    "before=\"1\" after=\"2\""), "changed workers: 1 -> 2\n");
	assert_string_equal(words('i', "config_changed what=\"secret\""),
	    "changed secret\n");
	assert_string_equal(words('i', "reloaded config=\"x\" ms=3"), "");
	assert_string_equal(words('w', "odd thing=1"), "odd thing=1\n");
	assert_string_equal(words('e', "config_badly what=1"),
	    "config_badly what=1\n");
	assert_string_equal(words('e', "reload_failed config=\"x\""), "");
}

static void
a_value_is_found_by_its_key(void **state)
{
	struct slice line = SLICE("event a=1 b=\"c=2 d\" cc=3 c=4"), v;

	(void)state;
	assert_true(words_value(line, "a", &v));
	assert_slices(v, SLICE("1"));
	assert_true(words_value(line, "b", &v));
	assert_slices(v, SLICE("c=2 d"));
	assert_true(words_value(line, "c", &v));
	assert_slices(v, SLICE("4"));
	assert_false(words_value(line, "d", &v));
	assert_false(words_value(SLICE("event a="), "b", &v));
	assert_true(words_value(SLICE("a="), "a", &v) || v.n == 0);
}

static void
hashes_and_keys(void **state)
{
	struct buf a, b;

	(void)state;
	buf_reset(&out);
	mint_hash(&out, SLICE("abc"));
	assert_slices(buf_unread(&out), SLICE("ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad"));
	buf_init(&a);
	buf_init(&b);
	assert_true(mint_key(&a) && mint_key(&b));
	assert_int_equal(a.wpos, 43);
	assert_false(slice_eq(buf_unread(&a), buf_unread(&b)));
	buf_fini(&a);
	buf_fini(&b);
}

static void
claims_have_to_be_an_object(void **state)
{
	static const char *const bad[] = { "[]", "1", "{", "{} x", "null" };
	struct mint_token t = { .secret = SLICE("s"), .user = "u" };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(bad); i++) {
		t.claims = slice_str(bad[i]);
		buf_reset(&out);
		assert_false(mint_token(&out, &t));
	}
	t.claims = SLICE(" { } ");
	buf_reset(&out);
	assert_true(mint_token(&out, &t));
}

static void
a_token_is_what_it_should_be(void **state)
{
	static char a[] = "a", b[] = "b\"";
	char *roles[] = { a, b };
	struct mint_token t = { .secret = SLICE("0123456789abcdef0123456789"
	    "abcdef"), .user = "al", .roles = roles, .nroles = 2, .now_s = 10,
	    .seconds = 5, .claims = SLICE("{\"x\":1}") };

	(void)state;
	buf_reset(&out);
	assert_true(mint_token(&out, &t));
	/* {"sub":"al","iat":10,"exp":15,"roles":["a","b\""],"x":1} */
	assert_slices(buf_unread(&out), SLICE(
	    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
	    "eyJzdWIiOiJhbCIsImlhdCI6MTAsImV4cCI6MTUsInJvbGVzIjpbImEiLCJiXCIi"
	    "XSwieCI6MX0."
	    "_lhSEL5b_HW1EUmZRdBiLTpoe2bf8BFFuAEM_DcXxPM"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_told_in_plain_words),
		cmocka_unit_test(a_value_is_found_by_its_key),
		cmocka_unit_test(hashes_and_keys),
		cmocka_unit_test(claims_have_to_be_an_object),
		cmocka_unit_test(a_token_is_what_it_should_be),
	};

	buf_init(&out);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
