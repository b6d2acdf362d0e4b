/*
 * What the master does in shared memory, and nobody else: reclaim after a
 * death, and a round every 100 ms.  It owns the master's handles.
 */
#ifndef SHM_SWEEP_H
#define SHM_SWEEP_H

#include "base/bug.h"
#include "base/clock.h"

struct segment;
struct sweep;

/* One per daemon, in the master.  NULL + errno. */
struct sweep *sweep_new(struct segment *) MUST_USE;
void	sweep_free(struct sweep **);	/* before the segment */
/*
 * Everything a dead child left: call only after waitpid() returned it and
 * slot_dead().  May be interrupted anywhere and repeated.  Frees the slot.
 * Slot 0: the relay's mirrors stay, the next relay inherits them.
 * (Gauges of the slot live in the stats file: stats_slot_free().)
 */
void	sweep_reclaim(struct sweep *, unsigned slot);
/*
 * Every 100 ms, and when segment_master_fd() rings: evicts idle nodes, frees
 * those that nobody can still see, ages rate buckets, and drops the mirrors
 * of a relay that has been dead for 30 s.
 */
void	sweep_round(struct sweep *, struct mono now);

#endif
