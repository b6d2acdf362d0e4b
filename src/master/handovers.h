/*
 * The sockets over which workers pass requests to each other: one pair per
 * slot, made once and held by the master for the daemon's whole life, so that
 * what is on its way to a worker that dies is read by the next one in its
 * slot, or by another worker when nobody follows.  Whoever has the slot has the receiving end; all workers
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
/* The receiving end of this slot, if something waits in it; else -1. */
int	handovers_waits(const struct handovers *, unsigned slot) MUST_USE;
/* They go on in a successor of the master: the ends by slot, -1 where there is
 * none.  handovers_adopt() takes them, also when it fails: NULL + errno, EBADF
 * if one is missing. */
struct handovers_kept {
	unsigned	 nslots;
	int		 in[ROLE_SLOTS_MAX];
	int		 out[ROLE_SLOTS_MAX];
};
void	handovers_keep(const struct handovers *, struct handovers_kept *);
struct handovers *handovers_adopt(const struct handovers_kept *) MUST_USE;
/* What a worker in this slot is given; slot 0 (the relay): nothing. */
void	handovers_column(const struct handovers *, unsigned slot,
	    struct heritage *);

#endif
