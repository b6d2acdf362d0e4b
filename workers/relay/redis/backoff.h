/*
 * How long to wait before another attempt: from 50 ms, twice as long each
 * time, up to 5 s; by chance between half of it and all, so that hosts which
 * lost Redis together do not come back together.  Pure.
 */
#ifndef RELAY_REDIS_BACKOFF_H
#define RELAY_REDIS_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS	50
#define BACKOFF_LAST_MS		5000

/* failures: in a row, 1...; random: any number. */
static inline uint64_t
backoff_ms(unsigned failures, uint32_t random)
{
	uint64_t ms = BACKOFF_LAST_MS;

	if (failures < 8 && ((uint64_t)BACKOFF_FIRST_MS << (failures - 1)) < ms)
		ms = (uint64_t)BACKOFF_FIRST_MS << (failures - 1);
	return (ms - (ms / 2) * random / UINT32_MAX);
}

#endif
