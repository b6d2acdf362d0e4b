/*
 * Where a publication leaves its worker: to the receivers here, and one
 * envelope to the relay when the interest directory says that other workers
 * have some.  The reverse, an envelope from the relay, ends here too.
 */
#ifndef HUB_PUBLISH_H
#define HUB_PUBLISH_H

#include "hub/fanout.h"
#include "hub/room.h"

struct hub;

/* Count of receivers asked from the other workers. */
struct publish_remote {
	uint64_t	 bits[2];	/* out: workers asked */
	uint32_t	 ref;		/* in: see pending.h; 0: do not ask */
};

/*
 * To one room, user or namespace; except: the sender, or NULL.  Returns the
 * receivers on this worker.
 */
uint32_t publish_room(struct hub *, const struct conf_namespace *,
	    enum room_kind, struct slice name, const struct publication *,
	    const struct session *except, struct publish_remote *);
/* To any audience, on behalf of a back end. */
uint32_t publish_audience(struct hub *, const struct conf_namespace *,
	    const struct audience *, const struct publication *);
/* The same as a question: bits are the workers that were asked too. */
uint32_t publish_ask(struct hub *, const struct conf_namespace *,
	    const struct audience *, const struct publication *, struct ask *,
	    uint64_t bits[2]);

/* The other workers that may have some of this audience. */
void	publish_workers(struct hub *, const struct conf_namespace *,
	    const struct audience *, uint64_t bits[2]);

/* {"id":..,"from":..,"room"?:..,"ts":..} in the hub's scratch; *id is the part
 * between its quotes: as given (needs no escapes), or, when that is empty, a
 * new one.  from and room are raw JSON. */
struct slice publish_meta(struct hub *, struct slice from, struct slice room,
	    struct slice *id);

#endif
