/*
 * Open addressing: an entry is somewhere in the window that its hash begins.
 * See table_revoked.h.
 *
 * Whoever finds an id and then reads what belongs to it may find that the entry
 * was freed and taken again meanwhile: it looks at the id a second time.  A when
 * that was read while it was in force cannot be of another entry later: until
 * only grows, here and in what comes after.
 */
#include "shm/table_revoked.h"

#include <string.h>

#include "shm/counters.h"
#include "shm/table_revoked_int.h"

#define WINDOW		128u	/* entries that may hold one */
#define CLAIMS		256u	/* ids below: slot + 1 is writing it */

struct revoked_table
revoked_table(const struct segment *seg)
{
	const struct shm_header *h = seg->hdr;

	segment_check(seg);
	return ((struct revoked_table){
	    .id = (_Atomic uint64_t *)(void *)(seg->base + h->revoked_id),
	    .when = (_Atomic uint64_t *)(void *)(seg->base + h->revoked_when),
	    .told = (_Atomic uint64_t *)(void *)(seg->base + h->revoked_told),
	    .name = (_Atomic uint64_t *)(void *)(seg->base + h->revoked_name),
	    .mask = (uint32_t)h->revoked_nb - 1 });
}

static uint32_t
revoked_window(const struct revoked_table *t)
{
	return (t->mask + 1 < WINDOW ? t->mask + 1 : WINDOW);
}

uint64_t
revoked_id(const struct segment *seg, enum revoked_kind kind,
    struct slice name)
{
	struct hash_key k = segment_key(seg);
	uint64_t id;

	k.k1 ^= UINT64_C(0x7265766f6b6500) + (uint64_t)kind;
	id = hash_bytes(&k, name);
	return (id < CLAIMS ? id + CLAIMS : id);
}

uint32_t
revoked_room(const struct segment *seg)
{
	return ((uint32_t)(seg->hdr->revoked_nb / 2));
}

/* --- is it? ---------------------------------------------------------------- */

bool
revoked_any(const struct segment *seg)
{
	return (atomic_load_explicit(&seg->hdr->revoked_used,
	    memory_order_acquire) != 0);
}

static bool
revoked_counts(uint64_t when, uint64_t now_s)
{
	return (when >> 32 >= now_s && when != 0);
}

/* Of this id, which is there once as a rule; 0: it is not. */
static uint64_t
revoked_when(const struct segment *seg, uint64_t id, uint64_t now_s)
{
	struct revoked_table t = revoked_table(seg);
	uint32_t i, at, n = revoked_window(&t);
	uint64_t when, last = 0;

	for (i = 0; i < n; i++) {
		at = (uint32_t)(id + i) & t.mask;
		if (likely(atomic_load_explicit(&t.id[at],
		    memory_order_acquire) != id))
			continue;
		when = atomic_load_explicit(&t.when[at], memory_order_acquire);
		if (!revoked_counts(when, now_s) || atomic_load_explicit(
		    &t.id[at], memory_order_acquire) != id)
			continue;
		/* two that were written at once: the later moment */
		if ((uint32_t)when > (uint32_t)last || last == 0)
			last = when;
	}
	return (last);
}

bool
revoked_is(const struct segment *seg, uint64_t id, int64_t iat,
    uint64_t now_s)
{
	uint64_t when;

	if (likely(!revoked_any(seg)))
		return (false);
	when = revoked_when(seg, id, now_s);
	return (when != 0 && iat <= (int64_t)(uint32_t)when);
}

/* --- it is, from now on ---------------------------------------------------- */

/* The later of each. */
static uint64_t
revoked_merge(uint64_t a, uint64_t b)
{
	uint64_t until = a >> 32 > b >> 32 ? a >> 32 : b >> 32;
	uint32_t moment = (uint32_t)a > (uint32_t)b ? (uint32_t)a :
	    (uint32_t)b;

	return (until << 32 | moment);
}

/* false: it is being freed. */
static bool
revoked_raise(_Atomic uint64_t *when, struct revocation *r, uint64_t now_s,
    enum revoked_put *result)
{
	uint64_t is = atomic_load_explicit(when, memory_order_acquire), to;
	uint64_t more = (uint64_t)r->until << 32 | r->moment;

	do {
		if (is == 0)
			return (false);
		/* what is over says nothing any more */
		to = revoked_merge(revoked_counts(is, now_s) ? is :
		    is & ~(uint64_t)UINT32_MAX, more);
		HOOK();
	} while (to != is && !atomic_compare_exchange_strong_explicit(when,
	    &is, to, memory_order_seq_cst, memory_order_acquire));
	*result = to == is ? REVOKED_KNOWN : REVOKED_NEW;
	r->until = (uint32_t)(to >> 32);
	r->moment = (uint32_t)to;
	return (true);
}

static bool
revoked_raise_known(const struct revoked_table *t, uint64_t id,
    struct revocation *r, uint64_t now_s, enum revoked_put *result)
{
	uint32_t i, at, n = revoked_window(t);

	for (i = 0; i < n; i++) {
		at = (uint32_t)(id + i) & t->mask;
		if (atomic_load_explicit(&t->id[at], memory_order_acquire) ==
		    id && revoked_raise(&t->when[at], r, now_s, result))
			return (true);
	}
	return (false);
}

static void
revoked_write_name(_Atomic uint64_t *to, const struct revocation *r)
{
	uint64_t words[REVOKED_NAME_WORDS] = { (uint64_t)r->kind << 8 | r->name.n };
	unsigned i;

	MUST(r->name.n != 0 && r->name.n <= REVOKED_NAME_MAX);
	memcpy(words + 1, r->name.p, r->name.n);
	for (i = 0; i < 1 + (r->name.n + 7) / 8; i++)
		atomic_store_explicit(&to[i], words[i], memory_order_relaxed);
}

/* false: no room. */
static bool
revoked_write(struct segment *seg, const struct revoked_table *t, uint64_t id,
    unsigned slot, const struct revocation *r)
{
	uint32_t i, at = 0, n = revoked_window(t);
	uint64_t none = 0;

	for (i = 0; i < n; i++, none = 0) {
		at = (uint32_t)(id + i) & t->mask;
		HOOK();
		if (atomic_compare_exchange_strong_explicit(&t->id[at], &none,
		    slot + 1, memory_order_acq_rel, memory_order_relaxed))
			break;
	}
	if (i == n)
		return (false);
	HOOK();
	revoked_write_name(t->name + (size_t)at * REVOKED_NAME_WORDS, r);
	HOOK();
	atomic_store_explicit(&t->told[at], 0, memory_order_relaxed);
	atomic_store_explicit(&t->when[at], (uint64_t)r->until << 32 |
	    r->moment, memory_order_relaxed);
	HOOK();
	/* first: whoever sees none looks at none */
	atomic_fetch_add(&seg->hdr->revoked_used, 1);
	HOOK();
	atomic_store_explicit(&t->id[at], id, memory_order_seq_cst);
	HOOK();
	return (true);
}

enum revoked_put
revoked_put(struct segment *seg, unsigned slot, struct revocation *r,
    uint64_t now_s)
{
	struct revoked_table t = revoked_table(seg);
	uint64_t id = revoked_id(seg, r->kind, r->name);
	enum revoked_put result;

	MUST(slot + 1 < CLAIMS && r->until != 0);
	if (revoked_raise_known(&t, id, r, now_s, &result))
		return (result);
	if (atomic_load(&seg->hdr->revoked_used) < revoked_room(seg) &&
	    revoked_write(seg, &t, id, slot, r))
		return (REVOKED_NEW);
	counter_add(COUNTER_revocations_refused, 1);
	/* those that are over go at once */
	atomic_store(&seg->hdr->need_sweep, 1);
	segment_ring(seg->master_fd);
	return (REVOKED_FULL);
}

/* --- one after the other --------------------------------------------------- */

bool
revoked_read(const struct revoked_table *t, uint32_t at, uint64_t now_s,
    struct revoked_entry *e)
{
	uint64_t words[REVOKED_NAME_WORDS], id, when, told;
	const _Atomic uint64_t *name = t->name + (size_t)at * REVOKED_NAME_WORDS;
	size_t n, i;

	id = atomic_load_explicit(&t->id[at], memory_order_acquire);
	if (id < CLAIMS)
		return (false);
	words[0] = atomic_load_explicit(&name[0], memory_order_relaxed);
	n = words[0] & 0xff;
	for (i = 1; i <= (n + 7) / 8; i++)
		words[i] = atomic_load_explicit(&name[i],
		    memory_order_relaxed);
	told = atomic_load_explicit(&t->told[at], memory_order_relaxed);
	when = atomic_load_explicit(&t->when[at], memory_order_acquire);
	shm_fence();
	if (n == 0 || !revoked_counts(when, now_s) ||
	    atomic_load_explicit(&t->id[at], memory_order_acquire) != id)
		return (false);
	memcpy(e->name, words + 1, n);
	e->told = told == when;
	e->r = (struct revocation){ .kind = (enum revoked_kind)(words[0] >> 8),
		.name = slice_of(e->name, n), .moment = (uint32_t)when,
		.until = (uint32_t)(when >> 32) };
	return (e->r.kind == REVOKED_USER || e->r.kind == REVOKED_TOKEN);
}

bool
revoked_next(const struct segment *seg, uint32_t *at, uint64_t now_s,
    struct revoked_entry *e)
{
	struct revoked_table t = revoked_table(seg);

	if (!revoked_any(seg))
		return (false);
	while (*at <= t.mask)
		if (revoked_read(&t, (*at)++, now_s, e))
			return (true);
	return (false);
}

uint32_t
revoked_places(const struct segment *seg)
{
	return ((uint32_t)seg->hdr->revoked_nb);
}

bool
revoked_next_in(const struct segment *seg, uint32_t *at, uint32_t *places,
    uint64_t now_s, struct revoked_entry *e)
{
	struct revoked_table t = revoked_table(seg);

	if (!revoked_any(seg))
		*places = 0;
	while (*places > 0) {
		*places -= 1;
		*at = (*at + 1) & t.mask;
		if (revoked_read(&t, *at, now_s, e))
			return (true);
	}
	return (false);
}

void
revoked_tell(struct segment *seg, const struct revocation *r)
{
	struct revoked_table t = revoked_table(seg);
	uint64_t id = revoked_id(seg, r->kind, r->name);
	uint32_t i, at, n = revoked_window(&t);

	for (i = 0; i < n; i++) {
		at = (uint32_t)(id + i) & t.mask;
		if (atomic_load_explicit(&t.id[at], memory_order_acquire) ==
		    id)
			atomic_store_explicit(&t.told[at],
			    (uint64_t)r->until << 32 | r->moment,
			    memory_order_relaxed);
	}
}

void
revoked_untell(struct segment *seg)
{
	struct revoked_table t = revoked_table(seg);
	uint32_t at;

	if (!revoked_any(seg))
		return;
	for (at = 0; at <= t.mask; at++)
		atomic_store_explicit(&t.told[at], 0, memory_order_relaxed);
}

/* --- the master ------------------------------------------------------------ */

void
revoked_reclaim(struct segment *seg, unsigned slot)
{
	struct revoked_table t = revoked_table(seg);
	uint32_t at;

	for (at = 0; at <= t.mask; at++)
		if (atomic_load_explicit(&t.id[at], memory_order_relaxed) ==
		    slot + 1) {
			atomic_store_explicit(&t.when[at], 0,
			    memory_order_relaxed);
			atomic_store_explicit(&t.id[at], 0,
			    memory_order_release);
		}
	/* he may have told nobody yet */
	revoked_ask_look(seg);
}

void
revoked_ask_look(struct segment *seg)
{
	atomic_fetch_add(&seg->hdr->revoked_looks, 1);
}

uint64_t
revoked_looks(const struct segment *seg)
{
	return (atomic_load_explicit(&seg->hdr->revoked_looks,
	    memory_order_relaxed));
}

/* One that is over; or was, when a master before was interrupted. */
static bool
revoked_free(struct segment *seg, const struct revoked_table *t, uint32_t at,
    uint64_t now_s)
{
	uint64_t when = atomic_load_explicit(&t->when[at],
	    memory_order_acquire);

	if (revoked_counts(when, now_s))
		return (false);
	HOOK();
	if (when != 0 && !atomic_compare_exchange_strong_explicit(
	    &t->when[at], &when, 0, memory_order_seq_cst,
	    memory_order_relaxed))
		return (false);		/* it begins anew */
	HOOK();
	atomic_store_explicit(&t->id[at], 0, memory_order_release);
	HOOK();
	atomic_fetch_sub(&seg->hdr->revoked_used, 1);
	return (true);
}

/* All were looked at.  Who died at the wrong moment was counted, or freed, and
 * not: unless somebody else came meanwhile, what was found is true. */
static void
revoked_pass_end(struct segment *seg, struct revoked_pass *p)
{
	uint64_t used = p->used;

	if (used != p->n)
		(void)atomic_compare_exchange_strong(&seg->hdr->revoked_used,
		    &used, p->n);
	counter_set(COUNTER_revocations, p->live);
	counter_set(COUNTER_revocations_full,
	    p->n >= revoked_room(seg));
	p->at = p->n = p->live = 0;
}

void
revoked_sweep(struct segment *seg, struct revoked_pass *p, uint32_t n,
    uint64_t now_s)
{
	struct revoked_table t = revoked_table(seg);
	uint64_t id;

	for (; n > 0; n--) {
		if (p->at == 0)
			p->used = atomic_load(&seg->hdr->revoked_used);
		id = atomic_load_explicit(&t.id[p->at], memory_order_acquire);
		if (id >= CLAIMS && revoked_free(seg, &t, p->at, now_s))
			p->used--;
		else if (id != 0) {
			p->n++;
			p->live += id >= CLAIMS;
		}
		if (p->at++ == t.mask)
			revoked_pass_end(seg, p);
	}
}
