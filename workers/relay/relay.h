/*
 * The relay: the exchange between the workers of this host.  One process; if
 * it dies, workers go on serving their own clients until its replacement is
 * there.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "role.h"

int	relay_run(const struct heritage *);

#endif
