/*
 * zlib's raw DEFLATE, a message at a time; see press_message.h.
 */
#include "base/press_message.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/press_int.h"

#define INFLATE_STEP	(16u << 10)	/* bytes of room at first */
#define INFLATE_STREAMS	1024u		/* in one message: each is work */

/* What ends a message, and is not sent: an empty stored block, but for its
 * first bits. */
static const uint8_t deflate_tail[] = { 0x00, 0x00, 0xff, 0xff };

static const struct {
	unsigned bits;
	int	 memory;	/* zlib's memLevel: a table of as many entries
				 * as a window has bytes is emptied for each
				 * message, so that it is no larger */
} deflate_windows[DEFLATE__MAX] = {
	[DEFLATE_4K] = { 12, 5 }, [DEFLATE_512] = { 9, 4 },
};

unsigned
deflate_bits(enum deflate_window w)
{
	return (deflate_windows[w].bits);
}

/* --- out ------------------------------------------------------------------ */

struct deflater {
	unsigned	 magic;
#define DEFLATER_MAGIC	0xdef1a7e0
	int		 level;
	struct {
		bool		 ready;
		z_stream	 z;
	} streams[DEFLATE__MAX];
};

struct deflater *
deflater_new(unsigned level)
{
	struct deflater *d = calloc(1, sizeof *d);

	MUST(level >= 1 && level <= 9);
	if (d == NULL)
		return (NULL);
	d->magic = DEFLATER_MAGIC;
	d->level = (int)level;
	return (d);
}

void
deflater_free(struct deflater **dp)
{
	struct deflater *d = *dp;
	unsigned w;

	if (d == NULL)
		return;
	CHECK_MAGIC(d, DEFLATER_MAGIC);
	*dp = NULL;
	for (w = 0; w < DEFLATE__MAX; w++)
		if (d->streams[w].ready)
			(void)deflateEnd(&d->streams[w].z);
	d->magic = 0;
	free(d);
}

/* NULL: no memory. */
static z_stream *
message_stream(struct deflater *d, enum deflate_window w)
{
	z_stream *z = &d->streams[w].z;

	MUST(w > DEFLATE_NONE && w < DEFLATE__MAX);
	if (d->streams[w].ready) {
		MUST(deflateReset(z) == Z_OK);
		return (z);
	}
	if (deflateInit2(z, d->level, Z_DEFLATED, -(int)deflate_bits(w),
	    deflate_windows[w].memory, Z_DEFAULT_STRATEGY) != Z_OK)
		return (NULL);
	d->streams[w].ready = true;
	return (z);
}

ssize_t
deflate_message(struct deflater *d, enum deflate_window w, struct slice in,
    uint8_t *out, size_t cap)
{
	z_stream *z;
	size_t n;

	CHECK_MAGIC(d, DEFLATER_MAGIC);
	if (in.n > PRESS_PIECE || cap > PRESS_PIECE)
		return (DEFLATE_FULL);
	z = message_stream(d, w);
	if (z == NULL)
		return (DEFLATE_MEMORY);
	z->next_in = (uint8_t *)(uintptr_t)in.p;
	z->avail_in = (uInt)in.n;
	z->next_out = out;
	z->avail_out = (uInt)cap;
	(void)deflate(z, Z_SYNC_FLUSH);
	/* the flush is done only where room is left */
	if (z->avail_in != 0 || z->avail_out == 0)
		return (DEFLATE_FULL);
	n = cap - z->avail_out;
	MUST(n > sizeof deflate_tail && memcmp(out + n - sizeof deflate_tail,
	    deflate_tail, sizeof deflate_tail) == 0);
	return ((ssize_t)(n - sizeof deflate_tail));
}

/* --- in ------------------------------------------------------------------- */

struct inflater {
	unsigned	 magic;
#define INFLATER_MAGIC	0x10f1a7e0
	z_stream	 z;
};

struct inflater *
inflater_new(void)
{
	struct inflater *f = calloc(1, sizeof *f);

	if (f == NULL)
		return (NULL);
	if (inflateInit2(&f->z, -15) != Z_OK) {
		free(f);
		return (NULL);
	}
	f->magic = INFLATER_MAGIC;
	return (f);
}

void
inflater_free(struct inflater **fp)
{
	struct inflater *f = *fp;

	if (f == NULL)
		return;
	CHECK_MAGIC(f, INFLATER_MAGIC);
	*fp = NULL;
	(void)inflateEnd(&f->z);
	f->magic = 0;
	free(f);
}

/*
 * Room for what comes next: as much again as is there, but for one byte more
 * than max, which tells that it is too much.
 */
static bool
message_room(struct buf *out, size_t max)
{
	size_t n = out->wpos < INFLATE_STEP ? INFLATE_STEP : out->wpos;

	if (n > max - out->wpos)
		n = max - out->wpos + 1;
	return (buf_reserve(out, n));
}

/* All that this input gives; *end: a stream ended behind its last byte. */
static enum inflated
message_run(struct inflater *f, struct slice in, size_t max, struct buf *out,
    unsigned *streams, bool *end)
{
	z_stream *z = &f->z;
	size_t room;
	int r;

	z->next_in = (uint8_t *)(uintptr_t)in.p;
	z->avail_in = (uInt)in.n;
	*end = false;
	for (;;) {
		if (out->wpos > max)
			return (INFLATE_TOO_BIG);
		if (!message_room(out, max))
			return (INFLATE_MEMORY);
		room = out->cap - out->wpos;
		if (room > max - out->wpos + 1)
			room = max - out->wpos + 1;
		z->next_out = out->data + out->wpos;
		z->avail_out = (uInt)room;
		r = inflate(z, Z_SYNC_FLUSH);
		out->wpos += room - z->avail_out;
		if (r == Z_STREAM_END) {
			if (++*streams > INFLATE_STREAMS)
				return (INFLATE_BAD);
			MUST(inflateReset(z) == Z_OK);
			if (z->avail_in == 0) {
				*end = true;
				return (out->wpos > max ? INFLATE_TOO_BIG :
				    INFLATED);
			}
		} else if (r == Z_MEM_ERROR) {
			return (INFLATE_MEMORY);
		} else if (r != Z_OK && r != Z_BUF_ERROR) {
			return (INFLATE_BAD);
		} else if (z->avail_out != 0) {
			return (out->wpos > max ? INFLATE_TOO_BIG :
			    z->avail_in != 0 ? INFLATE_BAD : INFLATED);
		}
	}
}

enum inflated
inflate_message(struct inflater *f, struct slice in, size_t max,
    struct buf *out)
{
	unsigned streams = 0;
	enum inflated r;
	bool end;

	CHECK_MAGIC(f, INFLATER_MAGIC);
	MUST(max < PRESS_PIECE);
	buf_reset(out);
	if (in.n > PRESS_PIECE)
		return (INFLATE_TOO_BIG);
	if (in.n == 0)		/* some do not spend a byte on nothing */
		return (INFLATED);
	MUST(inflateReset(&f->z) == Z_OK);
	r = message_run(f, in, max, out, &streams, &end);
	if (r != INFLATED || end)
		return (r);
	r = message_run(f, slice_of(deflate_tail, sizeof deflate_tail), max,
	    out, &streams, &end);
	/* it stands between two blocks, at the begin of a byte: bit 7 and the
	 * low ones of data_type */
	if (r == INFLATED && !end && (f->z.data_type & (128 | 7)) != 128)
		return (INFLATE_BAD);
	return (r);
}
