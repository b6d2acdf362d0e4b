/*
 * Find, join and leave: what every process does with a table.  Eviction and
 * reclaim are the master's (table_master.c), announcements the relay's
 * (table_relay.c).  The order of every two shared accesses here is part of
 * the contract in table.h; HOOK() stands where a process may be killed.
 */
#include "shm/table.h"

#include <errno.h>
#include <stdlib.h>

#include "shm/counters.h"
#include "shm/table_int.h"

#define LOST		UINT32_MAX

/* A key as nodes hold it. */
struct form {
	uint64_t	 hash;
	uint16_t	 ns;
	uint16_t	 klen;
	struct slice	 held;		/* key_max bytes at most */
	uint8_t		 long_key[256];
};

struct table *
table_open(struct segment *seg, enum table_id id, unsigned slot)
{
	const struct shm_table *l;
	struct table *t;

	segment_check(seg);
	MUST(slot == SLOT_NONE || slot < seg->hdr->nslots);
	t = calloc(1, sizeof *t);
	if (t == NULL)
		return (NULL);
	l = segment_table(seg, id);
	t->magic = TABLE_MAGIC;
	t->id = id;
	t->seg = seg;
	t->hdr = seg->hdr;
	t->cap = l->cap;
	t->mask = l->nb - 1;
	t->stride = l->stride;
	t->key_max = l->key_max;
	t->text = l->text != 0;
	t->node = seg->base + l->node;
	t->head = (_Atomic uint64_t *)(void *)(seg->base + l->head);
	t->map = (_Atomic uint8_t *)(seg->base + l->map);
	t->nsid = (_Atomic uint16_t *)(void *)(seg->base + l->nsid);
	t->seen = (_Atomic uint64_t *)(void *)(seg->base + l->seen);
	t->dirty = (_Atomic uint64_t *)(void *)(seg->base + l->dirty);
	t->dsum = (_Atomic uint64_t *)(void *)(seg->base + l->dsum);
	t->col_base = seg->base + l->col;
	t->col_stride = l->col_stride;
	t->slot = slot;
	if (slot != SLOT_NONE) {
		t->col = table_col(t, slot);
		t->cursor = table_claim_start(t->cap, slot);
	}
	if (slot != SLOT_NONE && slot > 0) {
		t->word = (slot - 1) / 64;
		t->bit = (uint64_t)1 << ((slot - 1) % 64);
	}
	return (t);
}

void
table_close(struct table **tp)
{
	struct table *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	CHECK_MAGIC(t, TABLE_MAGIC);
	t->magic = 0;
	free(t->more);
	free(t);
}

/* A long key is held as its beginning and 128 bits of keyed digest. */
static void
table_form_long(const struct table *t, struct slice key, struct form *f)
{
	struct hash_key k = { t->hdr->sip_k0 ^ 0x6c6f6e67, t->hdr->sip_k1 };
	size_t keep = t->key_max - 16;
	uint64_t d[2];

	d[0] = hash_bytes(&k, key);
	k.k1 = ~k.k1;
	d[1] = hash_bytes(&k, key);
	memcpy(f->long_key, key.p, keep);
	memcpy(f->long_key + keep, d, sizeof d);
	f->held = slice_of(f->long_key, t->key_max);
}

static void
table_form_key(const struct table *t, uint16_t ns, struct slice key,
    struct form *f)
{
	struct hash_key k = { t->hdr->sip_k0 ^ ns, t->hdr->sip_k1 };

	MUST(key.n <= UINT16_MAX);
	f->hash = hash_bytes(&k, key);
	f->ns = ns;
	f->klen = (uint16_t)key.n;
	f->held = key;
	if (key.n > t->key_max)
		table_form_long(t, key, f);
}

bool
table_key(const struct table *t, const struct shm_node *node,
    struct slice *key)
{
	if (node->klen <= t->key_max) {
		*key = slice_of(node->key, node->klen);
		return (true);
	}
	*key = slice_of(node->key, t->key_max - 16);
	return (false);
}

static uint32_t
table_lost(void)
{
	counter_add(COUNTER_shm_overrun, 1);
	return (LOST);
}

uint32_t
table_next(const struct table *t, uint32_t n, unsigned *steps)
{
	uint32_t next;

	next = atomic_load_explicit(&table_node(t, n)->next,
	    memory_order_acquire);
	if (unlikely(next >= t->cap || ++*steps >= SHM_CHAIN_MAX))
		return (table_lost());
	return (next);
}

static bool
table_node_is(const struct table *t, uint32_t n, const struct form *f)
{
	const struct shm_node *node = table_node(t, n);

	return (node->hash == f->hash && node->ns == f->ns &&
	    node->klen == f->klen &&
	    memcmp(node->key, f->held.p, f->held.n) == 0 &&
	    (atomic_load_explicit(&node->ann, memory_order_seq_cst) &
	    ANN_DEAD) == 0);
}

/* J1.  The head word that the search began with goes to *hv. */
static uint32_t
table_walk(const struct table *t, const struct form *f, uint64_t *hv)
{
	unsigned steps = 0;
	uint32_t n;

	*hv = atomic_load_explicit(&t->head[f->hash & t->mask],
	    memory_order_acquire);
	n = (uint32_t)*hv;
	if (unlikely(n >= t->cap))
		return (table_lost());
	while (n != 0 && n != LOST) {
		HOOK();
		if (table_node_is(t, n, f))
			return (n);
		n = table_next(t, n, &steps);
	}
	return (n);
}

uint32_t
table_find(const struct table *t, uint16_t ns, struct slice key)
{
	struct form f;
	uint64_t hv;
	uint32_t n;

	table_form_key(t, ns, key, &f);
	n = table_walk(t, &f, &hv);
	return (n == LOST ? 0 : n);
}

unsigned
table_level(const struct table *t, uint32_t n)
{
	const struct shm_node *node = table_node(t, n);
	uint64_t held, remote;

	held = atomic_load_explicit(&node->bits[0], memory_order_seq_cst);
	HOOK();
	held |= atomic_load_explicit(&node->bits[1], memory_order_seq_cst);
	HOOK();
	remote = atomic_load_explicit(&node->remote, memory_order_seq_cst);
	return ((held != 0 ? ANN_L : 0) | (remote != 0 ? ANN_R : 0));
}

void
table_mark(struct table *t, uint32_t n)
{
	uint32_t w = n / 64;
	uint64_t was;

	if (t->id == TABLE_COUNT)
		return;		/* nobody is told */
	atomic_fetch_or_explicit(&t->dirty[w], (uint64_t)1 << (n % 64),
	    memory_order_release);
	HOOK();
	was = atomic_fetch_or_explicit(&t->dsum[w / 64],
	    (uint64_t)1 << (w % 64), memory_order_seq_cst);
	if (was == 0 && atomic_load_explicit(&t->hdr->relay_asleep,
	    memory_order_seq_cst) != 0)
		segment_ring(t->seg->relay_fd);
}

/*
 * ann is read before the bits, always: the compare-and-swap then proves that
 * nobody told the world anything else in between.
 */
bool
table_reconcile(struct table *t, uint32_t n)
{
	struct shm_node *node = table_node(t, n);
	uint64_t a, now, version;
	unsigned level;

	for (;;) {
		a = atomic_load_explicit(&node->ann, memory_order_seq_cst);
		if ((a & ANN_DEAD) != 0)
			return (false);
		HOOK();
		level = table_level(t, n);
		if (level == (a & ANN_LEVEL))
			return (true);
		HOOK();
		now = mono_now().us;
		version = ANN_VERSION(a) + 1;
		if (version < now)
			version = now;
		if (atomic_compare_exchange_strong_explicit(&node->ann, &a,
		    version << 8 | level, memory_order_seq_cst,
		    memory_order_seq_cst)) {
			HOOK();
			table_mark(t, n);
		}
		HOOK();
	}
}

void
table_touch(struct table *t, uint32_t n)
{
	struct shm_node *node = table_node(t, n);
	uint64_t a, now = mono_now().us, version;

	a = atomic_load_explicit(&node->ann, memory_order_seq_cst);
	do {
		if ((a & ANN_DEAD) != 0)
			return;
		version = ANN_VERSION(a) + 1 > now ? ANN_VERSION(a) + 1 : now;
	} while (!atomic_compare_exchange_weak_explicit(&node->ann, &a,
	    version << 8 | (a & ANN_LEVEL), memory_order_seq_cst,
	    memory_order_seq_cst));
	HOOK();
	table_mark(t, n);
}

void
table_seen(struct table *t, uint32_t n, uint64_t ms)
{
	_Atomic uint64_t *last = &table_node(t, n)->last;
	uint64_t was = atomic_load_explicit(last, memory_order_relaxed);

	if (ms > LAST_SEEN_MAX)
		ms = LAST_SEEN_MAX;
	/* why somebody else's ended may be written meanwhile, and stays */
	while (LAST_SEEN(was) + 1000 <= ms &&
	    !atomic_compare_exchange_weak_explicit(last, &was,
	    (was & ~LAST_SEEN_MAX) | ms, memory_order_relaxed,
	    memory_order_relaxed))
		continue;
}

/*
 * Before the bit goes, which orders it: who finds by ann that nobody holds the
 * node finds why the last one does not.  Each end says so, and no join: until
 * the next one ends, the word is of the last.
 */
void
table_ended(struct table *t, uint32_t n, uint8_t why)
{
	_Atomic uint64_t *last = &table_node(t, n)->last;
	uint64_t was = atomic_load_explicit(last, memory_order_relaxed);

	while (LAST_WHY(was) != why &&
	    !atomic_compare_exchange_weak_explicit(last, &was,
	    (uint64_t)why << 56 | LAST_SEEN(was), memory_order_relaxed,
	    memory_order_relaxed))
		continue;
	HOOK();
}

/*
 * Whoever joins is seen now, and that stands in the node before anybody can
 * be told that they are here: both ways of joining publish it, by ann or by
 * the head of the chain.
 */
static void
table_seen_joining(struct table *t, uint32_t n)
{
	if (t->id == TABLE_PRESENCE && t->slot > 0)
		table_seen(t, n, wall_now().ms);
	HOOK();
}

/* I2.  Ours and not linked: nobody looks, so plain order is enough. */
static void
table_fill(struct table *t, uint32_t n, const struct form *f, uint64_t hosts)
{
	struct shm_node *node = table_node(t, n);
	unsigned i;

	for (i = 0; i < 2; i++)
		atomic_store_explicit(&node->bits[i],
		    t->slot > 0 && i == t->word ? t->bit : 0,
		    memory_order_relaxed);
	HOOK();
	atomic_store_explicit(&node->remote, hosts, memory_order_relaxed);
	atomic_store_explicit(&node->status, 0, memory_order_relaxed);
	atomic_store_explicit(&node->last, 0, memory_order_relaxed);
	table_seen_joining(t, n);
	node->hash = f->hash;
	node->ns = f->ns;
	node->klen = f->klen;
	if (f->held.n > 0)
		memcpy(node->key, f->held.p, f->held.n);
	HOOK();
	atomic_store_explicit(&t->seen[n], 0, memory_order_relaxed);
	atomic_store_explicit(&t->nsid[n], f->ns, memory_order_relaxed);
}

/* A node that we claimed and need no more. */
static void
table_unclaim(struct table *t, uint32_t n)
{
	atomic_store_explicit(&t->col[n], 0, memory_order_relaxed);
	HOOK();
	atomic_store_explicit(&t->map[n], MAP_FREE, memory_order_release);
	HOOK();
}

/* I4, I5: insertion, join and edge at once.  False: somebody was faster. */
static bool
table_link(struct table *t, uint32_t n, const struct form *f, uint64_t hv)
{
	struct shm_node *node = table_node(t, n);
	uint64_t level = t->slot > 0 ? ANN_L : ANN_R;

	atomic_store_explicit(&node->ann, mono_now().us << 8 | level,
	    memory_order_relaxed);
	atomic_store_explicit(&node->next, (uint32_t)hv,
	    memory_order_relaxed);
	HOOK();
	if (!atomic_compare_exchange_strong_explicit(
	    &t->head[f->hash & t->mask], &hv, ((hv >> 32) + 1) << 32 | n,
	    memory_order_acq_rel, memory_order_relaxed))
		return (false);
	HOOK();
	atomic_store_explicit(&t->map[n], MAP_LINKED, memory_order_release);
	HOOK();
	table_mark(t, n);
	return (true);
}

/* The bit, or for the relay the hosts.  seq_cst: related to ann. */
static void
table_pin(struct table *t, uint32_t n, uint64_t hosts)
{
	struct shm_node *node = table_node(t, n);

	if (t->slot > 0)
		atomic_fetch_or_explicit(&node->bits[t->word], t->bit,
		    memory_order_seq_cst);
	else
		atomic_exchange_explicit(&node->remote, hosts,
		    memory_order_seq_cst);
}

/* True if what is left in the word is nothing. */
static bool
table_unpin(struct table *t, uint32_t n)
{
	struct shm_node *node = table_node(t, n);

	if (t->slot > 0)
		return ((atomic_fetch_and_explicit(&node->bits[t->word],
		    ~t->bit, memory_order_seq_cst) & ~t->bit) == 0);
	atomic_exchange_explicit(&node->remote, 0, memory_order_seq_cst);
	return (true);
}

/* J2 to J5.  False: the node died meanwhile and is not held. */
static bool
table_hold(struct table *t, uint32_t n, uint64_t hosts)
{
	if (atomic_load_explicit(&t->col[n], memory_order_relaxed) == 0)
		atomic_store_explicit(&t->col[n], 1, memory_order_relaxed);
	HOOK();
	table_seen_joining(t, n);
	table_pin(t, n, hosts);
	HOOK();
	if (BREAK_NO_UNDO || table_reconcile(t, n))
		return (true);
	HOOK();
	table_unpin(t, n);
	HOOK();
	atomic_store_explicit(&t->col[n], 0, memory_order_release);
	HOOK();
	return (false);
}

uint32_t
table_enter(struct table *t, uint16_t ns, struct slice key, uint64_t hosts,
    bool *held)
{
	uint32_t mine = 0, n;
	struct form f;
	uint64_t hv;

	*held = false;
	table_form_key(t, ns, key, &f);
	for (;;) {
		n = table_walk(t, &f, &hv);
		HOOK();
		if (mine != 0 && n != 0) {
			table_unclaim(t, mine);
			mine = 0;
		}
		if (n == LOST)
			return (0);
		if (n != 0) {
			if (t->slot > 0 && table_holds(t, n)) {
				*held = true;
				return (n);
			}
			if (table_hold(t, n, hosts))
				return (n);
			continue;
		}
		if (mine == 0) {
			mine = table_claim(t);
			HOOK();
			if (mine == 0)
				return (0);
			table_fill(t, mine, &f, hosts);
			HOOK();
			atomic_store_explicit(&t->col[mine], 1,
			    memory_order_relaxed);
			HOOK();
		}
		if (table_link(t, mine, &f, hv))
			return (mine);
		HOOK();
	}
}

/* L1 to L3. */
void
table_release(struct table *t, uint32_t n)
{
	if (BREAK_COLUMN_FIRST) {
		atomic_store_explicit(&t->col[n], 0, memory_order_release);
		HOOK();
	}
	if (table_unpin(t, n)) {
		HOOK();
		(void)table_reconcile(t, n);
	}
	HOOK();
	atomic_store_explicit(&t->col[n], 0, memory_order_release);
	HOOK();
}

bool
table_holds(const struct table *t, uint32_t n)
{
	return (atomic_load_explicit(&t->col[n], memory_order_relaxed) != 0);
}

static struct table_more *
table_more_of(struct table *t, uint32_t n, bool make)
{
	struct table_more *p;
	unsigned i;

	for (i = 0; i < t->nmore; i++)
		if (t->more[i].node == n)
			return (&t->more[i]);
	if (!make)
		return (NULL);
	if (t->nmore == t->more_cap) {
		p = reallocarray(t->more, t->more_cap + 16, sizeof *p);
		if (p == NULL)
			return (NULL);
		t->more = p;
		t->more_cap += 16;
	}
	t->more[t->nmore] = (struct table_more){ .node = n };
	return (&t->more[t->nmore++]);
}

void
table_add(struct table *t, uint32_t n, uint32_t count)
{
	struct table_more *m;
	uint32_t have;

	have = atomic_load_explicit(&t->col[n], memory_order_relaxed);
	MUST(have != 0);
	if (likely(count <= UINT16_MAX - have)) {
		atomic_store_explicit(&t->col[n], (uint16_t)(have + count),
		    memory_order_relaxed);
		return;
	}
	count -= UINT16_MAX - have;
	atomic_store_explicit(&t->col[n], UINT16_MAX, memory_order_relaxed);
	m = table_more_of(t, n, true);
	if (m != NULL)
		m->count += count;
}

uint32_t
table_join(struct table *t, uint16_t ns, struct slice key)
{
	uint32_t n;
	bool held;

	CHECK_MAGIC(t, TABLE_MAGIC);
	MUST(t->slot != SLOT_NONE && t->slot != 0);
	n = table_enter(t, ns, key, 0, &held);
	if (held)
		table_add(t, n, 1);
	return (n);
}

void
table_leave(struct table *t, uint32_t n)
{
	struct table_more *m;
	uint32_t have;

	CHECK_MAGIC(t, TABLE_MAGIC);
	MUST(n > 0 && n < t->cap && t->slot != 0);
	have = atomic_load_explicit(&t->col[n], memory_order_relaxed);
	MUST(have != 0);
	if (unlikely(have == UINT16_MAX)) {
		m = table_more_of(t, n, false);
		if (m != NULL && --m->count > 0)
			return;
		if (m != NULL) {
			*m = t->more[--t->nmore];
			return;
		}
	}
	if (have > 1)
		atomic_store_explicit(&t->col[n], (uint16_t)(have - 1),
		    memory_order_relaxed);
	else
		table_release(t, n);
}
