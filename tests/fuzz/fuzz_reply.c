/* Replies of Redis: the whole input and byte by byte give the same. */
#include "relay/redis/reply.h"

#include <inttypes.h>
#include <stdlib.h>

#include "proto/codec.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const struct reply_limits limits = { 4, 1000, 4096 };

static void
tell(struct buf *out, const struct reply *o, unsigned depth)
{
	size_t i;

	MUST(o->depth == depth && depth <= limits.depth);
	MUST(o->n <= limits.elements && o->text.n <= limits.bytes);
	buf_printf(out, "%d %" PRId64 " %zu(", (int)o->type, o->integer, o->n);
	buf_slice(out, o->text);
	for (i = 0; i < o->n; i++)
		tell(out, o->elements[i], depth + 1);
	buf_byte(out, ')');
}

static void
drain(struct reply_reader *r, struct buf *out, bool *bad)
{
	struct reply *o;
	int n;

	while ((n = reply_next(r, &o)) == 1) {
		tell(out, o, 0);
		reply_free(&o);
	}
	*bad = n == CODEC_BAD;
}

static void
read_in(struct slice in, size_t step, struct buf *out)
{
	struct reply_reader *r = reply_reader_new(&limits);
	bool bad = false;
	size_t n;

	MUST(r != NULL);
	while (in.n > 0 && !bad) {
		n = step < in.n ? step : in.n;
		bad = reply_feed(r, slice_of(in.p, n)) != 0;
		if (!bad)
			drain(r, out, &bad);
		in = slice_from(in, n);
	}
	if (bad)
		buf_str(out, "bad");
	reply_reader_free(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf whole, cut;

	/* beyond this it matters how much is held when the limit is looked at */
	if (n > 4096)
		return (0);
	buf_init(&whole);
	buf_init(&cut);
	read_in(slice_of(data, n), n, &whole);
	read_in(slice_of(data, n), 1, &cut);
	MUST(slice_eq(buf_unread(&whole), buf_unread(&cut)));
	buf_fini(&whole);
	buf_fini(&cut);
	return (0);
}
