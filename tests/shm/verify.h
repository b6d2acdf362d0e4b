/*
 * The invariants of shm/table.h as code: everything that must hold of a
 * segment at rest (no process inside an operation, the dead reclaimed).
 */
#ifndef TESTS_SHM_VERIFY_H
#define TESTS_SHM_VERIFY_H

#include "shm/sweep.h"
#include "shm/table.h"

/* As by a master that has only just come, and goes again. */
static inline void
reclaim_anew(struct segment *seg, unsigned slot)
{
	struct sweep *w = sweep_new(seg);

	MUST(w != NULL);
	sweep_reclaim(w, slot);
	sweep_free(&w);
}

/* Says on stderr what does not hold; returns how many things. */
unsigned verify_segment(struct segment *);
unsigned verify_table(struct segment *, enum table_id);

#endif
