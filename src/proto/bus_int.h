/*
 * Between bus.c, which knows the kinds of envelopes, and bus_wire.c, which
 * reads and writes them.
 */
#ifndef PROTO_BUS_INT_H
#define PROTO_BUS_INT_H

#include "proto/bus.h"

/* Of that kind, without flags, and all that it says empty. */
void	bus_empty(struct bus_envelope *, enum bus_kind);

#endif
