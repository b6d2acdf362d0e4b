/*
 * What a worker has that can be given to another: connections with their
 * clients, sessions over polling or SockJS with their connections, and sessions
 * that wait for their client to come back.  A row of functions for give.c, and
 * one for take.c; what belongs to a connection is saved and loaded by net
 * (conn_save.h), what to a session by engineio (polling_save.h) or sockjs
 * (sockjs_save.h), what to a client by the hub (hub/move.h).  Called by handover.c.
 */
#ifndef WORKER_HANDOVER_ESTATE_H
#define WORKER_HANDOVER_ESTATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bug.h"

struct give_calls;
struct take_calls;
struct hub_move;
struct poller;
struct recover;
struct sockjs;
struct worker;

/* Of one giver, or heir; the arg of the calls. */
struct estate {
	struct worker	*w;
	struct hub_move	*move;
	bool		 all;		/* also what has no connection of its
					 * own */
	size_t		 looked;	/* connections, since one could go */
	bool		 soon;		/* one of those waits for other workers */
	struct poller	*poller;	/* the last one of this batch */
	struct sockjs	*sockjs;	/* likewise */
	struct recover	*parked;	/* likewise */
	void		(*settle)(void *arg);	/* give_calls.settle */
	bool		(*ready)(void *arg);	/* take_calls.ready */
	void		*arg;
};

/* false: no memory. */
bool	estate_init(struct estate *, struct worker *, bool giving,
	    unsigned peer) MUST_USE;
void	estate_fini(struct estate *);
/* So many connections and sessions are left. */
size_t	estate_left(const struct estate *);
/* Sessions without a connection among them. */
size_t	estate_waiting(const struct estate *);
/* Are there any?  Asked each turn. */
bool	estate_has_waiting(const struct estate *);

struct give_calls estate_gives(struct estate *);
struct take_calls estate_takes(struct estate *);

#endif
