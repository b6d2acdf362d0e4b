/*
 * The queue of one stream: entries with their numbers, in order, until Redis
 * has them.  As many as have come meanwhile go there by one script, one after
 * the other, and no others before it has answered; what has no answer is sent
 * again, by another relay perhaps, and taken once, by its number and epoch.
 *
 *	PREFIXevents:NS			the stream
 *	PREFIXtaken:{PREFIXevents:NS}	hash, SOURCE:EPOCH to the last number
 *					that was taken and when (unix seconds)
 *
 * Both are in one slot of a cluster.
 */
#ifndef RELAY_STREAM_LANE_H
#define RELAY_STREAM_LANE_H

#include "relay/redis/redis.h"
#include "relay/stream/entry.h"

#define LANE_SOURCE	17u	/* 16 hexadecimal digits, NUL */

struct lane_flight;

struct lane_calls {
	void		*arg;
	/* Somebody waits for it: Redis has it, or (false) it will not. */
	void		(*done)(void *arg, const struct asker *, bool taken);
	/* Redis refuses it, for which it has these words; or does not any
	 * more: NULL. */
	void		(*refused)(void *arg, struct slice key,
			    const char *words);
};

STAILQ_HEAD(entry_queue, entry);

struct lane {
	const struct lane_calls *calls;
	char		*name;		/* of the key, without the prefix */
	struct entry_queue queue;
	uint64_t	 epoch;		/* of those that come, */
	uint64_t	 number;	/* and the last one given */
	size_t		 bytes;		/* of the queue */
	unsigned	 n;
	unsigned	 flying;	/* of the queue, from its head on */
	struct lane_flight *flight;	/* NULL: none */
	uint64_t	 again_ms;	/* refused: not before; 0: it is not */
	bool		 told;
	struct buf	 key, taken;	/* names */
};

struct lane_way {
	struct redis	*redis;
	const char	*prefix;
	char		 source[LANE_SOURCE];
	unsigned	 most;		/* entries kept, or so */
	uint64_t	 room;		/* bytes that Redis is given at once */
	uint64_t	 now_ms;	/* monotonic */
};

/* Of the room, for what stands around an entry. */
#define LANE_AROUND	8192u

/* name: copied; numbers are of that epoch.  false: no memory. */
bool	lane_init(struct lane *, const char *name, uint64_t epoch,
	    const struct lane_calls *) MUST_USE;
void	lane_fini(struct lane *);
/* It takes the entry, which has the next number. */
void	lane_add(struct lane *, struct entry *);
/* The same with the number and the epoch that it has: another relay has left it. */
void	lane_restore(struct lane *, struct entry *);
/* One less that anybody will read. */
void	lane_skip(struct lane *);
/* What may be sent. */
void	lane_turn(struct lane *, const struct lane_way *);
/* No answer comes any more: of what was sent nobody knows whether it was taken.
 * What waited for the answer joins the list, to be freed when Redis is. */
void	lane_astray(struct lane *, struct lane_flight **list);
void	lane_flights_free(struct lane_flight **list);

#endif
