/*
 * The master's part of the table: the only one who evicts, frees and repairs.
 *
 *	LINKED --evict--> LIMBO --grace--> FREE
 *
 * A node is evicted when nobody holds it, the relay has told the world so, and
 * it was idle for a while; it is free again when every process has waited
 * once since it was unlinked.  Reclaim goes through a dead slot's column.  The
 * master may die anywhere in here; table_master_open() by its successor and
 * the same call again lead to the same end.
 */
#include "shm/table_master.h"

#include <stdlib.h>

#include "shm/counters.h"
#include "shm/why.h"

#define LINGER_PRESENCE_US	60000000u
#define LINGER_INTEREST_US	10000000u
#define SWEEP_LEAST		1024u	/* nodes looked at per step */
#define SWEEP_PRESSED		65536u

struct limbo {
	uint64_t	 epoch;		/* who works since then can't see it */
	uint32_t	 node;
};

struct table_master {
	unsigned	 magic;
#define TABLE_MASTER_MAGIC 0x7ab13a57
	struct table	*t;		/* owned, of no slot */
	uint32_t	 cursor;
	struct limbo	*limbo;		/* ring, oldest at first */
	uint32_t	 first, count, cap;
};

static bool
table_limbo_room(struct table_master *m)
{
	uint32_t cap = m->cap == 0 ? 1024 : m->cap * 2, i;
	struct limbo *p;

	if (m->count < m->cap)
		return (true);
	p = calloc(cap, sizeof *p);
	if (p == NULL)
		return (false);
	for (i = 0; i < m->count; i++)
		p[i] = m->limbo[(m->first + i) % m->cap];
	free(m->limbo);
	m->limbo = p;
	m->first = 0;
	m->cap = cap;
	return (true);
}

/* E5 */
static void
table_limbo_add(struct table_master *m, uint32_t n)
{
	struct table *t = m->t;
	uint64_t e;

	atomic_store_explicit(&t->map[n], MAP_LIMBO, memory_order_release);
	HOOK();
	e = atomic_fetch_add_explicit(&t->hdr->epoch, 1,
	    memory_order_seq_cst) + 1;
	if (BREAK_NO_GRACE) {
		atomic_store_explicit(&t->map[n], MAP_FREE,
		    memory_order_release);
		return;
	}
	m->limbo[(m->first + m->count++) % m->cap] =
	    (struct limbo){ .epoch = e, .node = n };
}

/* E4: take n out of its chain, if it is in it. */
static void
table_unlink(struct table *t, uint32_t n)
{
	struct shm_node *node = table_node(t, n);
	_Atomic uint64_t *head = &t->head[node->hash & t->mask];
	uint32_t next, at;
	unsigned steps;
	uint64_t hv;

	next = atomic_load_explicit(&node->next, memory_order_relaxed);
again:
	hv = atomic_load_explicit(head, memory_order_acquire);
	if ((uint32_t)hv == n) {
		HOOK();
		if (!atomic_compare_exchange_strong_explicit(head, &hv,
		    ((hv >> 32) + 1) << 32 | next, memory_order_acq_rel,
		    memory_order_relaxed))
			goto again;
		return;
	}
	for (at = (uint32_t)hv, steps = 0; at != 0 && at < t->cap;) {
		hv = table_next(t, at, &steps);
		if (hv == n) {
			HOOK();
			atomic_store_explicit(&table_node(t, at)->next, next,
			    memory_order_release);
			return;
		}
		at = (uint32_t)hv;
	}
}

/* What a predecessor left half done: dead and linked, or in limbo. */
static void
table_resume(struct table_master *m)
{
	struct table *t = m->t;
	uint32_t n;
	uint8_t owner;

	for (n = 1; n < t->cap; n++) {
		if (n % 8 == 0 && wide_u8(&t->map[n]) == 0) {
			n += 7;
			continue;
		}
		owner = atomic_load_explicit(&t->map[n],
		    memory_order_acquire);
		if (owner != MAP_LIMBO && (owner != MAP_LINKED ||
		    (atomic_load(&table_node(t, n)->ann) & ANN_DEAD) == 0))
			continue;
		if (!table_limbo_room(m))
			return;
		table_unlink(t, n);
		table_limbo_add(m, n);
	}
}

struct table_master *
table_master_open(struct segment *seg, enum table_id id)
{
	struct table_master *m;

	m = calloc(1, sizeof *m);
	if (m == NULL)
		return (NULL);
	m->magic = TABLE_MASTER_MAGIC;
	m->t = table_open(seg, id, SLOT_NONE);
	if (m->t == NULL) {
		free(m);
		return (NULL);
	}
	table_resume(m);
	return (m);
}

void
table_master_close(struct table_master **mp)
{
	struct table_master *m = *mp;

	*mp = NULL;
	if (m == NULL)
		return;
	CHECK_MAGIC(m, TABLE_MASTER_MAGIC);
	m->magic = 0;
	table_close(&m->t);
	free(m->limbo);
	free(m);
}

uint32_t
table_master_limbo(const struct table_master *m)
{
	return (m->count);
}

/* The oldest epoch that a process works in, UINT64_MAX: all wait. */
static uint64_t
table_oldest_epoch(const struct table *t)
{
	uint64_t oldest = UINT64_MAX, qs;
	unsigned s;

	shm_fence();
	for (s = 0; s < t->hdr->nslots; s++) {
		qs = atomic_load_explicit(&segment_slot(t->seg, s)->qs,
		    memory_order_seq_cst);
		if (qs != 0 && qs < oldest)
			oldest = qs;
	}
	return (oldest);
}

/* E6 */
void
table_master_grace(struct table_master *m)
{
	uint64_t oldest = 0;
	struct limbo *l;

	CHECK_MAGIC(m, TABLE_MASTER_MAGIC);
	if (m->count > 0)
		oldest = table_oldest_epoch(m->t);
	while (m->count > 0) {
		l = &m->limbo[m->first];
		if (l->epoch > oldest)
			break;
		HOOK();
		atomic_store_explicit(&m->t->map[l->node], MAP_FREE,
		    memory_order_release);
		m->first = (m->first + 1) % m->cap;
		m->count--;
	}
}

/* E1 to E5.  ann before level: the model finds the error of the other order. */
static bool
table_evict(struct table_master *m, uint32_t n, uint64_t now_us,
    uint64_t linger_us, bool waive)
{
	struct table *t = m->t;
	struct shm_node *node = table_node(t, n);
	uint64_t a, seen;

	a = atomic_load_explicit(&node->ann, memory_order_seq_cst);
	if ((a & (ANN_LEVEL | ANN_DEAD)) != 0 ||
	    ANN_VERSION(a) >= now_us || now_us - ANN_VERSION(a) < linger_us)
		return (false);
	HOOK();
	seen = atomic_load_explicit(&t->seen[n], memory_order_acquire);
	if (seen != a && !waive)
		return (false);
	HOOK();
	if (table_level(t, n) != 0 || !table_limbo_room(m))
		return (false);
	HOOK();
	if (!atomic_compare_exchange_strong_explicit(&node->ann, &a,
	    a | ANN_DEAD, memory_order_seq_cst, memory_order_seq_cst))
		return (false);
	HOOK();
	table_unlink(t, n);
	HOOK();
	table_limbo_add(m, n);
	counter_add(COUNTER_shm_evicted, 1);
	if (seen != a && t->id != TABLE_COUNT)
		counter_add(COUNTER_shm_unannounced, 1);
	return (true);
}

static uint32_t
table_free_nodes(const struct table *t)
{
	uint32_t n, nfree = 0;
	uint64_t w;

	for (n = 0; n < t->cap; n += 8) {
		w = wide_u8(&t->map[n]);
		/* a bit per byte that is not 0, then how many are */
		w |= w >> 4;
		w |= w >> 2;
		w |= w >> 1;
		nfree += 8 - (uint32_t)__builtin_popcountll(
		    w & 0x0101010101010101);
	}
	return (nfree);
}

void
table_master_sweep(struct table_master *m, struct mono now, bool relay_lives)
{
	static const enum counter nodes[] = { COUNTER_presence_nodes,
		COUNTER_interest_nodes, COUNTER_count_nodes };
	struct table *t = m->t;
	uint64_t linger = t->id == TABLE_PRESENCE ? LINGER_PRESENCE_US :
	    LINGER_INTEREST_US;
	uint32_t nfree, step, i;
	bool tight;

	table_master_grace(m);
	nfree = table_free_nodes(t);
	tight = nfree + m->count < t->cap / 8;
	step = t->cap / 64 > SWEEP_LEAST ? t->cap / 64 : SWEEP_LEAST;
	if (tight || atomic_load(&t->hdr->need_sweep) != 0) {
		linger = 0;
		step = step > SWEEP_PRESSED ? step : SWEEP_PRESSED;
	}
	if (step > t->cap)
		step = t->cap;
	for (i = 0; i < step; i++) {
		if (++m->cursor >= t->cap)
			m->cursor = 1;
		if (atomic_load_explicit(&t->map[m->cursor],
		    memory_order_acquire) == MAP_LINKED)
			(void)table_evict(m, m->cursor, now.us, linger,
			    t->id == TABLE_COUNT || (tight && !relay_lives));
	}
	table_master_grace(m);
	counter_set(nodes[t->id], t->cap - 1 - nfree);
}

static bool
table_reachable(const struct table *t, uint32_t n)
{
	unsigned steps = 0;
	uint32_t at;

	at = (uint32_t)atomic_load_explicit(
	    &t->head[table_node(t, n)->hash & t->mask], memory_order_acquire);
	while (at != 0 && at < t->cap && at != n)
		at = table_next(t, at, &steps);
	return (at == n);
}

/* C2: nodes that the slot had claimed, linked or not. */
static void
table_reclaim_claims(struct table *t, unsigned slot)
{
	_Atomic uint16_t *col = table_col(t, slot);
	uint64_t claims = 0x0101010101010101 * (uint64_t)(slot + 1);
	uint32_t n;

	for (n = 0; n < t->cap; n++) {
		if (n % 8 == 0 && zero_bytes(wide_u8(&t->map[n]) ^ claims) ==
		    0) {
			n += 7;
			continue;
		}
		if (n == 0 || atomic_load_explicit(&t->map[n],
		    memory_order_acquire) != slot + 1)
			continue;
		HOOK();
		if (!BREAK_NO_WALK && table_reachable(t, n)) {
			atomic_store_explicit(&t->map[n], MAP_LINKED,
			    memory_order_release);
			continue;
		}
		atomic_store_explicit(&col[n], 0, memory_order_relaxed);
		HOOK();
		atomic_store_explicit(&t->map[n], MAP_FREE,
		    memory_order_release);
	}
}

/* Why a user is gone whose worker has ended and did not say so. */
static uint8_t
table_reclaim_why(const struct table *t, unsigned slot)
{
	return (why_of(slot_leaves(t->seg, slot) ? REASON_restart :
	    REASON_worker_died));
}

/* Its bit, and if it still was there, why it is not: whoever died behind L1 has
 * said that, and others may have come and gone since. */
static void
table_reclaim_bit(struct table *t, unsigned slot, uint32_t n)
{
	_Atomic uint64_t *bits = &table_node(t, n)->bits[(slot - 1) / 64];
	uint64_t bit = (uint64_t)1 << ((slot - 1) % 64);

	if (t->id == TABLE_PRESENCE &&
	    (atomic_load_explicit(bits, memory_order_seq_cst) & bit) != 0)
		table_ended(t, n, table_reclaim_why(t, slot));
	atomic_fetch_and_explicit(bits, ~bit, memory_order_seq_cst);
}

/* Others hold it, too, and what is said of the user may be another thing now. */
static void
table_reclaim_said(struct table *t, uint32_t n)
{
	if (t->id == TABLE_PRESENCE && atomic_load_explicit(
	    &table_node(t, n)->status, memory_order_relaxed) != 0)
		table_touch(t, n);
}

/* C3: what the slot may have held. */
static void
table_reclaim_column(struct table *t, unsigned slot)
{
	_Atomic uint16_t *col = table_col(t, slot);
	uint32_t n;

	for (n = 0; n < t->cap; n++) {
		if (n % 4 == 0 && wide_u16(&col[n]) == 0) {
			n += 3;
			continue;
		}
		if (n == 0 ||
		    atomic_load_explicit(&col[n], memory_order_acquire) == 0)
			continue;
		if (slot > 0)
			table_reclaim_bit(t, slot, n);
		else
			atomic_exchange_explicit(&table_node(t, n)->remote, 0,
			    memory_order_seq_cst);
		HOOK();
		(void)table_reconcile(t, n);
		table_reclaim_said(t, n);
		HOOK();
		if (!BREAK_NO_MARK)
			table_mark(t, n);
		HOOK();
		atomic_store_explicit(&col[n], 0, memory_order_release);
		HOOK();
		counter_add(COUNTER_shm_reclaimed, 1);
	}
}

void
table_master_reclaim(struct table_master *m, unsigned slot)
{
	struct table *t = m->t;
	unsigned word = slot > 0 ? (slot - 1) / 64 : 0;

	CHECK_MAGIC(m, TABLE_MASTER_MAGIC);
	table_reclaim_claims(t, slot);
	if (slot == 0)
		return;
	HOOK();
	table_reclaim_column(t, slot);
	HOOK();
	if (t->id == TABLE_COUNT)
		return;		/* has no overflow */
	atomic_fetch_and_explicit(&t->hdr->overflow[t->id][word],
	    ~((uint64_t)1 << ((slot - 1) % 64)), memory_order_seq_cst);
}

void
table_master_reclaim_mirrors(struct table_master *m)
{
	CHECK_MAGIC(m, TABLE_MASTER_MAGIC);
	table_reclaim_claims(m->t, 0);
	table_reclaim_column(m->t, 0);
}
