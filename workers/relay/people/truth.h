/*
 * Who is on this host, kept in Redis (keys.h): for the other hosts, which read
 * it when they come or have missed something, and for back ends.  All is
 * written anew, under a new epoch, whenever Redis is there again or has
 * forgotten it; in between each change that the relay tells is written, and
 * said to the other nodes when it is.
 */
#ifndef RELAY_PEOPLE_TRUTH_H
#define RELAY_PEOPLE_TRUTH_H

#include "base/clock.h"
#include "relay/people/nodes.h"

struct segment;
struct table_event;
struct table_relay;
struct truth;

struct truth_params {
	const struct conf *conf;
	struct redis	*redis;
	struct nodes	*nodes;
	struct segment	*segment;
	uint64_t	 node_id;
	bool		 tells;		/* back ends, of changes, and not the other
					 * nodes: see keys.h */
};

struct truth *truth_new(const struct truth_params *) MUST_USE;
void	truth_free(struct truth **);
/* The presence table; before anything of it is told. */
void	truth_table(struct truth *, const struct table_relay *);
/* Another configuration: others may tell who is there. */
void	truth_conf(struct truth *, const struct conf *);
void	truth_ready(struct truth *);
void	truth_lost(struct truth *);
/* What Redis has is not what was written: again, all of it. */
void	truth_spoiled(struct truth *);
/* What the workers are being told. */
void	truth_event(struct truth *, const struct table_event *);
void	truth_beat(struct truth *, struct mono now);
/* The end of a turn; true: there is more to do at once. */
bool	truth_turn(struct truth *);

#endif
