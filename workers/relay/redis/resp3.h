/*
 * What a server says in RESP3, told in the types of RESP2, which is all that
 * hiredis before 1.0 reads: pushes and sets are arrays, maps are arrays of
 * their keys and values, booleans are integers, numbers that are no int64_t
 * are texts.  RESP2 goes through as it is, and so does nonsense: the reader
 * finds it.  Pure; called by reply.c.
 *							RESP3 specification
 */
#ifndef RELAY_REDIS_RESP3_H
#define RELAY_REDIS_RESP3_H

#include "base/bug.h"
#include "base/slice.h"

#define RESP3_NUMBER	20	/* digits of a length, at most */

struct resp3 {			/* embed; zeroed */
	enum resp3_state {
		RESP3_TYPE,	/* the next byte is one */
		RESP3_LINE,	/* up to its end, whatever it is */
		RESP3_NUMBER_OF, /* a line that is a number, or a letter */
		RESP3_BODY,	/* so many bytes */
		RESP3_NONSENSE
	}		 state;
	char		 type;		/* RESP3_NUMBER_OF */
	bool		 cr;		/* the last byte of the line was one */
	char		 line[RESP3_NUMBER + 1];
	unsigned	 n;		/* of line */
	uint64_t	 skip;		/* RESP3_BODY */
};

/* Bytes as they came, at any split: the same, or others, go to out(), until it
 * says false; then so does this. */
bool	resp3_feed(struct resp3 *, struct slice in,
	    bool (*out)(void *arg, struct slice), void *arg) MUST_USE;

#endif
