/*
 * Which rooms a client may be in: what the join rules of its namespace say.
 * Rooms that a back end or a route chose were not asked for, and are not the
 * token's.
 */
#ifndef HUB_RULE_JOIN_H
#define HUB_RULE_JOIN_H

#include "hub/session/refuse.h"

struct membership;

/* May this session join the room?  REFUSED_NONE: yes. */
enum refused join_may(const struct session *, struct slice room);
/* Has it the right to be in a room that it is in? */
bool	join_may_stay(const struct session *, const struct membership *)
	    MUST_USE;
/* Has who the right to every room that this session has asked for? */
bool	join_keeps(const struct session *, const struct principal *who)
	    MUST_USE;

#endif
