/*
 * Bytes as a compressed message: it is refused, or what it says fits the bound,
 * and compressed again reads back.  The first byte says how large it may be;
 * the rest as it is, compressed, reads back too.
 */
#include "base/press_message.h"

#include <stdlib.h>

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
reads_back(struct deflater *d, struct inflater *f, enum deflate_window w,
    struct slice plain)
{
	size_t cap = plain.n + plain.n / 4 + 64;
	uint8_t *out = malloc(cap);
	struct buf again;
	ssize_t n;

	MUST(out != NULL);
	buf_init(&again);
	n = deflate_message(d, w, plain, out, cap);
	MUST(n >= 0);
	MUST(inflate_message(f, slice_of(out, (size_t)n), plain.n, &again) ==
	    INFLATED);
	MUST(slice_eq(buf_unread(&again), plain));
	buf_fini(&again);
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct deflater *d;
	struct inflater *f;
	struct buf plain;
	struct slice in;
	size_t max;

	if (n < 1)
		return (0);
	max = (size_t)data[0] * 64;
	in = slice_of(data + 1, n - 1);
	d = deflater_new(1u + data[0] % 9);
	f = inflater_new();
	MUST(d != NULL && f != NULL);
	buf_init(&plain);
	if (inflate_message(f, in, max, &plain) == INFLATED) {
		MUST(plain.wpos <= max);
		reads_back(d, f, DEFLATE_4K, buf_unread(&plain));
	}
	reads_back(d, f, data[0] & 1 ? DEFLATE_4K : DEFLATE_512, in);
	buf_fini(&plain);
	deflater_free(&d);
	inflater_free(&f);
	return (0);
}
