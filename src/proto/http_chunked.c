/*
 * Chunked bodies (RFC 9112 section 7.1); see http.h.  A machine of bytes for
 * the frame around the data; the data itself is passed on where it lies.
 */
#include "proto/http_int.h"

#include "base/ascii.h"

enum chunked_state {
	CHUNK_SIZE,		/* hexadecimal digits */
	CHUNK_EXTENSION,	/* anything up to CR */
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER_START,	/* a trailer field or the last CRLF */
	CHUNK_TRAILER,
	CHUNK_TRAILER_LF,
	CHUNK_END_LF,
	CHUNK_END
};

#define CHUNK_DIGITS_MAX	15	/* 60 bits: sums cannot overflow */
#define CHUNK_OVERHEAD_MAX	8192	/* extensions and trailers together */

/* A byte that means nothing to us but must be text. */
static bool
chunk_skip(struct http_chunked *c, uint8_t byte)
{
	if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
		return (false);
	return (++c->overhead <= CHUNK_OVERHEAD_MAX);
}

static bool
chunk_size(struct http_chunked *c, uint8_t byte)
{
	int v = ascii_hex(byte);

	if (v >= 0) {
		c->left = c->left << 4 | (uint64_t)v;
		return (++c->digits <= CHUNK_DIGITS_MAX);
	}
	if (c->digits == 0)
		return (false);
	if (byte == '\r') {
		c->state = CHUNK_SIZE_LF;
		return (true);
	}
	c->state = CHUNK_EXTENSION;
	return ((byte == ';' || ascii_blank(byte)) && chunk_skip(c, byte));
}

/* One byte that must be what is expected, then the next state. */
static bool
chunk_want(struct http_chunked *c, uint8_t byte, uint8_t want,
    enum chunked_state next)
{
	c->state = (uint8_t)next;
	return (byte == want);
}

/* Text up to CR. */
static bool
chunk_text(struct http_chunked *c, uint8_t byte, enum chunked_state behind)
{
	if (byte == '\r') {
		c->state = (uint8_t)behind;
		return (true);
	}
	return (chunk_skip(c, byte));
}

/* Behind the size line: data, or the trailer when the size was 0. */
static bool
chunk_size_lf(struct http_chunked *c, uint8_t byte)
{
	c->digits = 0;
	return (chunk_want(c, byte, '\n',
	    c->left > 0 ? CHUNK_DATA : CHUNK_TRAILER_START));
}

static bool
chunk_trailer_start(struct http_chunked *c, uint8_t byte)
{
	if (byte == '\r') {
		c->state = CHUNK_END_LF;
		return (true);
	}
	c->state = CHUNK_TRAILER;
	return (http_tchars[byte] && chunk_skip(c, byte));
}

/* One byte of the frame around the data. */
static bool
chunk_byte(struct http_chunked *c, uint8_t byte)
{
	switch ((enum chunked_state)c->state) {
	case CHUNK_SIZE:
		return (chunk_size(c, byte));
	case CHUNK_EXTENSION:
		return (chunk_text(c, byte, CHUNK_SIZE_LF));
	case CHUNK_SIZE_LF:
		return (chunk_size_lf(c, byte));
	case CHUNK_DATA_CR:
		return (chunk_want(c, byte, '\r', CHUNK_DATA_LF));
	case CHUNK_DATA_LF:
		return (chunk_want(c, byte, '\n', CHUNK_SIZE));
	case CHUNK_TRAILER_START:
		return (chunk_trailer_start(c, byte));
	case CHUNK_TRAILER:
		return (chunk_text(c, byte, CHUNK_TRAILER_LF));
	case CHUNK_TRAILER_LF:
		return (chunk_want(c, byte, '\n', CHUNK_TRAILER_START));
	case CHUNK_END_LF:
		return (chunk_want(c, byte, '\n', CHUNK_END));
	case CHUNK_DATA:
	case CHUNK_END:
		break;
	}
	return (false);
}

ssize_t
http_decode_chunked(struct http_chunked *c, struct slice in,
    struct slice *data, bool *end)
{
	size_t i = 0;

	*data = slice_of(NULL, 0);
	while (i < in.n && c->state != CHUNK_END && c->state != CHUNK_DATA)
		if (!chunk_byte(c, in.p[i++]))
			return (CODEC_BAD);
	if (i < in.n && c->state == CHUNK_DATA) {
		*data = slice_from(in, i);
		if (data->n > c->left)
			data->n = (size_t)c->left;
		i += data->n;
		c->left -= data->n;
		if (c->left == 0)
			c->state = CHUNK_DATA_CR;
	}
	*end = c->state == CHUNK_END;
	return ((ssize_t)i);
}
