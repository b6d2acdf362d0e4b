/*
 * Handshakes of the host; see bucket_storm.h.  Each lane is a bucket of its own
 * (GCRA), in nanoseconds.  A known address is a bucket's word in a table of
 * their own: its debt is the time for which it is known yet, and when a set is
 * full the one that was lost first is forgotten.
 */
#include "shm/bucket_storm.h"

#include "shm/bucket_int.h"
#include "shm/counters.h"

#define STORM_SECOND	UINT64_C(1000000000)
#define STORM_AT_ONCE	(STORM_SECOND / 4)
#define STORM_KNOWN_TICKS (STORM_KNOWN_S * UINT64_C(1000000) / TICK_US)

static struct shm_storm *
storm_of(const struct segment *seg)
{
	segment_check(seg);
	return ((struct shm_storm *)(void *)(seg->base + seg->hdr->storm));
}

static uint64_t
storm_larger(uint64_t a, uint64_t b)
{
	return (a > b ? a : b);
}

/* --- the budget ---------------------------------------------------------- */

void
storm_rate_init(struct storm_rate *r, uint32_t per_second)
{
	static const unsigned quarters[STORM__LANES] = { 3, 1 };
	uint64_t cost;
	unsigned i;

	*r = (struct storm_rate){ .each_ns = 0 };
	if (per_second == 0)
		return;
	r->each_ns = storm_larger(STORM_SECOND / per_second, 1);
	for (i = 0; i < STORM__LANES; i++) {
		cost = storm_larger(4 * STORM_SECOND / quarters[i] /
		    per_second, 1);
		r->lanes[i].cost = cost;
		/* one at least, in a small budget */
		r->lanes[i].limit = storm_larger(STORM_AT_ONCE, cost);
		r->lanes[i].loan = storm_larger(STORM_AT_ONCE / 2, cost);
		r->lanes[i].late = r->lanes[i].loan -
		    r->lanes[i].limit / 2;
	}
}

bool
storm_admit(struct segment *seg, const struct storm_rate *r,
    enum storm_lane lane, struct mono now)
{
	enum storm_lane other = lane == STORM_KNOWN ? STORM_STRANGER :
	    STORM_KNOWN;
	struct shm_storm *s;
	uint64_t now_ns = now.us * 1000, over;

	if (r->each_ns == 0)
		return (true);
	s = storm_of(seg);
	return (bucket_charge_word(&s->tat[lane], r->lanes[lane].cost,
	    r->lanes[lane].limit, now_ns, &over) == BUCKET_ALLOW ||
	    bucket_charge_word(&s->tat[other], r->lanes[other].cost,
	    r->lanes[other].loan, now_ns - r->lanes[other].late, &over) ==
	    BUCKET_ALLOW);
}

/* --- refused ------------------------------------------------------------- */

/*
 * Each takes the place behind the one who was told before.  Those who come back
 * sooner than they were told take places that nobody will use: beyond the
 * spread, any time in it is as good.
 */
static unsigned
storm_place(struct shm_storm *s, const struct storm_rate *r, uint64_t now,
    uint32_t random)
{
	uint64_t last = now + (STORM_SPREAD_S - 1) * STORM_SECOND;
	uint64_t turn, next;
	unsigned lost;

	turn = atomic_load_explicit(&s->turn, memory_order_relaxed);
	for (lost = 0; lost < LOSSES_MAX; lost++) {
		next = storm_larger(turn, now) + r->each_ns +
		    r->each_ns / 3;
		if (next > last)
			break;
		if (atomic_compare_exchange_weak_explicit(&s->turn, &turn,
		    next, memory_order_relaxed, memory_order_relaxed))
			return ((unsigned)((next - now) / STORM_SECOND) + 1);
	}
	return (random % STORM_SPREAD_S + 1);
}

unsigned
storm_refuse(struct segment *seg, const struct storm_rate *r, struct mono now,
    uint32_t random, bool *begins)
{
	struct shm_storm *s = storm_of(seg);
	uint64_t none = 0;

	atomic_store_explicit(&s->refused_us, now.us, memory_order_relaxed);
	*begins = atomic_load_explicit(&s->began_us, memory_order_relaxed) ==
	    0 && atomic_compare_exchange_strong_explicit(&s->began_us, &none,
	    now.us, memory_order_relaxed, memory_order_relaxed);
	if (*begins)
		atomic_store_explicit(&s->refused, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->refused, 1, memory_order_relaxed);
	return (storm_place(s, r, now.us * 1000, random));
}

bool
storm_ends(struct segment *seg, struct mono now, struct storm_sum *sum)
{
	struct shm_storm *s = storm_of(seg);
	uint64_t began, last;

	began = atomic_load_explicit(&s->began_us, memory_order_relaxed);
	if (began == 0)
		return (false);
	last = atomic_load_explicit(&s->refused_us, memory_order_relaxed);
	if (now.us < last + STORM_QUIET_S * UINT64_C(1000000))
		return (false);
	sum->refused = atomic_load_explicit(&s->refused, memory_order_relaxed);
	/* another worker's clock may be a turn behind */
	sum->ms = last > began ? (last - began) / 1000 : 0;
	return (atomic_compare_exchange_strong_explicit(&s->began_us, &began,
	    0, memory_order_relaxed, memory_order_relaxed));
}

/* --- who is known -------------------------------------------------------- */

static uint64_t
storm_hash(const struct segment *seg, uint64_t address)
{
	struct hash_key k = segment_key(seg);

	k.k1 ^= UINT64_C(0x6b6e6f776e);
	return (hash_bytes(&k, slice_of(&address, sizeof address)));
}

void
storm_note(struct segment *seg, uint64_t address, struct mono now)
{
	uint64_t hash, tag, word = 0, ticks = now.us / TICK_US;
	_Atomic uint64_t *set;
	unsigned way;
	int64_t debt;

	segment_check(seg);
	hash = storm_hash(seg, address);
	tag = bucket_tag(hash);
	set = bucket_set_at(seg, seg->hdr->known_set, hash);
	way = bucket_choose(set, tag, ticks, &word, &debt);
	/* lost to another one: so be it */
	(void)atomic_compare_exchange_strong_explicit(&set[way], &word,
	    tag << TAT_BITS | ((ticks + STORM_KNOWN_TICKS) & TAT_MASK),
	    memory_order_relaxed, memory_order_relaxed);
}

enum storm_lane
storm_lane(const struct segment *seg, uint64_t address, struct mono now)
{
	uint64_t hash, word = 0;
	int64_t debt;

	segment_check(seg);
	hash = storm_hash(seg, address);
	(void)bucket_choose(bucket_set_at(seg, seg->hdr->known_set, hash),
	    bucket_tag(hash), now.us / TICK_US, &word, &debt);
	return (word >> TAT_BITS == bucket_tag(hash) && debt > 0 ?
	    STORM_KNOWN : STORM_STRANGER);
}
