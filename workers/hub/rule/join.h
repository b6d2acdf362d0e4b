/*
 * Which rooms a client may be in: what the join rules of its namespace say.
 * Rooms that a back end or a route chose were not asked for, and are not the
 * token's.  A room of everybody's is open to everybody, in whatever way.
 */
#ifndef HUB_RULE_JOIN_H
#define HUB_RULE_JOIN_H

#include "hub/session/refuse.h"

struct conf_pattern;
struct membership;

/*
 * The name that one of the rooms of every session of a namespace has for this
 * one, in name or in conf; empty: none, its user's id is too long for it or
 * there is no user.
 */
struct slice join_name(const struct session *, const struct conf_pattern *every,
	    uint8_t name[ROOM_NAME_MAX]);

/* May this session join the room?  REFUSED_NONE: yes. */
enum refused join_may(const struct session *, struct slice room);
/* Has it the right to be in a room that it is in? */
bool	join_may_stay(const struct session *, const struct membership *)
	    MUST_USE;
/* Has who the right to every room that this session has asked for? */
bool	join_keeps(const struct session *, const struct principal *who)
	    MUST_USE;

#endif
