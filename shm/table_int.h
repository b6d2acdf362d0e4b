/*
 * Between table.c and table_claim.c: a free node for the next key, or "full".
 */
#ifndef SHM_TABLE_INT_H
#define SHM_TABLE_INT_H

#include "shm/internal.h"

/* Where a slot's first search begins. */
uint32_t table_claim_start(uint32_t cap, unsigned slot);
/* A free node becomes the slot's, 0: there is none, or hardly one. */
uint32_t table_claim(struct table *);

#endif
