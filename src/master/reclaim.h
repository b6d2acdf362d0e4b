/*
 * What the master does in shared memory: cleans up behind a dead child, and
 * sweeps.  Runs in the master only.
 */
#ifndef MASTER_RECLAIM_H
#define MASTER_RECLAIM_H

#include "base/clock.h"

struct conf;
struct segment;
struct stats;

/*
 * A child that waitpid(2) has returned: log the note of its panic, if it left
 * one, repair what it held, close in the statistics what it had open, and
 * free its slot.
 */
void	reclaim_child(struct segment *, struct stats *, unsigned slot,
	    const char *title);
/* Every RECLAIM_SWEEP_MS, and when the segment asks for it. */
#define RECLAIM_SWEEP_MS 100
void	reclaim_sweep(struct segment *, struct mono now);
/* Once a second: counts users per namespace into the master's column. */
void	reclaim_tally(const struct segment *, const struct conf *);

#endif
