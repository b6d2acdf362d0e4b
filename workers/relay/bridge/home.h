/*
 * What the parts of the bridge have in common: the configuration, Redis, and
 * the way to the workers of this host.  Filled in by the relay's roof; not
 * theirs to free.
 */
#ifndef RELAY_BRIDGE_HOME_H
#define RELAY_BRIDGE_HOME_H

#include <stdbool.h>

#include "base/clock.h"
#include "proto/offset.h"

struct bus_envelope;
struct conf;
struct ledger;
struct redis;
struct segment;

/* What is said in the log, now and then: what was refused, or is wrong. */
enum home_trouble { HOME_UNSEALED, HOME_BAD, HOME_PUBLISH, HOME_STREAM };

struct home {
	const struct conf *conf;
	struct segment	*segment;
	struct redis	*redis;
	uint64_t	 node_id;	/* names this host among others */
	uint32_t	 generation;
	struct offset_origin origin;	/* of what came from elsewhere */
	struct ledger	*ledger;	/* all links' */
	bool		 comes;		/* another link serves yet: what this one
					 * brings is compared and not taken */
	bool		 deaf;		/* another link serves at the same place:
					 * nothing is taken */
	bool		 meets;		/* it serves, and another one is heard yet:
					 * see ledger.holds */
	bool		 near;		/* what servers of Socket.IO are told
					 * comes and goes by them alone, */
	struct mono	 near_until;	/*   or came, until then */
	void		*arg;		/* of all: */
	struct mono	(*now)(void *arg);
	void		(*to_workers)(void *arg, const uint64_t slots[2],
			    struct bus_envelope *);
	/* UNSEALED, BAD: the channel; else words, fit to stand between
	 * quotes */
	void		(*trouble)(void *arg, enum home_trouble,
			    struct slice words);
};

struct mono home_now(const struct home *);
/* To these workers.  A publication gets an offset of this host, by which its
 * clients can be recovered here. */
void	home_deliver(struct home *, const uint64_t slots[2],
	    struct bus_envelope *);

/* Such an offset, in out; empty: no client is recovered, or those of this
 * namespace are by its journal: their workers say where that stands. */
struct slice home_offset(struct home *, struct slice nsp,
	    uint8_t out[OFFSET_MAX]);

/* What came is to be taken. */
bool	home_takes(const struct home *, struct slice channel,
	    struct slice payload);

/* See trouble. */
void	home_say(const struct home *, enum home_trouble, struct slice words);

#endif
