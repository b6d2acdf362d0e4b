/*
 * Chunked bodies (RFC 9112 section 7.1); see http.h.  A machine of bytes for
 * the frame around the data; the data itself is passed on where it lies.
 */
#include "proto/http_int.h"

#include "base/ascii.h"

/* A byte that means nothing to us but must be text. */
static bool
chunk_skip(struct http_chunked *c, uint8_t byte)
{
	if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
		return (false);
	return (++c->overhead <= CHUNK_OVERHEAD_MAX);
}

/* Behind a size, or a part of an extension: the next one, or the line's end.
 * Blanks are nowhere: only smugglers write them. */
static bool
chunk_ext_end(struct http_chunked *c, uint8_t byte)
{
	c->state = byte == ';' ? CHUNK_EXT_START : CHUNK_SIZE_LF;
	return (byte == '\r' || (byte == ';' && chunk_skip(c, byte)));
}

/* RFC 9112 section 7.1.1: *( ";" token [ "=" ( token / quoted-string ) ] ) */
static bool
chunk_extension(struct http_chunked *c, uint8_t byte)
{
	bool token = http_tchars[byte] != 0;

	switch ((enum chunked_state)c->state) {
	case CHUNK_EXT_START:
		c->state = CHUNK_EXT_NAME;
		return (token && chunk_skip(c, byte));
	case CHUNK_EXT_NAME:
		if (byte == '=')
			c->state = CHUNK_EXT_VALUE_START;
		else if (!token)
			return (chunk_ext_end(c, byte));
		return (chunk_skip(c, byte));
	case CHUNK_EXT_VALUE_START:
		c->state = byte == '"' ? CHUNK_EXT_QUOTED : CHUNK_EXT_VALUE;
		return ((token || byte == '"') && chunk_skip(c, byte));
	case CHUNK_EXT_VALUE:
		return (token ? chunk_skip(c, byte) : chunk_ext_end(c, byte));
	case CHUNK_EXT_QUOTED:
		if (byte == '\\')
			c->state = CHUNK_EXT_QUOTED_PAIR;
		else if (byte == '"')
			c->state = CHUNK_EXT_QUOTED_END;
		return (chunk_skip(c, byte));
	case CHUNK_EXT_QUOTED_PAIR:
		c->state = CHUNK_EXT_QUOTED;
		return (chunk_skip(c, byte));
	case CHUNK_EXT_QUOTED_END:
		return (chunk_ext_end(c, byte));
	case CHUNK_SIZE: case CHUNK_SIZE_LF: case CHUNK_DATA:
	case CHUNK_DATA_CR: case CHUNK_DATA_LF: case CHUNK_TRAILER_START:
	case CHUNK_TRAILER_NAME: case CHUNK_TRAILER: case CHUNK_TRAILER_LF:
	case CHUNK_END_LF: case CHUNK_END:
		break;
	}
	return (false);
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
	return (chunk_ext_end(c, byte));
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
	c->state = CHUNK_TRAILER_NAME;
	return (http_tchars[byte] && chunk_skip(c, byte));
}

static bool
chunk_trailer_name(struct http_chunked *c, uint8_t byte)
{
	if (byte == ':')
		c->state = CHUNK_TRAILER;
	return ((byte == ':' || http_tchars[byte]) && chunk_skip(c, byte));
}

/* One byte of the frame around the data. */
static bool
chunk_byte(struct http_chunked *c, uint8_t byte)
{
	switch ((enum chunked_state)c->state) {
	case CHUNK_SIZE:
		return (chunk_size(c, byte));
	case CHUNK_EXT_START: case CHUNK_EXT_NAME: case CHUNK_EXT_VALUE_START:
	case CHUNK_EXT_VALUE: case CHUNK_EXT_QUOTED:
	case CHUNK_EXT_QUOTED_PAIR: case CHUNK_EXT_QUOTED_END:
		return (chunk_extension(c, byte));
	case CHUNK_SIZE_LF:
		return (chunk_size_lf(c, byte));
	case CHUNK_DATA_CR:
		return (chunk_want(c, byte, '\r', CHUNK_DATA_LF));
	case CHUNK_DATA_LF:
		return (chunk_want(c, byte, '\n', CHUNK_SIZE));
	case CHUNK_TRAILER_START:
		return (chunk_trailer_start(c, byte));
	case CHUNK_TRAILER_NAME:
		return (chunk_trailer_name(c, byte));
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
