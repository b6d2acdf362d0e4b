/*
 * The arguments of an event, as JSON elements without brackets: how many they
 * are, and made up to a number of them, so that what the server writes behind
 * them has its place whatever a client sends.
 */
#ifndef HUB_QUEUE_ARGS_H
#define HUB_QUEUE_ARGS_H

#include "base/buf.h"

/* Arguments, but not more than max + 1 are counted.  args is known to be
 * valid.  *first: the first one, or empty. */
unsigned args_count(struct slice args, unsigned max, struct slice *first);

/* What an event carries: its arguments and their attachments. */
size_t	args_bytes(struct slice args, const struct slice *attachments,
	    unsigned n);

/* args, which are n, with null for those that are missing to want.  Lies in
 * args, in static memory or in scratch, which is emptied.  false: no memory. */
bool	args_fill(struct buf *scratch, struct slice *args, unsigned n,
	    unsigned want) MUST_USE;

#endif
