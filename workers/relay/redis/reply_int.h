/*
 * What a connection that listens gets by far the most of: an array of a few
 * texts, such as "message", a channel and what was published.  Such a one that
 * lies whole in what has come is told as it lies there; for all else there is
 * the reader.  Pure; called by reply.c.
 */
#ifndef RELAY_REDIS_REPLY_INT_H
#define RELAY_REDIS_REPLY_INT_H

#include <sys/types.h>

#include "base/bug.h"
#include "base/slice.h"

#define FLAT_TEXTS	4u

struct flat {
	unsigned	 n;
	struct slice	 text[FLAT_TEXTS];	/* in the input */
};

/*
 * An array (or push, of RESP3) of 1 to FLAT_TEXTS texts at the begin of in: the
 * bytes of it; CODEC_MORE: what there is may be the begin of one; CODEC_BAD: it
 * is something else.
 */
ssize_t	flat_take(struct slice in, struct flat *) MUST_USE;

#endif
