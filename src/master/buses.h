/*
 * The streams between workers and relay: made in pairs by the master, one end
 * each.  A new process finds its ends in its heritage; the other side gets
 * CONTROL_BUS.
 */
#ifndef MASTER_BUSES_H
#define MASTER_BUSES_H

#include "base/bug.h"
#include "master/seat.h"

#define BUSES_REPAIR_MS	1000	/* at most one new stream a second each */

struct bus_ends {		/* of a child about to be forked */
	/* ours to hand on, by seat; -1: none.  For a worker only [0] is used:
	 * the relay's end. */
	int		 other[ROLE_SLOTS_MAX];
};

/* Before the fork: fills h->bus_fds and generations, keeps the other ends. */
void	buses_make(struct seat *, struct heritage *, struct bus_ends *);
/* After it: give the others their ends (ok: the fork succeeded) and close
 * the child's in this process. */
void	buses_hand_out(struct seat *, const struct heritage *,
	    struct bus_ends *, bool ok, struct mono now);
/* A worker has died: the relay closes its end. */
void	buses_gone(struct seat *worker);
/* The relay says that a worker's stream is broken. */
void	buses_lost(struct seats *, uint32_t slot, uint32_t generation);
/* A worker says that it has none; not believed while one is under way. */
void	buses_wanted(struct seat *worker, struct mono now);
/* New streams for those that need one and have waited long enough. */
void	buses_repair(struct seats *, struct mono now);

#endif
