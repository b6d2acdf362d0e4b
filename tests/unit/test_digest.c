/* Digests against published values; base64 both ways and strict. */
#include "base/digest.h"

#include "tests/lib/check.h"

static void
assert_hex(const uint8_t *p, size_t n, const char *want)
{
	struct buf b;
	size_t i;

	buf_init(&b);
	for (i = 0; i < n; i++)
		buf_printf(&b, "%02x", p[i]);
	assert_text(buf_unread(&b), want);
	buf_fini(&b);
}

static void
digests_are_the_published_ones(void **state)
{
	uint8_t out[32];

	(void)state;
	digest_sha1(SLICE("abc"), out);
	assert_hex(out, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
	digest_sha1(slice_of(NULL, 0), out);
	assert_hex(out, 20, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
	digest_sha256(SLICE("abc"), out);
	assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223"
			    "b00361a396177a9cb410ff61f20015ad");
}

static void
hmac_is_the_published_one(void **state)
{
	static const uint8_t filler[131] = { [0 ... 130] = 0xaa };
	const struct slice parts[] = { SLICE("what do ya "), SLICE(""),
		SLICE("want for nothing?") };
	const struct slice one = SLICE(
	    "Test Using Larger Than Block-Size Key - Hash Key First");
	uint8_t out[32];

	(void)state;
	/* RFC 4231, 4.3 and 4.7 */
	digest_hmac_sha256(SLICE("Jefe"), parts, nitems(parts), out);
	assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c7"
			    "5a003f089d2739839dec58b964ec3843");
	digest_hmac_sha256(slice_of(filler, sizeof filler), &one, 1, out);
	assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f"
			    "8e0bc6213728c5140546040f0ee37f54");
}

static void
equal_means_same_length_and_bytes(void **state)
{
	(void)state;
	assert_true(digest_equal(SLICE("abc"), SLICE("abc")));
	assert_true(digest_equal(SLICE(""), SLICE("")));
	assert_false(digest_equal(SLICE("abc"), SLICE("abd")));
	assert_false(digest_equal(SLICE("abc"), SLICE("ab")));
	assert_false(digest_equal(SLICE("abc"), SLICE("")));
}

static void
base64_has_the_values_of_the_rfc(void **state)
{
	static const struct {
		struct slice plain;
		const char *text;
	} rows[] = {
		{ SLICE(""), "" }, { SLICE("f"), "Zg==" },
		{ SLICE("fo"), "Zm8=" }, { SLICE("foo"), "Zm9v" },
		{ SLICE("foob"), "Zm9vYg==" }, { SLICE("fooba"), "Zm9vYmE=" },
		{ SLICE("foobar"), "Zm9vYmFy" },
		{ SLICE("\xfb\xff\xfe"), "+//+" }
	};
	uint8_t out[16];
	ssize_t n;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_text(slice_of(out, digest_base64_encode(rows[i].plain,
		    out)), rows[i].text);
		n = digest_base64_decode(slice_str(rows[i].text), out);
		assert_true(n >= 0);
		assert_slices(slice_of(out, (size_t)n), rows[i].plain);
	}
	assert_text(slice_of(out, digest_base64url_encode(
	    SLICE("\xfb\xff\xfe\xff"), out)), "-__-_w");
}

static void
every_length_survives_both_alphabets(void **state)
{
	uint8_t plain[64], text[96], back[64];
	size_t n, i;

	(void)state;
	for (i = 0; i < sizeof plain; i++)
		plain[i] = (uint8_t)(i * 37 + 251);
	for (n = 0; n <= sizeof plain - 2; n++) {
		struct slice s = slice_of(plain, n);

		i = digest_base64_encode(s, text);
		assert_int_equal(i, 4 * ((n + 2) / 3));
		assert_int_equal(digest_base64_decode(slice_of(text, i), back),
		    n);
		assert_memory_equal(back, plain, n);
		i = digest_base64url_encode(s, text);
		assert_int_equal(digest_base64url_decode(slice_of(text, i),
		    back), n);
		assert_memory_equal(back, plain, n);
	}
}

static void
sloppy_base64_is_refused(void **state)
{
	static const struct slice std[] = { SLICE("Z"), SLICE("Zg"),
		SLICE("Zg="), SLICE("Zh=="), SLICE("Zm9="), SLICE("===="),
		SLICE("Z==="), SLICE("Zg==Zg=="), SLICE("Zm9v\n"),
		SLICE("Zm 9"), SLICE("-_-_"), SLICE("Zm9\0"), SLICE("!!!!"),
		SLICE("=Zm9"), SLICE("Zm=v") };
	static const struct slice url[] = { SLICE("Z"), SLICE("Zg=="),
		SLICE("Zh"), SLICE("Zm9"), SLICE("+/+/"), SLICE("Zm9vY") };
	uint8_t out[16];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(std); i++)
		assert_row(digest_base64_decode(std[i], out) == -1, std[i]);
	for (i = 0; i < nitems(url); i++)
		assert_row(digest_base64url_decode(url[i], out) == -1, url[i]);
}

/* Android's encoder breaks lines; some forget the padding. */
/* Each byte at a place of its own, against the alphabet itself. */
static void
each_byte_is_a_digit_or_refused(void **state)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789";
	uint8_t text[4] = "AAAA", out[3];
	const char *p;
	unsigned c, v;

	(void)state;
	for (c = 0; c < 256; c++) {
		text[3] = (uint8_t)c;
		p = c == 0 ? NULL : strchr(letters, (int)c);
		v = p != NULL ? (unsigned)(p - letters) : c == '+' ? 62 :
		    c == '/' ? 63 : 64;
		assert_int_equal(digest_base64_decode(slice_of(text,
		    c == '=' ? 3 : 4), out), v == 64 ? -1 : 3);
		assert_true(v == 64 || out[2] == v);
		v = p != NULL ? (unsigned)(p - letters) : c == '-' ? 62 :
		    c == '_' ? 63 : 64;
		assert_int_equal(digest_base64url_decode(slice_of(text, 4),
		    out), v == 64 ? -1 : 3);
		assert_true(v == 64 || out[2] == v);
	}
}

static void
base64_of_clients_is_understood(void **state)
{
	static const struct slice foobar[] = { SLICE("Zm9vYmFy"),
		SLICE("Zm9vYmFy\n"), SLICE("Zm9v\r\nYmFy\r\n"),
		SLICE(" Z m\t9vYmFy") };
	static const struct slice fo[] = { SLICE("Zm8="), SLICE("Zm8"),
		SLICE("Zm8=\n"), SLICE("Zm8 ="), SLICE("Z\nm8=\n") };
	static const struct slice f[] = { SLICE("Zg=="), SLICE("Zg="),
		SLICE("Zg"), SLICE("Zg=\n=") };
	static const struct slice none[] = { SLICE(""), SLICE("\n"),
		SLICE(" ") };
	static const struct slice bad[] = { SLICE("A"), SLICE("!!!!"),
		SLICE("Zm9vA"), SLICE("="), SLICE("===="), SLICE("Zg==="),
		SLICE("Zm8=="), SLICE("Zm9v="), SLICE("Zg==Zg=="),
		SLICE("=Zm9"), SLICE("Zm=v"), SLICE("Zm9\0"),
		SLICE("-_-_"), SLICE("Zm9v\x1e") };
	const struct {
		const struct slice *rows;
		size_t		 n;
		const char	*want;
	} sets[] = { { foobar, nitems(foobar), "foobar" },
		{ fo, nitems(fo), "fo" }, { f, nitems(f), "f" },
		{ none, nitems(none), "" } };
	uint8_t out[16];
	ssize_t n;
	size_t i, j;

	(void)state;
	for (i = 0; i < nitems(sets); i++)
		for (j = 0; j < sets[i].n; j++) {
			memcpy(out, sets[i].rows[j].p, sets[i].rows[j].n);
			n = digest_base64_decode_loose(
			    slice_of(out, sets[i].rows[j].n), out);
			assert_row(n >= 0, sets[i].rows[j]);
			assert_text(slice_of(out, (size_t)n), sets[i].want);
		}
	for (i = 0; i < nitems(bad); i++)
		assert_row(digest_base64_decode_loose(bad[i], out) == -1,
		    bad[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_the_published_ones),
		cmocka_unit_test(hmac_is_the_published_one),
		cmocka_unit_test(equal_means_same_length_and_bytes),
		cmocka_unit_test(base64_has_the_values_of_the_rfc),
		cmocka_unit_test(every_length_survives_both_alphabets),
		cmocka_unit_test(sloppy_base64_is_refused),
		cmocka_unit_test(each_byte_is_a_digit_or_refused),
		cmocka_unit_test(base64_of_clients_is_understood),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
