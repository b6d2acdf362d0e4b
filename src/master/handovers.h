/*
 * The sockets over which workers pass requests to each other: one pair per
 * slot, made once and held by the master for the daemon's whole life, so that
 * what is on its way to a worker that dies is read, and refused, by the next
 * one in its slot.  Whoever has the slot has the receiving end; all workers
 * have all sending ends.
 */
#ifndef MASTER_HANDOVERS_H
#define MASTER_HANDOVERS_H

#include "base/bug.h"
#include "role.h"

struct handovers;

/* For slots 1 ... nslots - 1; NULL + errno. */
struct handovers *handovers_open(unsigned nslots) MUST_USE;
void	handovers_close(struct handovers **);
/* What a worker in this slot is given; slot 0 (the relay): nothing. */
void	handovers_column(const struct handovers *, unsigned slot,
	    struct heritage *);

#endif
