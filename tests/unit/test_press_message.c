/* Messages compressed and back; what is none; bounds. */
#include "base/press_message.h"

#include "base/ascii.h"

#include <zlib.h>

#include "tests/lib/check.h"

#define BYTES	(100u << 10)

/* Words, so that there is something to gain; step: of how many kinds. */
static uint8_t *
text(size_t n, uint32_t kinds)
{
	uint8_t *p = malloc(n + 1);
	uint32_t x = 1;
	size_t i;

	assert_non_null(p);
	for (i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (uint8_t)('a' + (x >> 24) % kinds);
	}
	return (p);
}

/* zlib's own reader, with a window of so many bits and no more. */
static void
reads_back(struct slice packed, struct slice plain, int bits)
{
	static const uint8_t tail[] = { 0, 0, 0xff, 0xff };
	uint8_t *out = malloc(plain.n + 1);
	z_stream z = { .next_in = (uint8_t *)(uintptr_t)packed.p,
		.avail_in = (uInt)packed.n, .next_out = out,
		.avail_out = (uInt)plain.n + 1 };

	assert_non_null(out);
	assert_int_equal(inflateInit2(&z, -bits), Z_OK);
	assert_int_equal(inflate(&z, Z_SYNC_FLUSH), Z_OK);
	z.next_in = (uint8_t *)(uintptr_t)tail;
	z.avail_in = sizeof tail;
	(void)inflate(&z, Z_SYNC_FLUSH);
	assert_int_equal(z.avail_in, 0);
	assert_slices(slice_of(out, z.total_out), plain);
	(void)inflateEnd(&z);
	free(out);
}

static void
a_message_reads_back_with_its_window(void **state)
{
	static const size_t sizes[] = { 1, 2, 100, 511, 512, 513, 4095, 4096,
		4097, 20000, BYTES };
	static const int bits[] = { [DEFLATE_4K] = 12, [DEFLATE_512] = 9 };
	uint8_t *in = text(BYTES, 7), *out = malloc(BYTES + 1000);
	struct deflater *d = deflater_new(6);
	struct inflater *f = inflater_new();
	struct buf plain;
	unsigned w, i;
	ssize_t n;

	(void)state;
	assert_true(d != NULL && f != NULL && out != NULL);
	buf_init(&plain);
	for (w = DEFLATE_4K; w < DEFLATE__MAX; w++)
		for (i = 0; i < nitems(sizes); i++) {
			n = deflate_message(d, (enum deflate_window)w,
			    slice_of(in, sizes[i]), out, BYTES + 1000);
			assert_true(n > 0);
			reads_back(slice_of(out, (size_t)n),
			    slice_of(in, sizes[i]), bits[w]);
			assert_int_equal(inflate_message(f, slice_of(out,
			    (size_t)n), sizes[i], &plain), INFLATED);
			assert_slices(buf_unread(&plain),
			    slice_of(in, sizes[i]));
			assert_int_equal(inflate_message(f, slice_of(out,
			    (size_t)n), sizes[i] - 1, &plain),
			    INFLATE_TOO_BIG);
		}
	buf_fini(&plain);
	deflater_free(&d);
	inflater_free(&f);
	assert_null(d);
	free(in);
	free(out);
}

static void
what_does_not_fit_is_not_half_of_it(void **state)
{
	uint8_t *in = text(3000, 255), out[4000];
	struct deflater *d = deflater_new(1);
	size_t cap, least = 0;
	ssize_t n;

	(void)state;
	for (cap = 0; cap <= sizeof out; cap++) {
		n = deflate_message(d, DEFLATE_4K, slice_of(in, 3000), out,
		    cap);
		if (n == DEFLATE_FULL) {
			assert_int_equal(least, 0);
			continue;
		}
		assert_true(n > 0 && (size_t)n + 4 <= cap);
		least = cap;
		reads_back(slice_of(out, (size_t)n), slice_of(in, 3000), 15);
	}
	assert_true(least > 0);
	deflater_free(&d);
	free(in);
}

/* As hexadecimal digits. */
static enum inflated
inflates(struct inflater *f, const char *hex, size_t max, struct buf *out)
{
	uint8_t in[64], digits[2];
	size_t n = strlen(hex) / 2, i;

	for (i = 0; i < n; i++) {
		memcpy(digits, hex + 2 * i, 2);
		in[i] = (uint8_t)(ascii_hex(digits[0]) << 4 |
		    ascii_hex(digits[1]));
	}
	return (inflate_message(f, slice_of(in, n), max, out));
}

static void
every_form_of_a_message_is_read(void **state)
{
	/* RFC 7692, 7.2.3 */
	static const struct {
		const char *hex, *want;
	} rows[] = {
		{ "f248cdc9c90700", "Hello" },
		{ "000500faff48656c6c6f00", "Hello" },
		{ "f348cdc9c9070000", "Hello" },	/* BFINAL */
		{ "f348cdc9c90700", "Hello" },		/* ... alone */
		{ "f24805000000ffffcac9c90700", "Hello" },
		{ "f348cdc9c90700f248cdc9c90700", "HelloHello" },
		{ "00", "" }, { "0200", "" }, { "", "" },
		{ "0300", "" },				/* final, empty */
		{ "000000ffff000000ffff00", "" },
	};
	struct inflater *f = inflater_new();
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out);
	for (i = 0; i < nitems(rows); i++) {
		assert_row(inflates(f, rows[i].hex, 20, &out) == INFLATED,
		    slice_str(rows[i].hex));
		assert_slices(buf_unread(&out), slice_str(rows[i].want));
	}
	buf_fini(&out);
	inflater_free(&f);
}

static void
what_is_no_message_is_bad(void **state)
{
	static const char *const rows[] = {
		"ff", "ffffffff", "07", "f248cdc9", "f2", "000500faff4865",
		"000500fbff48656c6c6f00",	/* a wrong complement */
		"02130000",			/* farther back than all */
		"f348cdc9c90700ff",
	};
	struct inflater *f = inflater_new();
	struct buf out;
	uint8_t ends[4096];
	size_t i;

	(void)state;
	buf_init(&out);
	for (i = 0; i < nitems(rows); i++)
		assert_row(inflates(f, rows[i], 100, &out) == INFLATE_BAD,
		    slice_str(rows[i]));
	/* thousands of streams in one message are work, and nothing else */
	for (i = 0; i < sizeof ends; i += 2) {
		ends[i] = 0x03;
		ends[i + 1] = 0x00;
	}
	assert_int_equal(inflate_message(f, slice_of(ends, sizeof ends), 100,
	    &out), INFLATE_BAD);
	assert_int_equal(inflate_message(f, slice_of(ends, 100), 100, &out),
	    INFLATED);
	/* none of it is kept for the next one */
	assert_int_equal(inflates(f, "f248cdc9c90700", 5, &out), INFLATED);
	buf_fini(&out);
	inflater_free(&f);
}

static void
a_bomb_takes_no_more_memory_than_it_may(void **state)
{
	size_t n = 10u << 20, max = 50000;
	uint8_t *in = calloc(1, n), *out = malloc(n);
	struct deflater *d = deflater_new(9);
	struct inflater *f = inflater_new();
	struct buf plain;
	ssize_t len;

	(void)state;
	assert_true(in != NULL && out != NULL);
	buf_init(&plain);
	len = deflate_message(d, DEFLATE_4K, slice_of(in, n), out, n);
	assert_true(len > 0);
	assert_int_equal(inflate_message(f, slice_of(out, (size_t)len), max,
	    &plain), INFLATE_TOO_BIG);
	assert_true(plain.cap <= 2 * max);
	buf_fini(&plain);
	deflater_free(&d);
	inflater_free(&f);
	free(in);
	free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_reads_back_with_its_window),
		cmocka_unit_test(what_does_not_fit_is_not_half_of_it),
		cmocka_unit_test(every_form_of_a_message_is_read),
		cmocka_unit_test(what_is_no_message_is_bad),
		cmocka_unit_test(a_bomb_takes_no_more_memory_than_it_may),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
