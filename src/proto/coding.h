/*
 * Content codings: what a client takes (RFC 9110, 12.5.3) and what a message
 * has (8.4).  Pure; see codec.h.
 */
#ifndef PROTO_CODING_H
#define PROTO_CODING_H

#include "proto/http.h"

enum coding {
	CODING_IDENTITY,
	CODING_GZIP,
	CODING_DEFLATE,		/* zlib format */
	CODING__MAX
};

/* As in Content-Encoding. */
const char *coding_name(enum coding);

/*
 * The coding of a response to this request: the one of gzip and deflate that
 * weighs more (gzip, if they weigh the same), or IDENTITY when neither is
 * accepted or the client likes that better.  Elements that are no good count
 * as not there.
 * must	set if the client refuses IDENTITY.  If it refuses all, IDENTITY is
 *	returned: it can be given that or nothing.
 */
enum coding coding_choose(const struct http_request *, bool *must);

/* The request's body is in a coding other than identity. */
bool	coding_of_body(const struct http_request *);

#endif
