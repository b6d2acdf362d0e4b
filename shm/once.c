/*
 * Words of 64 bits: tag << 24 | second, modulo 2^24 (194 days); 0 is empty.
 * See once.h.
 *
 * Two workers that claim one name at once must pick the same way, or both
 * would win.  So a way is chosen by content alone: the oldest one; of several
 * of one second the first, counted from a place that the name gives, or a
 * set that fills within a second would forget its youngest over and over.
 * Whether it is still needed is not looked at, and nobody ever empties a
 * word.  A word that is overwritten gets no older by it, so as long as the
 * chosen one is unchanged, any other worker chooses it too, and the
 * compare-and-swap tells who was first.
 */
#include "shm/once.h"

#include "shm/counters.h"
#include "shm/internal.h"

#define UNIT_US		UINT64_C(1000000)
#define TIME_BITS	24
#define TIME_MASK	((UINT64_C(1) << TIME_BITS) - 1)
/* Other workers' clocks are read once a turn, and a turn may be long. */
#define SLACK		16
#define LIFE		(ONCE_SECONDS + SLACK + 1)

static uint64_t
once_tag(uint64_t hash)
{
	uint64_t tag = hash >> TIME_BITS;

	return (tag == 0 ? 1 : tag);
}

/* Seconds since it was claimed, and SLACK. */
static uint64_t
once_age(uint64_t word, uint64_t now)
{
	return (word == 0 ? TIME_MASK + 1 : (now + SLACK - word) & TIME_MASK);
}

/* The way of this tag if it is alive, else the oldest: *age tells. */
static unsigned
once_choose(_Atomic uint64_t *set, uint64_t tag, uint64_t now, uint64_t *word,
    uint64_t *age, bool *alive)
{
	uint64_t w, a;
	unsigned k, i, oldest = 0;

	for (k = 0; k < SHM_WAYS; k++) {
		i = (unsigned)(tag + k) % SHM_WAYS;
		w = atomic_load_explicit(&set[i], memory_order_acquire);
		a = once_age(w, now);
		if (w >> TIME_BITS == tag && a <= LIFE) {
			*alive = true;
			return (i);
		}
		if (k == 0 || a > *age) {
			*age = a;
			*word = w;
			oldest = i;
		}
	}
	*alive = false;
	return (oldest);
}

static _Atomic uint64_t *
once_set_of(struct segment *seg, struct slice name, uint64_t *tag)
{
	struct hash_key k = segment_key(seg);
	uint64_t hash;

	segment_check(seg);
	k.k1 ^= UINT64_C(0x6f6e6365);
	hash = hash_bytes(&k, name);
	*tag = once_tag(hash);
	return ((_Atomic uint64_t *)(void *)(seg->base + seg->hdr->once_set) +
	    (hash & (seg->hdr->once_nsets - 1)) * SHM_WAYS);
}

enum once
once_claim(struct segment *seg, struct slice name, struct mono now)
{
	uint64_t tag, word = 0, age = 0, at = now.us / UNIT_US, time;
	_Atomic uint64_t *set = once_set_of(seg, name, &tag);
	bool alive;
	unsigned way;

	do {
		way = once_choose(set, tag, at, &word, &age, &alive);
		if (alive)
			return (ONCE_AGAIN);
		/* this worker's clock may be behind */
		time = age < SLACK ? word : at;
		HOOK();
	} while (!atomic_compare_exchange_strong_explicit(&set[way], &word,
	    tag << TIME_BITS | (time & TIME_MASK), memory_order_acq_rel,
	    memory_order_acquire));
	if (age <= LIFE)
		counter_add(COUNTER_api_ids_forgotten, 1);
	return (ONCE_FIRST);
}

#define ONCE_NAME_MAX	(sizeof(uint32_t) + ONCE_ID_MAX)

static struct slice
once_name(uint8_t name[ONCE_NAME_MAX], uint32_t ns, struct slice id)
{
	MUST(id.n <= ONCE_ID_MAX);
	memcpy(name, &ns, sizeof ns);
	if (id.n != 0)
		memcpy(name + sizeof ns, id.p, id.n);
	return (slice_of(name, sizeof ns + id.n));
}

enum once
once_claim_id(struct segment *seg, uint32_t ns, struct slice id,
    struct mono now)
{
	uint8_t name[ONCE_NAME_MAX];

	return (once_claim(seg, once_name(name, ns, id), now));
}

void
once_forget_id(struct segment *seg, uint32_t ns, struct slice id)
{
	uint8_t name[ONCE_NAME_MAX];
	uint64_t tag, word;
	_Atomic uint64_t *set = once_set_of(seg, once_name(name, ns, id),
	    &tag);
	unsigned k;

	for (k = 0; k < SHM_WAYS; k++) {
		word = atomic_load_explicit(&set[k], memory_order_acquire);
		HOOK();
		if (word >> TIME_BITS == tag)
			(void)atomic_compare_exchange_strong_explicit(&set[k],
			    &word, 0, memory_order_acq_rel,
			    memory_order_acquire);
	}
}
