/*
 * Those whom a hook is asked about before they come: a client, and the room that
 * its route names, where that room's rule asks.
 */
#ifndef HUB_RULE_DOOR_H
#define HUB_RULE_DOOR_H

#include "hub/model.h"

struct admission;
struct client_request;
struct refusal;

/* See hub_events.hearing. */
bool	door_hearing(struct hub *, const struct client_request *,
	    struct admission *, struct refusal *) MUST_USE;
/* May he join this room, as its rule or the hook says?  false: r says why not, or,
 * with status 0, that it is not known yet. */
bool	door_may_join(struct hub *, const struct client_request *,
	    const struct admission *, struct slice room, struct refusal *)
	    MUST_USE;
/* His session has begun: the rooms and the words that the hook gives him, whose
 * verdict this is (empty: there is none). */
void	door_welcome(struct session *, struct slice verdict);

#endif
