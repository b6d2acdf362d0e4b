/*
 * Ends of connections in 16 bits; see age.h.
 */
#include "worker/net/age.h"

#define AGE_UNITS	8000u
#define AGE_JITTER	(AGE_UNITS / 10)	/* either way */

uint64_t
age_unit(uint64_t ms)
{
	return ((ms * 1000 + AGE_UNITS - 1) / AGE_UNITS);
}

uint16_t
age_draw(uint64_t unit_us, struct mono now, uint32_t chance)
{
	if (unit_us == 0)
		return (0);
	return ((uint16_t)(now.us / unit_us + AGE_UNITS - AGE_JITTER +
	    chance % (2 * AGE_JITTER + 1)));
}

uint16_t
age_keep(uint64_t unit_us, struct mono end, struct mono now, uint32_t chance)
{
	uint64_t units;

	if (unit_us == 0)
		return (0);
	units = now.us / unit_us;
	if (end.us / unit_us > units + AGE_UNITS + AGE_JITTER)
		return (age_draw(unit_us, now, chance));
	if (end.us / unit_us > units)
		units = end.us / unit_us;
	return ((uint16_t)units);	/* over: it has not to be later */
}

struct mono
age_due(uint64_t unit_us, uint16_t end, struct mono now)
{
	uint64_t units;
	int16_t left;

	if (unit_us == 0)
		return ((struct mono){ UINT64_MAX });
	units = now.us / unit_us;
	left = (int16_t)(uint16_t)(end - (uint16_t)units);
	return ((struct mono){ (units + (uint64_t)(int64_t)left) * unit_us });
}
