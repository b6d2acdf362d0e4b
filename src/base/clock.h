/*
 * Two clocks that must not be mixed up, so two types.  Pure code takes them
 * as arguments; only loops and main() ask the kernel.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

struct mono {		/* CLOCK_MONOTONIC: for deadlines and durations */
	uint64_t us;
};

struct wall {		/* unix time: for people, tokens and peers */
	uint64_t ms;
};

static inline struct mono
mono_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((struct mono){ (uint64_t)ts.tv_sec * 1000000 +
	    (uint64_t)ts.tv_nsec / 1000 });
}

static inline struct wall
wall_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return ((struct wall){ (uint64_t)ts.tv_sec * 1000 +
	    (uint64_t)ts.tv_nsec / 1000000 });
}

static inline struct mono
mono_add_ms(struct mono t, uint64_t ms)
{
	return ((struct mono){ t.us + ms * 1000 });
}

#endif
