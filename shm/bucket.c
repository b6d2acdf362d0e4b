/*
 * GCRA in 64-bit words: tag << 42 | tat, the theoretical arrival time in ticks
 * of 4 us modulo 2^42, compared by the sign of the 42-bit difference.  0 is an
 * empty word.  Debt is tat - now; a request of cost c is allowed while the
 * debt after it stays within the limit.
 */
#include "shm/bucket.h"

#include "shm/bucket_int.h"
#include "shm/counters.h"

#define LIMIT_MAX	((uint64_t)1 << (TAT_BITS - 1))
#define OVER_FACTOR	100	/* rate of the overflow bucket of a class */
#define AGED		(-(int64_t)(1000000 / TICK_US))

bool
bucket_rate_init(struct bucket_rate *r, unsigned class, uint32_t allow,
    uint64_t period_us, uint32_t burst)
{
	uint64_t ticks;

	if (class >= SHM_CLASSES_MAX || allow == 0 ||
	    period_us / TICK_US < allow || period_us > UINT64_MAX / 2)
		return (false);
	if (burst == 0)
		burst = 1;
	ticks = (period_us + (uint64_t)TICK_US * allow - 1) /
	    ((uint64_t)TICK_US * allow);
	if (ticks >= LIMIT_MAX / burst)
		return (false);
	*r = (struct bucket_rate){ .class = class, .ticks = ticks,
		.limit = ticks * burst };
	return (true);
}

static uint64_t
bucket_later(uint64_t debt, uint64_t cost, const struct bucket_rate *r)
{
	if (cost > r->limit)
		return (UINT64_MAX);
	return ((debt + cost - r->limit) * TICK_US);
}

enum bucket_verdict
bucket_charge_word(_Atomic uint64_t *word, uint64_t add, uint64_t limit,
    uint64_t now, uint64_t *over)
{
	uint64_t tat, debt;
	unsigned lost;

	tat = atomic_load_explicit(word, memory_order_relaxed);
	for (lost = 0; lost < LOSSES_MAX; lost++) {
		debt = tat > now ? tat - now : 0;
		if (debt + add > limit) {
			*over = debt + add - limit;
			return (BUCKET_DENY);
		}
		HOOK();
		if (atomic_compare_exchange_weak_explicit(word, &tat,
		    now + debt + add, memory_order_relaxed,
		    memory_order_relaxed))
			return (BUCKET_ALLOW);
	}
	counter_add(COUNTER_rate_contended, 1);
	return (BUCKET_ALLOW);
}

/* No way left for this key: the whole class shares one bucket, a hundred
 * times as wide. */
static enum bucket_verdict
bucket_charge_class(struct segment *seg, const struct bucket_rate *r,
    uint64_t cost, struct mono now, uint64_t *retry_us)
{
	_Atomic uint64_t *word = (_Atomic uint64_t *)(void *)(seg->base +
	    seg->hdr->rate_over) + r->class;
	uint64_t over;

	counter_add(COUNTER_rate_set_full, 1);
	if (bucket_charge_word(word, cost * TICK_US * 1000 / OVER_FACTOR,
	    r->limit * TICK_US * 1000, now.us * 1000, &over) == BUCKET_ALLOW)
		return (BUCKET_ALLOW);
	*retry_us = over / 1000 + 1;
	return (BUCKET_DENY);
}

unsigned
bucket_choose(_Atomic uint64_t *set, uint64_t tag, uint64_t now, uint64_t *word,
    int64_t *debt)
{
	int64_t d, least = INT64_MAX;
	unsigned i, best = 0;
	uint64_t w;

	for (i = 0; i < SHM_WAYS; i++) {
		w = atomic_load_explicit(&set[i], memory_order_relaxed);
		if (w >> TAT_BITS == tag) {
			*word = w;
			*debt = bucket_debt(w, now);
			return (i);
		}
		d = w == 0 ? INT64_MIN : bucket_debt(w, now);
		if (d < least) {
			least = d;
			best = i;
			*word = w;
		}
	}
	*debt = least;
	return (best);
}

static _Atomic uint64_t *
bucket_set(const struct segment *seg, uint64_t hash)
{
	return (bucket_set_at(seg, seg->hdr->rate_set, hash));
}

static enum bucket_verdict
bucket_charge(struct segment *seg, const struct bucket_rate *r, uint64_t hash,
    uint64_t cost, struct mono now, uint64_t *retry_us)
{
	_Atomic uint64_t *set = bucket_set(seg, hash);
	uint64_t tag = bucket_tag(hash), ticks = now.us / TICK_US;
	uint64_t word = 0, owed;
	unsigned lost, way;
	int64_t debt;

	for (lost = 0; lost < LOSSES_MAX; lost++) {
		way = bucket_choose(set, tag, ticks, &word, &debt);
		if (word >> TAT_BITS != tag) {
			/* somebody else's: only if it matters less */
			if (debt > (int64_t)(r->limit / 2))
				return (bucket_charge_class(seg, r, cost, now,
				    retry_us));
			debt = 0;
		}
		owed = debt > 0 ? (uint64_t)debt : 0;
		if (owed + cost > r->limit) {
			*retry_us = bucket_later(owed, cost, r);
			return (BUCKET_DENY);
		}
		HOOK();
		if (atomic_compare_exchange_strong_explicit(&set[way], &word,
		    tag << TAT_BITS | ((ticks + owed + cost) & TAT_MASK),
		    memory_order_relaxed, memory_order_relaxed))
			return (BUCKET_ALLOW);
	}
	counter_add(COUNTER_rate_contended, 1);
	return (BUCKET_ALLOW);
}

/* Where key is counted for this rate. */
static uint64_t
bucket_hash(const struct segment *seg, const struct bucket_rate *r,
    struct slice key)
{
	struct hash_key k = segment_key(seg);

	k.k1 ^= 0x72617465u + r->class;
	return (hash_bytes(&k, key));
}

/* What needs no bucket to be answered; false: it does. */
static bool
bucket_is_trivial(const struct bucket_rate *r, uint32_t cost,
    uint64_t *retry_us, enum bucket_verdict *verdict)
{
	MUST(r->class < SHM_CLASSES_MAX && r->ticks > 0);
	*retry_us = 0;
	*verdict = BUCKET_ALLOW;
	if (cost == 0)
		return (true);
	if (cost <= r->limit / r->ticks)
		return (false);
	*retry_us = UINT64_MAX;
	*verdict = BUCKET_DENY;
	return (true);
}

enum bucket_verdict
bucket_check(struct segment *seg, const struct bucket_rate *r,
    struct slice key, uint32_t cost, struct mono now, uint64_t *retry_us)
{
	enum bucket_verdict verdict;
	uint64_t unused;

	segment_check(seg);
	if (retry_us == NULL)
		retry_us = &unused;
	if (bucket_is_trivial(r, cost, retry_us, &verdict))
		return (verdict);
	return (bucket_charge(seg, r, bucket_hash(seg, r, key), r->ticks * cost,
	    now, retry_us));
}

enum bucket_verdict
bucket_peek(struct segment *seg, const struct bucket_rate *r,
    struct slice key, uint32_t cost, struct mono now, uint64_t *retry_us)
{
	uint64_t hash = bucket_hash(seg, r, key), word = 0, unused;
	enum bucket_verdict verdict;
	int64_t debt;

	segment_check(seg);
	if (retry_us == NULL)
		retry_us = &unused;
	if (bucket_is_trivial(r, cost, retry_us, &verdict))
		return (verdict);
	(void)bucket_choose(bucket_set(seg, hash), bucket_tag(hash), now.us /
	    TICK_US, &word, &debt);
	if (word >> TAT_BITS != bucket_tag(hash) || debt <= 0 ||
	    (uint64_t)debt + r->ticks * cost <= r->limit)
		return (BUCKET_ALLOW);
	*retry_us = bucket_later((uint64_t)debt, r->ticks * cost, r);
	return (BUCKET_DENY);
}

static void
bucket_age_set(_Atomic uint64_t *set, uint64_t ticks)
{
	unsigned i;
	uint64_t w;

	for (i = 0; i < SHM_WAYS; i++) {
		w = atomic_load_explicit(&set[i], memory_order_relaxed);
		if (w != 0 && bucket_debt(w, ticks) <= AGED)
			(void)atomic_compare_exchange_strong_explicit(&set[i],
			    &w, 0, memory_order_relaxed, memory_order_relaxed);
	}
}

void
bucket_age(struct segment *seg, uint32_t *cursor, struct mono now,
    uint32_t nsets)
{
	const struct shm_header *h = seg->hdr;
	uint64_t ticks = now.us / TICK_US;

	for (; nsets > 0; nsets--) {
		*cursor = (*cursor + 1) & (h->rate_nsets - 1);
		bucket_age_set(bucket_set_at(seg, h->rate_set, *cursor),
		    ticks);
		bucket_age_set(bucket_set_at(seg, h->known_set, *cursor),
		    ticks);
	}
}
