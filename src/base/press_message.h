/*
 * DEFLATE (RFC 1951) of messages that each stand for themselves: no message
 * refers to one before it, so one struct serves any number of connections,
 * and what it costs is allocated once.  Any process; no I/O.
 */
#ifndef BASE_PRESS_MESSAGE_H
#define BASE_PRESS_MESSAGE_H

#include <sys/types.h>

#include "base/buf.h"

/*
 * How far back what is compressed may refer, so how much of a message its
 * reader has to keep.  Smaller ones than 9 bits zlib does not make.
 */
enum deflate_window {
	DEFLATE_NONE,		/* not compressed */
	DEFLATE_4K,		/* 12 bits: 40 KiB of memory; of messages
				 * that are longer a larger one gains little */
	DEFLATE_512,		/* 9 bits, for those who want no more */
	DEFLATE__MAX
};
unsigned deflate_bits(enum deflate_window);

/* --- out ------------------------------------------------------------------ */

struct deflater;

/* level: 1 (fast) .. 9 (small).  Memory for a window comes with its first
 * message.  NULL: no memory. */
struct deflater *deflater_new(unsigned level) MUST_USE;
void	deflater_free(struct deflater **);	/* NULL is fine */

/*
 * One message into out[cap], without the four bytes 00 00 ff ff that end it
 * (RFC 7692, 7.2.1).  Returns its bytes, DEFLATE_FULL: more than cap, or
 * DEFLATE_MEMORY.
 */
enum { DEFLATE_FULL = -1, DEFLATE_MEMORY = -2 };
ssize_t	deflate_message(struct deflater *, enum deflate_window,
	    struct slice in, uint8_t *out, size_t cap) MUST_USE;

/* --- in ------------------------------------------------------------------- */

struct inflater;

/* Of any window.  NULL: no memory. */
struct inflater *inflater_new(void) MUST_USE;
void	inflater_free(struct inflater **);	/* NULL is fine */

enum inflated {
	INFLATED,
	INFLATE_BAD,		/* no such thing, or it is cut off */
	INFLATE_TOO_BIG,	/* more than max */
	INFLATE_MEMORY
};
/*
 * One message, likewise without its end, into a buf that is emptied first and
 * grows with what comes, not beyond max.  It may consist of several blocks,
 * and of several streams (those that say that they are the last of one).
 */
enum inflated inflate_message(struct inflater *, struct slice in, size_t max,
	    struct buf *out) MUST_USE;

#endif
