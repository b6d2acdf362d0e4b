/*
 * Why a connection ended, as a byte in shared memory that is never 0: 0 is that
 * nobody says.  Any process.
 */
#ifndef SHM_WHY_H
#define SHM_WHY_H

#include <assert.h>
#include <stddef.h>

#include "base/reason.h"

static_assert(REASON__MAX < UINT8_MAX, "with one more, a byte");

static inline uint8_t
why_of(enum reason r)
{
	return ((uint8_t)((unsigned)r + 1));
}

/* As reason.def has it; NULL: nobody says. */
static inline const char *
why_name(uint8_t why)
{
	return (why == 0 || why > REASON__MAX ? NULL :
	    reason_row((enum reason)(why - 1))->name);
}

#endif
