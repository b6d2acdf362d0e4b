/*
 * zlib's raw DEFLATE with the heads and sums of both formats around it, so
 * that one stream serves both; see press.h.
 */
#include "base/press.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/press_int.h"

#define PRESS_WINDOW	15	/* bits: 32 KiB, the most */
#define PRESS_MEMORY	8	/* zlib's memLevel: its default */

struct press {
	unsigned	 magic;
#define PRESS_MAGIC	0x93e55001
	enum press_format format;
	bool		 full;		/* something did not fit */
	z_stream	 z;		/* next_out, avail_out: the caller's */
	uint8_t		*out;
	uLong		 sum;		/* CRC-32 or Adler-32 of what came */
	uint32_t	 n;		/* bytes that came, modulo 2^32 */
};

struct press *
press_new(int level)
{
	struct press *p;

	p = calloc(1, sizeof *p);
	if (p == NULL)
		return (NULL);
	p->magic = PRESS_MAGIC;
	if (deflateInit2(&p->z, level, Z_DEFLATED, -PRESS_WINDOW, PRESS_MEMORY,
	    Z_DEFAULT_STRATEGY) != Z_OK) {
		free(p);
		return (NULL);
	}
	return (p);
}

void
press_free(struct press **pp)
{
	struct press *p = *pp;

	if (p == NULL)
		return;
	*pp = NULL;
	CHECK_MAGIC(p, PRESS_MAGIC);
	(void)deflateEnd(&p->z);
	p->magic = 0;
	free(p);
}

/* Bytes of the format itself, around what zlib makes. */
static void
press_put(struct press *p, const uint8_t *bytes, size_t n)
{
	if (p->full || p->z.avail_out < n) {
		p->full = true;
		return;
	}
	memcpy(p->z.next_out, bytes, n);
	p->z.next_out += n;
	p->z.avail_out -= (uInt)n;
}

static void
press_run(struct press *p, int flush)
{
	int r = Z_OK;

	while (!p->full && r != Z_STREAM_END &&
	    (p->z.avail_in > 0 || flush == Z_FINISH)) {
		if (p->z.avail_out == 0) {
			p->full = true;
			break;
		}
		r = deflate(&p->z, flush);
		MUST(r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR);
	}
}

void
press_start(struct press *p, enum press_format format, uint8_t *out, size_t n)
{
	/* no name, no time, unix (RFC 1952, 2.3.1) */
	static const uint8_t gzip[] = { 0x1f, 0x8b, Z_DEFLATED, 0,
		0, 0, 0, 0, 0, 3 };
	/* 32 KiB window; the sum makes it a multiple of 31 (RFC 1950, 2.2) */
	static const uint8_t zlib[] = { 0x78, 0x01 };

	CHECK_MAGIC(p, PRESS_MAGIC);
	MUST(deflateReset(&p->z) == Z_OK);
	p->format = format;
	p->full = false;
	p->n = 0;
	p->out = p->z.next_out = out;
	p->z.avail_out = n > PRESS_PIECE ? PRESS_PIECE : (uInt)n;
	p->z.avail_in = 0;
	if (format == PRESS_GZIP) {
		p->sum = crc32(0, NULL, 0);
		press_put(p, gzip, sizeof gzip);
	} else {
		p->sum = adler32(0, NULL, 0);
		press_put(p, zlib, sizeof zlib);
	}
}

bool
press_add(struct press *p, struct slice s)
{
	uInt n;

	CHECK_MAGIC(p, PRESS_MAGIC);
	while (s.n > 0 && !p->full) {
		n = s.n > PRESS_PIECE ? PRESS_PIECE : (uInt)s.n;
		p->sum = p->format == PRESS_GZIP ? crc32(p->sum, s.p, n) :
		    adler32(p->sum, s.p, n);
		p->n += n;
		p->z.next_in = (uint8_t *)(uintptr_t)s.p;
		p->z.avail_in = n;
		press_run(p, Z_NO_FLUSH);
		s = slice_from(s, n);
	}
	return (!p->full);
}

ssize_t
press_end(struct press *p)
{
	uint8_t tail[8];
	unsigned i;

	CHECK_MAGIC(p, PRESS_MAGIC);
	press_run(p, Z_FINISH);
	for (i = 0; i < 4; i++) {	/* little-endian, and big-endian */
		if (p->format == PRESS_GZIP) {
			tail[i] = (uint8_t)(p->sum >> 8 * i);
			tail[4 + i] = (uint8_t)(p->n >> 8 * i);
		} else
			tail[i] = (uint8_t)(p->sum >> 8 * (3 - i));
	}
	press_put(p, tail, p->format == PRESS_GZIP ? 8 : 4);
	return (p->full ? -1 : (ssize_t)(p->z.next_out - p->out));
}
