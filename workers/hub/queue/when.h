/*
 * Moments of the loop's clock in 32 bits, for what every client carries:
 * milliseconds, wrapping after 49 days, compared by their signed difference;
 * 0 is never.  Good for moments within 24 days of now.
 */
#ifndef HUB_QUEUE_WHEN_H
#define HUB_QUEUE_WHEN_H

#include "base/clock.h"

typedef uint32_t when;

static inline when
when_of(uint64_t us)
{
	when t = (when)(us / 1000);

	return (us == 0 ? 0 : t == 0 ? 1 : t);
}

/* The moment in microseconds; 0: never. */
static inline uint64_t
when_us(when t, struct mono now)
{
	uint64_t ms = now.us / 1000;

	return (t == 0 ? 0 : (ms + (uint64_t)(int64_t)(int32_t)(t -
	    (uint32_t)ms)) * 1000);
}

static inline bool
when_past(when t, struct mono now)
{
	return (t != 0 && (int32_t)((uint32_t)(now.us / 1000) - t) >= 0);
}

#endif
