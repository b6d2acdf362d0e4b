/*
 * Frames: the first two bytes say how the rest is cut; the events must be
 * those of the whole.  Odd: the frames come unmasked and well-formed headers
 * are made of them, so that the interesting bytes are easier to reach.  With the
 * next bit messages may be compressed, and some are.
 */
#include <stdlib.h>

#include "tests/lib/ws_reader.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define LIMIT	9000
#define FRAMES	8

static void
read_cut(struct ws_reader *r, struct slice in, bool deflate, size_t head,
    size_t step)
{
	size_t n = head;

	ws_reader_init(r, LIMIT, FRAMES);
	r->lim.deflate = deflate;
	for (; in.n > 0 && !r->over; in = slice_from(in, n), n = step) {
		if (n > in.n)
			n = in.n;
		ws_reader_feed(r, slice_of(in.p, n));
	}
	MUST(r->kept_max < WS_TAIL_MAX);
}

/* Pairs of first byte and length, each with so many bytes of the rest. */
static void
make_frames(struct slice in, uint8_t mask, struct buf *b)
{
	size_t n;

	while (in.n >= 2) {
		n = in.p[1];
		if (n >= 0xf0)	/* a few long ones */
			n = (n - 0xef) * 600;
		if (n > in.n - 2)
			n = in.n - 2;
		ws_put_frame(b, in.p[0] & mask, slice_of(in.p + 2, n));
		in = slice_from(in, 2 + n);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct ws_reader a, b;
	struct buf made;
	struct slice in;
	bool deflate;

	if (n < 2)
		return (0);
	deflate = data[0] & 2;
	in = slice_of(data + 2, n - 2);
	buf_init(&made);
	if (data[0] & 1) {
		make_frames(in, deflate ? 0xcf : 0x8f, &made);
		in = buf_unread(&made);
	}
	read_cut(&a, in, deflate, in.n, 1);
	read_cut(&b, in, deflate, data[0] + 1u, data[1] + 1u);
	MUST(slice_eq(buf_unread(&a.events), buf_unread(&b.events)));
	ws_reader_fini(&a);
	ws_reader_fini(&b);
	buf_fini(&made);
	return (0);
}
