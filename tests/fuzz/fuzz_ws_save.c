/*
 * Decoders that go on in another process.  The first byte odd: the rest is a
 * stream, moved as the second byte says; the events must be those of one that
 * stayed.  Even: the rest is loaded, but for so many bytes at its end as the
 * second byte says; what loads must save as what loads, and read these bytes as
 * that does.
 */
#include "tests/lib/ws_reader.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define LIMIT	9000
#define FRAMES	8

static void
go_on(struct ws_reader *r, struct slice in, size_t step, bool move)
{
	size_t n;

	while (in.n > 0 && !r->over) {
		n = step < in.n ? step : in.n;
		ws_reader_feed(r, slice_of(in.p, n));
		in = slice_from(in, n);
		if (move && !r->over)
			ws_reader_move(r);
	}
}

/* Pairs of first byte and length, each with so many bytes of the rest. */
static void
make_frames(struct slice in, struct buf *b)
{
	size_t n;

	while (in.n >= 2) {
		n = in.p[1];
		if (n >= 0xf0)	/* a few long ones */
			n = (n - 0xef) * 600;
		if (n > in.n - 2)
			n = in.n - 2;
		ws_put_frame(b, in.p[0] & 0xcf, slice_of(in.p + 2, n));
		in = slice_from(in, 2 + n);
	}
}

static void
streams(struct slice in, size_t step)
{
	struct ws_reader a, b;
	struct buf made;

	buf_init(&made);
	make_frames(in, &made);
	ws_reader_init(&a, LIMIT, FRAMES);
	ws_reader_init(&b, LIMIT, FRAMES);
	a.lim.deflate = b.lim.deflate = true;
	go_on(&a, buf_unread(&made), step, false);
	go_on(&b, buf_unread(&made), step, true);
	MUST(slice_eq(buf_unread(&a.events), buf_unread(&b.events)));
	ws_reader_fini(&a);
	ws_reader_fini(&b);
	buf_fini(&made);
}

static void
loads(struct slice saved, struct slice rest)
{
	struct state_in in = state_in(saved);
	struct ws_reader a, b;

	ws_reader_init(&a, LIMIT, FRAMES);
	ws_reader_init(&b, LIMIT, FRAMES);
	a.lim.deflate = b.lim.deflate = true;
	if (ws_load(&a.ws, a.pool, &in)) {
		in = state_in(saved);
		MUST(ws_load(&b.ws, b.pool, &in));
		ws_reader_move(&b);
		go_on(&a, rest, rest.n, false);
		go_on(&b, rest, rest.n, true);
		MUST(slice_eq(buf_unread(&a.events), buf_unread(&b.events)));
	} else {
		MUST(a.ws.slow == NULL && ws_pool_lent(a.pool) == 0);
	}
	ws_reader_fini(&a);
	ws_reader_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	size_t at;

	if (n < 2)
		return (0);
	if (data[0] & 1) {
		streams(slice_of(data + 2, n - 2), data[1] + 1u);
		return (0);
	}
	at = data[1] < n - 2 ? data[1] : n - 2;
	loads(slice_of(data + 2, n - 2 - at),
	    slice_of(data + n - at, at));
	return (0);
}
