/*
 * Words of buckets, as bucket.c and bucket_storm.c have them.  Private to
 * these.
 */
#ifndef SHM_BUCKET_INT_H
#define SHM_BUCKET_INT_H

#include "shm/bucket.h"
#include "shm/internal.h"

#define TICK_US		4
#define TAT_BITS	42
#define TAT_MASK	(((uint64_t)1 << TAT_BITS) - 1)
#define LOSSES_MAX	16	/* lost compare-and-swaps, then let through */

/* tat - now, as a signed number of ticks. */
static inline int64_t
bucket_debt(uint64_t word, uint64_t now)
{
	uint64_t d = (word - now) & TAT_MASK;

	return ((int64_t)(d << (64 - TAT_BITS)) >> (64 - TAT_BITS));
}

static inline uint64_t
bucket_tag(uint64_t hash)
{
	uint64_t tag = hash >> TAT_BITS;

	return (tag == 0 ? 1 : tag);
}

/* The set of this hash, in the part of the segment that begins at `at`. */
static inline _Atomic uint64_t *
bucket_set_at(const struct segment *seg, uint64_t at, uint64_t hash)
{
	return ((_Atomic uint64_t *)(void *)(seg->base + at) +
	    (hash & (seg->hdr->rate_nsets - 1)) * SHM_WAYS);
}

/* The way of this tag, else the one with the least debt. */
unsigned bucket_choose(_Atomic uint64_t *set, uint64_t tag, uint64_t now,
	    uint64_t *word, int64_t *debt);
/* A bucket of its own, whose word is a plain tat in nanoseconds; DENY: *over is
 * how many too soon. */
enum bucket_verdict bucket_charge_word(_Atomic uint64_t *word, uint64_t add,
	    uint64_t limit, uint64_t now, uint64_t *over);

#endif
