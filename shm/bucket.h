/*
 * Rate limits, shared by all workers: GCRA (one theoretical arrival time per
 * key) in a set-associative table of 64-bit words.  A word holds tag and time,
 * so a death leaves either the old or the new one and nothing is reclaimed.
 * Allocation-free; one compare-and-swap per allowed request, none per refusal.
 */
#ifndef SHM_BUCKET_H
#define SHM_BUCKET_H

#include "base/slice.h"
#include "shm/segment.h"

struct bucket_rate {
	uint32_t	 class;		/* index of the rate, < 64 */
	uint64_t	 ticks;		/* 4 us ticks one unit costs, >= 1 */
	uint64_t	 limit;		/* debt allowed, in ticks, < 2^41 */
};

enum bucket_verdict {
	BUCKET_ALLOW,
	BUCKET_DENY,
};

/*
 * allow units per period, burst units at once (at least 1).  False: out of
 * what a bucket can hold (faster than one per 4 us, or deeper than 101 days).
 */
bool	bucket_rate_init(struct bucket_rate *, unsigned class, uint32_t allow,
	    uint64_t period_us, uint32_t burst) MUST_USE;
/*
 * Charge cost units to key.  DENY charges nothing; *retry_us (may be NULL) is
 * when it would be allowed, 0 if allowed, UINT64_MAX if cost > burst.
 */
enum bucket_verdict bucket_check(struct segment *, const struct bucket_rate *,
	    struct slice key, uint32_t cost, struct mono now,
	    uint64_t *retry_us);
/* The same question without charging anything. */
enum bucket_verdict bucket_peek(struct segment *, const struct bucket_rate *,
	    struct slice key, uint32_t cost, struct mono now,
	    uint64_t *retry_us);
/* Master: empties words of the past in the nsets sets behind *cursor, those of
 * known addresses (bucket_storm.h) too. */
void	bucket_age(struct segment *, uint32_t *cursor, struct mono now,
	    uint32_t nsets);

#endif
