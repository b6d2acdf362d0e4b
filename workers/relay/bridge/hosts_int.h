/*
 * Between hosts.c, which takes what other daemons say, and hosts_check.c.
 */
#ifndef RELAY_BRIDGE_HOSTS_INT_H
#define RELAY_BRIDGE_HOSTS_INT_H

#include "relay/bridge/hosts.h"

/* A publication or an order that a worker can be given: whole JSON where it
 * has to be, names that are some, and nothing that only its host
 * understands. */
bool	hosts_is_fit(const struct bus_envelope *);
/* A part of what another host answers. */
bool	hosts_is_answer(const struct bus_envelope *) MUST_USE;

/* Longer keys are not whole in the table: their rooms are reached through
 * their namespace. */
#define HOSTS_KEY_MAX	128

/* What an envelope for other hosts says to whom; NULL: it is not for them. */
const struct bus_audience *hosts_whom(const struct bus_envelope *,
	    struct slice *nsp);
/* Without a namespace it is for all of them. */
bool	hosts_may_be_for_all(const struct bus_envelope *);
/* A sid's host, and that of a name without a channel, nobody knows. */
bool	hosts_has_rest(const struct bus_audience *);
/* Does it go to more than one channel? */
bool	hosts_is_for_several(const struct bus_audience *);

#endif
