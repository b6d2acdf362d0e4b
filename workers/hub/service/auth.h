/*
 * A later token of a connection (auth:refresh).  What it does not allow any
 * more ends: sessions by their namespace and route, rooms that the client had
 * asked for by their join rule.  Rooms that a back end or a route chose are not
 * the token's, and stay.
 */
#ifndef HUB_SERVICE_AUTH_H
#define HUB_SERVICE_AUTH_H

#include "hub/session/refuse.h"

/* auth:refresh; true: accepted and acked.  The session may be gone. */
bool	auth_refresh(struct session *, const struct inbound *,
	    struct slice token);

/* room:left: it is not in this room any more. */
void	auth_tell_left(struct session *, struct slice room, const char *why);
/*
 * A client that was let in under another configuration: its sessions end, or
 * leave rooms, as after a refresh.  false: it has one session, which may not
 * stay and has been told; the client is to be closed.
 */
bool	auth_recheck(struct client *) MUST_USE;

#endif
