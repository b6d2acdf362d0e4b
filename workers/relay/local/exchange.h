/*
 * Who gets this envelope: frames go from the worker they came from into the
 * queues of the workers they name.  Memory only; peers do the reading and
 * writing.  The relay never looks further than a frame's first 24 bytes.
 */
#ifndef LOCAL_EXCHANGE_H
#define LOCAL_EXCHANGE_H

#include <sys/types.h>

#include "base/bug.h"
#include "base/slice.h"
#include "role.h"

struct peer;

struct exchange {
	unsigned	 magic;
#define EXCHANGE_MAGIC	0xe8c4a26e
	struct peer	*peers[ROLE_SLOTS_MAX];	/* by slot; NULL: none */
	unsigned	 npeers;
	/* peers that were given something in this turn */
	struct peer	*dirty[ROLE_SLOTS_MAX];
	unsigned	 ndirty;
	/* Each frame that says BUS_FAR; NULL: there are no other hosts. */
	void		(*far)(void *arg, struct slice frame);
	/* Each frame that says BUS_RELAY: an answer to us; NULL: we ask
	 * nobody. */
	void		(*answer)(void *arg, struct slice frame);
	void		*arg;
};

void	exchange_init(struct exchange *);
/* The peer's slot must be free; the exchange does not own it. */
void	exchange_add(struct exchange *, struct peer *);
void	exchange_remove(struct exchange *, struct peer *);
struct peer *exchange_peer(const struct exchange *, unsigned slot);

/*
 * Route all whole frames in `in`.  Returns the bytes they took (the rest is
 * the start of a frame that is not complete), or CODEC_BAD.
 */
ssize_t	exchange_feed(struct exchange *, struct slice in) MUST_USE;
/* One whole frame, for these slots, with these flags of bus.h. */
void	exchange_route(struct exchange *, struct slice frame,
	    const uint64_t slots[2], uint16_t flags);
/* The peer of this slot has no room for what can wait: its queue is above
 * half its bound.  No peer: false. */
bool	exchange_crowded(const struct exchange *, unsigned slot);
/* Mark what is in the queues now; has all that was marked last been written?
 * What a peer took with it counts as written. */
void	exchange_mark(struct exchange *);
bool	exchange_mark_reached(const struct exchange *);
/* The next peer with bytes to write, each once; NULL: no more. */
struct peer *exchange_next_dirty(struct exchange *);

#endif
