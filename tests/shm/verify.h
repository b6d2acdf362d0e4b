/*
 * The invariants of shm/table.h as code: everything that must hold of a
 * segment at rest (no process inside an operation, the dead reclaimed).
 */
#ifndef TESTS_SHM_VERIFY_H
#define TESTS_SHM_VERIFY_H

#include "shm/table.h"

/* Says on stderr what does not hold; returns how many things. */
unsigned verify_segment(struct segment *);
unsigned verify_table(struct segment *, enum table_id);

#endif
