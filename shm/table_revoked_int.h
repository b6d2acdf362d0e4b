/*
 * What table_revoked.c and table_revoked_pass.c know of a table, in a segment of
 * ours or in one that ours follows; see table_revoked.h.
 */
#ifndef SHM_TABLE_REVOKED_INT_H
#define SHM_TABLE_REVOKED_INT_H

#include "shm/internal.h"
#include "shm/table_revoked.h"

#define REVOKED_NAME_WORDS	33u	/* kind << 8 | length, then the name */

struct revoked_table {
	_Atomic uint64_t *id, *when, *told, *name;
	uint32_t	 mask;
};

struct revoked_table revoked_table(const struct segment *);
/* false: it is none, or not one any more. */
bool	revoked_read(const struct revoked_table *, uint32_t at,
	    uint64_t now_s, struct revoked_entry *) MUST_USE;

#endif
