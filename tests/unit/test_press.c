/* Bodies compressed, read back by zlib's own reader of both formats. */
#include "base/press.h"

#include <zlib.h>

#include "tests/lib/check.h"

#define BYTES	(300u << 10)

/* Whole, or the test fails. */
static void
reads_back(enum press_format format, struct slice packed, struct slice plain)
{
	uint8_t *out = malloc(plain.n + 1);
	z_stream z = { .next_in = (uint8_t *)(uintptr_t)packed.p,
		.avail_in = (uInt)packed.n, .next_out = out,
		.avail_out = (uInt)plain.n + 1 };

	assert_non_null(out);
	assert_int_equal(inflateInit2(&z, 15 + (format == PRESS_GZIP ? 16 : 0)),
	    Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	assert_int_equal(z.total_out, plain.n);
	assert_memory_equal(out, plain.p, plain.n);
	(void)inflateEnd(&z);
	free(out);
}

/* Words, so that there is something to gain. */
static uint8_t *
text(size_t n)
{
	uint8_t *p = malloc(n);
	uint32_t x = 1;
	size_t i;

	assert_non_null(p);
	for (i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (uint8_t)('a' + (x >> 24 & 7));
	}
	return (p);
}

static void
both_formats_read_back_whatever_the_pieces(void **state)
{
	static const size_t pieces[] = { 1, 7, 1000, BYTES };
	uint8_t *in = text(BYTES), *out = malloc(BYTES);
	struct press *p = press_new(3);
	size_t i, at, n;
	ssize_t len;
	int f;

	(void)state;
	assert_true(p != NULL && out != NULL);
	for (f = PRESS_GZIP; f <= PRESS_ZLIB; f++)
		for (i = 0; i < nitems(pieces); i++) {
			press_start(p, (enum press_format)f, out, BYTES);
			for (at = 0; at < BYTES; at += n) {
				n = pieces[i] < BYTES - at ? pieces[i] :
				    BYTES - at;
				assert_true(press_add(p, slice_of(in + at, n)));
			}
			len = press_end(p);
			assert_true(len > 0 && (size_t)len < BYTES / 2);
			reads_back((enum press_format)f,
			    slice_of(out, (size_t)len), slice_of(in, BYTES));
		}
	press_free(&p);
	assert_null(p);
	free(in);
	free(out);
}

static void
what_does_not_fit_is_said_and_the_next_one_is_whole(void **state)
{
	uint8_t out[200], noise[200];
	struct press *p = press_new(3);
	struct slice s = SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	ssize_t len;
	size_t i, n;
	uint32_t x = 1;

	(void)state;
	assert_non_null(p);
	for (i = 0; i < sizeof noise; i++) {
		x = x * 1664525 + 1013904223;
		noise[i] = (uint8_t)(x >> 24);
	}
	for (n = 0; n <= sizeof noise; n++) {	/* never smaller */
		press_start(p, PRESS_GZIP, out, n);
		(void)press_add(p, slice_of(noise, sizeof noise));
		assert_int_equal(press_end(p), -1);
	}
	press_start(p, PRESS_ZLIB, out, sizeof out);
	assert_true(press_add(p, s));
	len = press_end(p);
	assert_true(len > 0);
	reads_back(PRESS_ZLIB, slice_of(out, (size_t)len), s);
	for (n = 0; n < (size_t)len; n++) {	/* at each byte */
		press_start(p, PRESS_ZLIB, out, n);
		(void)press_add(p, s);
		assert_int_equal(press_end(p), -1);
	}
	press_free(&p);
	press_free(&p);
}

static void
nothing_at_all_is_a_body_too(void **state)
{
	struct press *p = press_new(9);
	uint8_t out[64];
	ssize_t len;

	(void)state;
	assert_non_null(p);
	press_start(p, PRESS_GZIP, out, sizeof out);
	len = press_end(p);
	assert_int_equal(len, 20);
	reads_back(PRESS_GZIP, slice_of(out, (size_t)len), SLICE(""));
	press_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_formats_read_back_whatever_the_pieces),
		cmocka_unit_test(
		    what_does_not_fit_is_said_and_the_next_one_is_whole),
		cmocka_unit_test(nothing_at_all_is_a_body_too),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
