/*
 * What kinds of clients have alike whose connection has one session, from its
 * start to its end.
 */
#ifndef HUB_DIALECT_SINGLE_H
#define HUB_DIALECT_SINGLE_H

#include "hub/session/client.h"

/* The session: admission says where, for whom, in which room.  false: no
 * memory. */
bool	single_begin(struct client *, struct admission *) MUST_USE;
/* It has to go, or its token is over: the connection goes with it. */
void	single_kick(struct client *, struct session *, enum reason);
void	single_expire(struct client *, struct session *, enum reason);

#endif
