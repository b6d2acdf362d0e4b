/*
 * The master's part of a table: the only one who evicts, frees and repairs.
 * Its handles belong to shm/sweep.h, which calls this in order; see
 * shm/table.h for the table itself.
 */
#ifndef SHM_TABLE_MASTER_H
#define SHM_TABLE_MASTER_H

#include "shm/table.h"

struct table_master;

/*
 * Goes on with what a predecessor left half done, as far as there is memory
 * to note it.  NULL + errno.
 */
struct table_master *table_master_open(struct segment *, enum table_id)
	    MUST_USE;
void	table_master_close(struct table_master **);
/* What slot left, its owner being dead for sure. Idempotent. */
void	table_master_reclaim(struct table_master *, unsigned slot);
/* Mirrors of a relay that does not come back. Idempotent. */
void	table_master_reclaim_mirrors(struct table_master *);
/* One step of eviction; the step is longer while nodes are short. */
void	table_master_sweep(struct table_master *, struct mono now,
	    bool relay_lives);
/* Empty the master's list of the unlinked, as far as nobody can see them. */
void	table_master_grace(struct table_master *);
/* Nodes unlinked and not free yet. */
uint32_t table_master_limbo(const struct table_master *);

#endif
