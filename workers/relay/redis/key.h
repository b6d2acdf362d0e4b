/*
 * Names in keys.  Called by what is kept in Redis.
 */
#ifndef REDIS_KEY_H
#define REDIS_KEY_H

#include "base/buf.h"

/* A namespace, without its slash, at the end of b: where it ends is to be seen,
 * "/a:b" and "c" are not "/a" and "b:c". */
static inline void
redis_put_nsp(struct buf *b, struct slice nsp)
{
	size_t i;

	for (i = 1; i < nsp.n; i++)
		if (nsp.p[i] == ':')
			buf_str(b, "%3a");
		else if (nsp.p[i] == '%')
			buf_str(b, "%25");
		else
			buf_byte(b, nsp.p[i]);
}

#endif
