/*
 * Who is on other hosts, mirrored in shared memory: changes as their nodes
 * tell them, and all that a node has, read from Redis when it comes or when
 * something of it was missed.  What is mirrored stays while Redis is away, and
 * counts as stale until it has been compared again.
 *
 * One node is read at a time, some of it in a turn.  What its changes say
 * while a part is awaited is newer than the part: a change is told when it is
 * written, so one that was heard before the question is in the answer, and one
 * that is in the answer and comes later does no harm.
 */
#ifndef RELAY_PEOPLE_MIRROR_H
#define RELAY_PEOPLE_MIRROR_H

#include "base/clock.h"
#include "relay/people/nodes.h"

struct mirror;
struct segment;
struct table_relay;

struct mirror_params {
	const struct conf *conf;
	struct redis	*redis;
	struct nodes	*nodes;
	struct segment	*segment;
	uint64_t	 keep_ms;	/* what a predecessor has mirrored stays
					 * so long, though nobody says it here:
					 * hosts come one after another */
};

struct mirror *mirror_new(const struct mirror_params *) MUST_USE;
void	mirror_free(struct mirror **);
/* Another one mirrors from now on. */
void	mirror_stop(struct mirror *);
/* The presence table, with what a predecessor has mirrored. */
void	mirror_table(struct mirror *, struct table_relay *);
/* Another configuration; changed: others may tell who is there, and all nodes
 * are read again. */
void	mirror_conf(struct mirror *, const struct conf *, bool changed);
void	mirror_ready(struct mirror *);
void	mirror_lost(struct mirror *);
/* Of nodes.h. */
void	mirror_changes(struct mirror *, struct node *, const struct news *);
void	mirror_gone(struct mirror *, struct node *, enum nodes_end);
void	mirror_beat(struct mirror *, struct mono now);
/* The end of a turn; true: there is more to do at once. */
bool	mirror_turn(struct mirror *);

#endif
