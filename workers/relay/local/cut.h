/*
 * The cut between two workers of which one, the giver, hands sessions to the
 * other, the heir.  Each says BUS_CUT when it has sent all that it had to say
 * and says no more; when both have, BUS_MARK goes into both streams at one
 * instant.  So whatever this relay gives to workers is before the mark in both
 * streams or behind it in both, and what one of the two published is before
 * the other's mark: for each publication it is clear which of them delivers
 * it.  This file finds the pairs; exchange.c marks.  Memory only.
 */
#ifndef LOCAL_CUT_H
#define LOCAL_CUT_H

#include "proto/bus.h"
#include "role.h"

/* The other one has given up long before. */
#define CUT_ALONE_MS	1000u

struct cuts {
	/* by who has said it; a worker is in one cut at a time */
	struct cut_alone {
		bool		 waits;
		struct bus_cut	 cut;
		uint64_t	 since_ms;	/* monotonic */
	}		 alone[ROLE_SLOTS_MAX];
};

/* A worker says so.  True: so has the other one. */
bool	cut_said(struct cuts *, const struct bus_cut *, unsigned from,
	    uint64_t now_ms);
/* That worker, or its stream, is gone. */
void	cut_forget(struct cuts *, unsigned slot);
/* Now and then: those whose other one has not come are forgotten. */
void	cut_tick(struct cuts *, uint64_t now_ms);

#endif
