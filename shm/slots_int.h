/*
 * A slot's state, as slots.c and slots_heirs.c have it.  Private to these.
 */
#ifndef SHM_SLOTS_INT_H
#define SHM_SLOTS_INT_H

#include "shm/internal.h"
#include "shm/slots.h"

static inline enum slot_state
slot_row_get(const struct slot_row *row)
{
	return ((enum slot_state)atomic_load_explicit(&row->state,
	    memory_order_acquire));
}

#endif
