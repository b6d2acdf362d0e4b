/*
 * Responses whose end is not known when they begin: pieces of a body, each a
 * chunk (RFC 9112, 7.1), or, for a client of HTTP/1.0, bytes up to the end of
 * the connection.  In between the connection is CONN_CHUNKED, and a hand's.
 */
#ifndef WORKER_HTTP_CHUNKED_H
#define WORKER_HTTP_CHUNKED_H

#include "base/bug.h"
#include "base/slice.h"

struct conn;
struct outq;
struct request;

/* A piece: `before`, n bytes of a queue, which has them no more (at the end of a
 * turn; NULL: none), and `behind`. */
struct chunked_piece {
	struct slice	 before;
	struct outq	*from;
	size_t		 n;
	struct slice	 behind;
};

/* 200, and the head.  extra: lines, or NULL. */
void	chunked_begin(struct request *, const char *type, const char *extra);
/* Not empty.  No memory: the connection ends. */
void	chunked_put(struct conn *, const struct chunked_piece *);
/* That was all. */
void	chunked_end(struct conn *);

#endif
