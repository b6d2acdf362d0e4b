/*
 * Which rooms a client may be in: what the join rules of its namespace say.
 * Rooms that a back end or a route chose were not asked for, and are not the
 * token's.  A room of everybody's is open to everybody, in whatever way.
 */
#ifndef HUB_RULE_JOIN_H
#define HUB_RULE_JOIN_H

#include "hub/model.h"
#include "hub/session/refuse.h"

struct membership;

/* Rooms that a namespace puts every session in, as this one has them. */
struct join_names {
	struct slice	 names[CONF_JOINS_MAX];
	uint8_t		 bytes[CONF_JOINS_MAX][ROOM_NAME_MAX];
};
/* In their order, without those that need a user where there is none; one that
 * would be too long is counted as refused.  Returns how many. */
unsigned join_everybodys(const struct session *, struct join_names *);
/* May this session join the room?  REFUSED_NONE: yes. */
enum refused join_may(const struct session *, struct slice room);
/* The claim is this string, or an array that has it. */
bool	join_claim_has(struct slice claim, struct slice value);
/* ... or does its hook know?  Then it is to be asked; join_may() says no. */
bool	join_asks(const struct session *, struct slice room) MUST_USE;
/* May it join, where the hook has been asked and lets it?  Whom it has let in,
 * stays. */
enum refused join_may_heard(const struct session *, struct slice room);
/* Has it the right to be in a room that it is in? */
bool	join_may_stay(const struct session *, const struct membership *)
	    MUST_USE;
/* Has who the right to every room that this session has asked for? */
bool	join_keeps(const struct session *, const struct principal *who)
	    MUST_USE;

#endif
