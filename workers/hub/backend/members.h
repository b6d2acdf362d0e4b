/*
 * What a back end does to the sessions of an audience: ends them, or has them
 * join and leave rooms, whatever the join rules say.  Sessions that are
 * parked (recover.h) are members too.  On this worker and, by one envelope,
 * on the others that may have some.
 */
#ifndef HUB_BACKEND_MEMBERS_H
#define HUB_BACKEND_MEMBERS_H

#include "base/reason.h"
#include "hub/audience/fanout.h"

struct ask;
struct bus_envelope;

enum ending {
	/* Socket.IO: DISCONNECT; the connection stays.  Plain: Close 1008. */
	ENDING_SESSION,
	/* Socket.IO: DISCONNECT for each namespace, then Close 1008. */
	ENDING_CONNECTION,
	/* Close 1012 and no DISCONNECT: stock clients come back, and may
	 * recover their session. */
	ENDING_RECONNECT
};

/* How many sessions of this worker; the other workers that may have some. */
struct members_done {
	uint32_t	 here;
	uint64_t	 bits[2];	/* told; they report to the question */
	bool		 far;		/* the relay reports as well: other
					 * hosts were told */
	bool		 partly;	/* the relay is away, or there was no
					 * memory: some are left out */
};

/*
 * reason: raw JSON string, told by the event roost:disconnect before; or
 * empty.  No namespace: in all of them.  The question is where other workers
 * report how many sessions they have ended (ask.h); NULL: they do not.
 */
struct members_done members_end(struct hub *, const struct conf_namespace *,
	    const struct audience *, enum ending, struct slice reason,
	    const struct ask *);

struct members_rooms {
	const struct slice *join, *leave;	/* at most BUS_LIST_MAX */
	size_t		 njoin, nleave;
};
/* Sessions that would be in more rooms than rooms_per_session are passed by
 * (they join none, and leave none) and not counted. */
struct members_done members_rooms(struct hub *, const struct conf_namespace *,
	    const struct audience *, const struct members_rooms *,
	    const struct ask *);

/* BUS_DISCONNECT and BUS_ROOMS of other workers. */
void	members_bus(struct hub *, const struct bus_envelope *);

/* Of sids, one behind the other, that were gathered: the next session that is
 * still there; NULL: no more. */
struct session *members_next(struct hub *, struct slice *sids);
/* Without a client, or with one that is closing: it must not come back.  How
 * many it was. */
uint32_t members_end_absent(struct session *, enum reason);

#endif
