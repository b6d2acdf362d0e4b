/*
 * What an event of a client does.  Nothing that a client sends reaches anybody
 * unless a rule of its namespace says so.
 */
#ifndef HUB_RULE_RULE_H
#define HUB_RULE_RULE_H

#include "hub/session/refuse.h"

/* Apply the namespace's rule to an event; name: as rules have it, or empty
 * when nothing could be named so. */
void	rule_event(struct session *, const struct inbound *, struct slice name);
/* A session that is new has begun: the namespace's rule for `connect`, if it
 * has one.  auth: the object of its CONNECT; empty: none. */
void	rule_connect(struct session *, struct slice auth);

#endif
