/*
 * Which messages have crossed from one worker to another.  Thousands of queues
 * and logs hold references to a message that went to all of them; the giver's
 * book numbers those that it has written, the heir's has them by number, so
 * that each crosses once and is one again over there.
 *
 *	reference   u8 0   slice (its bytes)			of nobody else
 *		    u8 1   u32 number, off, end			crossed before
 *		    u8 2   u32 number, off, end   slice		crosses now
 *
 * What did not arrive is not to be relied on: then the giver's book begins a
 * new edition, whose number stands before what is written with it.
 */
#ifndef HUB_QUEUE_BOOK_H
#define HUB_QUEUE_BOOK_H

#include "base/state.h"
#include "hub/queue/out.h"

struct book;

/* NULL: no memory. */
struct book *book_new(bool giving) MUST_USE;
void	book_free(struct book **);
/* giver: forget what was written. */
void	book_renew(struct book *);

/* Before references are written, or read.  false: bad. */
void	book_open(struct book *, struct buf *);
bool	book_open_in(struct book *, struct state_in *) MUST_USE;

/* A reference.  scratch: of the turn (NULL: none), is nobody's to keep. */
void	book_put(struct book *, const struct msg *scratch,
	    const struct out_ref *, struct buf *);
/* It holds its msg.  false: bad, or no memory. */
bool	book_get(struct book *, struct state_in *, struct out_ref *) MUST_USE;

#endif
