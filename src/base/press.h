/*
 * Compression of whole bodies by zlib: DEFLATE (RFC 1951) as gzip (RFC 1952)
 * or zlib (RFC 1950).  One struct serves one body after the other; what it
 * costs is allocated once.  Any process; no I/O.
 */
#ifndef BASE_PRESS_H
#define BASE_PRESS_H

#include <sys/types.h>

#include "base/bug.h"
#include "base/slice.h"

struct press;

enum press_format {
	PRESS_GZIP,
	PRESS_ZLIB	/* what HTTP calls "deflate" */
};

/* level: 1 (fast) .. 9 (small); about 260 KiB of memory. NULL: no memory. */
struct press *press_new(int level) MUST_USE;
void	press_free(struct press **);	/* NULL is fine */

/*
 * Into out[n], which is borrowed until press_end(): start, add any number of
 * times, end.  Once something did not fit, nothing does: a body that does not
 * get smaller is found out by an out of its own size.
 */
void	press_start(struct press *, enum press_format, uint8_t *out, size_t n);
bool	press_add(struct press *, struct slice); /* false: does not fit */
/* Bytes in out, or -1: did not fit. */
ssize_t	press_end(struct press *) MUST_USE;

#endif
