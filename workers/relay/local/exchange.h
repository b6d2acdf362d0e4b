/*
 * Who gets this envelope: frames go from the worker they came from into the
 * queues of the workers they name.  Memory only; peers do the reading and
 * writing.  The relay looks no further than a frame's header, unless it has to
 * be dropped: then those whom it was for are told, by roost:gap, as soon as the
 * worker reads again.  Sessions move between workers: cut.h, shadow.h.
 */
#ifndef LOCAL_EXCHANGE_H
#define LOCAL_EXCHANGE_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/slice.h"
#include "relay/local/cut.h"
#include "relay/local/shadow.h"
#include "role.h"

struct bus_audience;
struct conf;
struct gaps;
struct peer;

struct exchange {
	unsigned	 magic;
#define EXCHANGE_MAGIC	0xe8c4a26e
	const struct conf *conf;
	uint64_t	 now_ms;	/* unix; the owner sets it each turn, */
	uint64_t	 mono_ms;	/* ... and this, monotonic */
	struct peer	*peers[ROLE_SLOTS_MAX];	/* by slot; NULL: none */
	unsigned	 npeers;
	struct gaps	*gaps[ROLE_SLOTS_MAX];	/* of that worker; NULL: none yet */
	uint64_t	 gapped[SLOTSET_WORDS];	/* workers that are to be told */
	struct buf	 words, frame;		/* of what they are told */
	struct buf	 spread;		/* scratch: for heirs, too */
	/* peers that were given something in this turn */
	struct peer	*dirty[ROLE_SLOTS_MAX];
	unsigned	 ndirty;
	struct cuts	 cuts;
	struct shadow	 shadow;
	uint64_t	 left[SLOTSET_WORDS];	/* said BUS_LEAVE; nobody
						 * else is there yet */
	uint32_t	 generations[ROLE_SLOTS_MAX];	/* of the last peer */
	/* Each frame that says BUS_FAR; NULL: there are no other hosts. */
	void		(*far)(void *arg, struct slice frame);
	/* Each frame that says BUS_RELAY: an answer to us; NULL: we ask
	 * nobody. */
	void		(*answer)(void *arg, struct slice frame);
	void		*arg;
	/* Each BUS_KEEP, HISTORY, TRIM, JOURNAL, SESSION and SESSION_TAKE, and a look
	 * at each DISCONNECT and ROOMS; NULL: nothing is kept. */
	void		(*keep)(void *keep_arg, struct slice frame);
	void		*keep_arg;
	/* Each BUS_FORWARD, BUS_QUEUE, BUS_INBOX and BUS_HOOKS. */
	void		(*stream)(void *stream_arg, struct slice frame);
	void		*stream_arg;
	/* Each BUS_BOX. */
	void		(*box)(void *box_arg, struct slice frame);
	void		*box_arg;
};

void	exchange_init(struct exchange *, const struct conf *);
/* Another one: the bounds of queues, the namespaces. */
void	exchange_conf(struct exchange *, const struct conf *);
void	exchange_fini(struct exchange *);	/* no peer is left */
/* The peer's slot must be free; the exchange does not own it. */
void	exchange_add(struct exchange *, struct peer *);
void	exchange_remove(struct exchange *, struct peer *);
struct peer *exchange_peer(const struct exchange *, unsigned slot);

/*
 * Route all whole frames in `in`.  Returns the bytes they took (the rest is
 * the start of a frame that is not complete), or CODEC_BAD.
 */
ssize_t	exchange_feed(struct exchange *, struct slice in) MUST_USE;
/* One whole frame, for these slots, with these flags of bus.h.  False: one of
 * them did not take it. */
bool	exchange_route(struct exchange *, struct slice frame,
	    const uint64_t slots[2], uint16_t flags);
/* From then to now something for this audience (NULL: all of the namespace)
 * was lost before it came here: all workers are to be told. */
void	exchange_gap(struct exchange *, struct slice nsp,
	    const struct bus_audience *, uint64_t from_ms);
void	exchange_gap_all(struct exchange *, uint64_t from_ms);
/* Each turn: those who can take it are told of their gaps. */
void	exchange_tell_gaps(struct exchange *);
/* Now and then. */
void	exchange_tick(struct exchange *);
/* The peer of this slot has no room for what can wait: its queue is above
 * half its bound.  No peer: false. */
bool	exchange_crowded(const struct exchange *, unsigned slot);
/* Bytes in the queue of the peer of this slot; no peer: 0. */
size_t	exchange_queued(const struct exchange *, unsigned slot);
/* Mark what is in the queues now; has all that was marked last been written?
 * What a peer took with it counts as written. */
void	exchange_mark(struct exchange *);
bool	exchange_mark_reached(const struct exchange *);
/* Each worker has said all that it says to us, and has been given all. */
bool	exchange_done(const struct exchange *);
/* The next peer with bytes to write, each once; NULL: no more. */
struct peer *exchange_next_dirty(struct exchange *);

#endif
