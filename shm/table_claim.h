/*
 * A free node for a table's next key, or "full".  Called by table.c alone.
 */
#ifndef SHM_TABLE_CLAIM_H
#define SHM_TABLE_CLAIM_H

#include "shm/internal.h"

/* Where a slot's first search begins. */
uint32_t table_claim_start(uint32_t cap, unsigned slot);
/* A free node becomes the slot's, 0: there is none, or hardly one. */
uint32_t table_claim(struct table *);

#endif
