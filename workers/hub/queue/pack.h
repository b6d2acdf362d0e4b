/*
 * permessage-deflate (RFC 7692) of what goes out.  A message is compressed by
 * itself, so that what goes to many is compressed once for each wire form with
 * a window (wire.h), as it is encoded once.  What is short, and what does not
 * get smaller, goes as it is: a reader sees from each message which it is.
 *
 * The loop waits meanwhile, so what is large goes as it is, too, and of much in
 * one turn only the first.
 *
 * One for a worker.  Memory comes with the first message: 40 KiB, and as much
 * as the largest so far.
 */
#ifndef HUB_QUEUE_PACK_H
#define HUB_QUEUE_PACK_H

#include "hub/queue/wire.h"

struct pack;

struct pack_conf {
	bool		 on;		/* false: only pack_open() works */
	unsigned	 level;		/* as zlib's, 1 to 9 */
	uint64_t	 threshold;	/* bytes of the shortest */
};
struct pack *pack_new(const struct pack_conf *) MUST_USE;	/* NULL: no memory */
void	pack_free(struct pack **);			/* NULL is fine */
/* The turn is over. */
void	pack_turn(struct pack *);

/*
 * As wire_plan() and wire_put(), whatever the form.  What it has compressed
 * stands in pack (NULL: nothing is compressed) until the next call.
 */
struct wire_plan pack_plan(struct pack *, enum wire,
	    const struct publication *);
void	pack_put(enum wire, const struct publication *,
	    const struct wire_plan *, uint8_t *out);

/* One message as a frame, which stands in pack likewise.  false: it goes as it
 * is. */
bool	pack_frame(struct pack *, enum wire, unsigned opcode,
	    struct slice message, struct slice *frame);

/* Is this frame of ours, which is whole, a compressed message? */
static inline bool
pack_is_packed(struct slice frame)
{
	return ((frame.p[0] & 0x40) != 0);	/* RSV1 */
}

/* Its payload as it was before; stands in pack likewise.  false: no memory,
 * or it is none. */
bool	pack_open(struct pack *, struct slice payload, struct slice *message)
	    MUST_USE;

#endif
