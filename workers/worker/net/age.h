/*
 * How long a connection may live (max_connection_age), give or take a tenth, so
 * that those who came together do not go together.  The end is drawn as it
 * begins, and remembered in 16 bits: an age has eight thousand units, and those
 * that go by are counted modulo 65536, so it has to be asked for before three
 * more ages are over.  Memory only.
 */
#ifndef WORKER_NET_AGE_H
#define WORKER_NET_AGE_H

#include "base/bug.h"
#include "base/clock.h"

/* The unit (us) of an age; 0, for the age 0: for ever. */
uint64_t age_unit(uint64_t ms);
/* The end of what begins now; chance: any number. */
uint16_t age_draw(uint64_t unit_us, struct mono now, uint32_t chance);
/* One that was drawn as a time, by somebody whose unit may be another: kept if
 * it could be drawn here, or could have been before; else drawn. */
uint16_t age_keep(uint64_t unit_us, struct mono end, struct mono now,
	    uint32_t chance);
/* ... as a time, which may be over. */
struct mono age_due(uint64_t unit_us, uint16_t end, struct mono now);

#endif
