/*
 * What back ends read in Redis: this folder's roof.  Workers give it events
 * (BUS_FORWARD); each namespace has a stream of its own, PREFIXevents:NS (NS
 * without its slash), and a queue here (lane.h), from which all that a turn has
 * brought goes to Redis at once.
 *
 * Each entry has a number: within the epoch of its source, which is this relay
 * from its start to its end, they follow each other by one.  What could not be
 * kept until Redis took it has a number, too, that nobody will read: so a back
 * end sees what it has missed.  Redis is told the same again when it did not
 * answer, and takes it once.
 */
#ifndef RELAY_STREAM_STREAM_H
#define RELAY_STREAM_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"

#include "proto/bus.h"
#include "relay/stream/entry.h"

struct conf;
struct exchange;
struct redis;
struct segment;
struct stream;

struct stream_params {
	const struct conf *conf;
	struct exchange	*exchange;
	struct segment	*segment;
	uint64_t	 node_id;
	struct slice	 saved;		/* by a relay before; empty: nothing */
};

/* The Redis that serves, as it is in this turn. */
struct stream_link {
	struct redis	*redis;		/* NULL: none */
	const struct conf *section;	/* whose section redis it has */
	uint64_t	 serial;	/* another one: it is another Redis, and
					 * of the one before nothing is heard */
	bool		 alone;		/* there is no other one any more */
};

struct stream *stream_new(const struct stream_params *) MUST_USE;
					/* NULL: no memory */
/* After all of Redis. */
void	stream_free(struct stream **);
void	stream_conf(struct stream *, const struct conf *);
/* Somebody died with events that it had not given to us yet. */
void	stream_lost(struct stream *);
/* The stream of this slot's worker has ended. */
void	stream_worker_gone(struct stream *, unsigned slot);
/* Each BUS_FORWARD and BUS_HOOKS is shown to take, which has taken it (true) or
 * wants none of it; NULL: nobody is there. */
void	stream_hooks(struct stream *,
	    bool (*take)(void *arg, const struct bus_envelope *), void *arg);
/* What became of an event, to the worker that waits for it. */
void	stream_tell(struct stream *, const struct asker *, enum bus_store);
/* The same, with bytes that it understands. */
void	stream_tell_more(struct stream *, const struct asker *, enum bus_store,
	    struct slice);
/* As entries have them, from the relay's start to its end. */
void	stream_source(const struct stream *, const char **source,
	    uint64_t *epoch);
/* What waits goes on in another relay: appended as a section of base/state.h,
 * nothing if there is nothing. */
void	stream_save(struct stream *, struct buf *);
/* Bytes of that section at the beginning of what was saved; 0: there is none. */
size_t	stream_saved(struct slice saved);
/* The end of a turn, before Redis is flushed. */
void	stream_turn(struct stream *, const struct stream_link *);
/* Redis has all of it, or is away. */
bool	stream_is_settled(const struct stream *);

#endif
