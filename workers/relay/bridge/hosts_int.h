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

#endif
