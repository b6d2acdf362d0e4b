/*
 * Events that the server itself answers: room:join, room:leave, auth:refresh,
 * roost:ping, presence:*, notification:*.  Their prefixes are reserved, so that no rule and no
 * client can take such a name.
 */
#ifndef HUB_SERVICE_SERVICE_H
#define HUB_SERVICE_SERVICE_H

#include "hub/session/refuse.h"

/* True: the event was the server's (or had a reserved name) and is done. */
bool	service_event(struct session *, const struct inbound *,
	    struct slice name) MUST_USE;

#endif
