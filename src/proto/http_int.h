/*
 * What the files of HTTP share: the characters of its tokens, the states of a
 * chunked body.
 * Private to http*.c.
 */
#ifndef PROTO_HTTP_INT_H
#define PROTO_HTTP_INT_H

#include "proto/http.h"

extern const uint8_t http_tchars[256];	/* RFC 9110 section 5.6.2 */

enum chunked_state {
	CHUNK_SIZE,		/* hexadecimal digits */
	CHUNK_EXT_START,	/* behind ";": a name is due */
	CHUNK_EXT_NAME,
	CHUNK_EXT_VALUE_START,	/* behind "=": a token or a quoted string */
	CHUNK_EXT_VALUE,
	CHUNK_EXT_QUOTED,
	CHUNK_EXT_QUOTED_PAIR,	/* behind a backslash */
	CHUNK_EXT_QUOTED_END,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER_START,	/* a trailer field or the last CRLF */
	CHUNK_TRAILER_NAME,
	CHUNK_TRAILER,		/* its value */
	CHUNK_TRAILER_LF,
	CHUNK_END_LF,
	CHUNK_END
};

#define CHUNK_DIGITS_MAX	15	/* 60 bits: sums cannot overflow */
#define CHUNK_OVERHEAD_MAX	8192	/* extensions and trailers together */

#endif
