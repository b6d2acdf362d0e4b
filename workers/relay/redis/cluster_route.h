/*
 * Commands on their way in a Redis Cluster: each is kept until it is answered,
 * and one that a node has not carried out, because its slot is elsewhere or
 * cannot be served just now, is sent again.  Those of a slot stay in order:
 * while one has to be sent again, all that follow wait for it.  What has no
 * answer, because a connection was lost, is never sent twice.
 *
 * Used by cluster.c, which knows the nodes.
 */
#ifndef RELAY_REDIS_CLUSTER_ROUTE_H
#define RELAY_REDIS_CLUSTER_ROUTE_H

#include "relay/redis/site.h"
#include "relay/redis/slotmap.h"

#define ROUTE_PATIENCE_MS	5000	/* then the error is the answer */

struct route;

struct route_params {
	struct loop	*loop;
	size_t		 bytes;		/* kept, at most */
	void		*arg;		/* of all: */
	/* The node of a slot; NULL: nobody knows. */
	struct site	*(*place)(void *arg, unsigned slot);
	/* One says that a slot is elsewhere: that one, or NULL. */
	struct site	*(*moved)(void *arg, struct site *said,
			    const struct slotmap_redirect *);
	/* One cannot serve a slot. */
	void		(*refused)(void *arg, struct site *said);
};

struct route *route_new(const struct route_params *) MUST_USE; /* NULL: memory */
/* Without any call; the sites are freed before. */
void	route_free(struct route **);
/* See redis_command(). */
bool	route_send(struct route *, unsigned slot, const struct slice *argv,
	    size_t n, commands_cb *, void *arg);
/* A slot is elsewhere from now on: those who listen are told so at the same time
 * as we are, and what is published there waits until they do. */
void	route_moved(struct route *, unsigned slot);
/* All that waits is answered with NULL. */
void	route_give_up(struct route *);

#endif
