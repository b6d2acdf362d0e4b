/*
 * Rooms that a namespace puts every session in, in the order in which they are
 * named there.  One that keeps a history is entered as by room:join: what the
 * client says it has seen, at the session's begin, is gone on from, and
 * roost:joined tells where the room stands.
 */
#ifndef HUB_RULE_APPOINT_H
#define HUB_RULE_APPOINT_H

#include "hub/model.h"

/*
 * A session that is new has begun.  seen: places in those of them that it is in, as
 * cursor.h has them; empty: the client says nothing of that.  What cannot be read is a place
 * that is lost.
 */
void	appoint(struct session *, struct slice seen);
/* The same; the places are the member since of the object of its CONNECT, empty:
 * there is none. */
void	appoint_auth(struct session *, struct slice auth);
/* Into one more, which it need not have a right to. */
void	appoint_room(struct session *, struct slice name);

#endif
