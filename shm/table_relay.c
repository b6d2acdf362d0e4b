/*
 * The relay's part of the table: it tells the world what changed, exactly
 * once, and mirrors what other hosts hold.
 *
 * What was told last stands in seen[n].  Before an announcement the new value
 * goes there with PEND, afterwards without: a successor repeats what may not
 * have been told, under the same name (node, start_ms, version), so receivers
 * can drop it.  Where announcements are queued, afterwards is when the queue
 * has been sent: until then the node stands in a private list.  The end of a
 * holding is told late (leave_delay), and not at all if it did not last.
 *
 * What finds no room is not told: seen is put back, and the node is held in a
 * private map until there is some.  A successor finds it by seen.
 */
#include "shm/table_relay_int.h"

#include <errno.h>
#include <stdlib.h>

#define HELD_REFUSED	1024u	/* in vain, then the others wait too */

struct table_relay *
table_relay_open(struct segment *seg, enum table_id id,
    uint64_t leave_delay_us)
{
	struct table_relay *r;

	r = calloc(1, sizeof *r);
	if (r == NULL)
		return (NULL);
	r->magic = TABLE_RELAY_MAGIC;
	r->delay_us = leave_delay_us;
	r->t = table_open(seg, id, 0);
	if (r->t != NULL) {
		slots_quiesce_leave(seg, 0);
		r->queued = calloc(r->t->cap / 8 + 1, 1);
		r->held = calloc(r->t->cap / 8 + 1, 1);
		r->lapsed = calloc(r->t->cap / 8 + 1, 1);
		r->pending = calloc(r->t->cap / 8 + 1, 1);
	}
	if (r->queued == NULL || r->held == NULL || r->lapsed == NULL ||
	    r->pending == NULL) {
		table_relay_close(&r);
		errno = ENOMEM;
	}
	return (r);
}

void
table_relay_close(struct table_relay **rp)
{
	struct table_relay *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	r->magic = 0;
	table_close(&r->t);
	free(r->queue);
	free(r->queued);
	free(r->held);
	free(r->lapsed);
	free(r->pending);
	free(r->now.v);
	free(r->before.v);
	free(r);
}

void
table_leave_delay(struct table_relay *r, uint64_t leave_delay_us)
{
	uint32_t i;

	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	for (i = 0; i < r->count; i++)
		r->queue[(r->first + i) % r->cap].due_us += leave_delay_us -
		    r->delay_us;
	r->delay_us = leave_delay_us;
}

/* False: no memory; the caller announces at once. */
static bool
relay_put_off_until(struct table_relay *r, uint32_t n, uint64_t due_us)
{
	uint32_t cap = r->cap == 0 ? 256 : r->cap * 2, i;
	struct delayed *p;

	if (r->count == r->cap) {
		p = calloc(cap, sizeof *p);
		if (p == NULL)
			return (false);
		for (i = 0; i < r->count; i++)
			p[i] = r->queue[(r->first + i) % r->cap];
		free(r->queue);
		r->queue = p;
		r->first = 0;
		r->cap = cap;
	}
	r->queue[(r->first + r->count++) % r->cap] =
	    (struct delayed){ .due_us = due_us, .node = n };
	relay_bit_set(r->queued, n, true);
	return (true);
}

static bool
relay_tell(struct table *t, uint32_t n, uint64_t was, uint64_t is, bool repeat,
    table_emit *emit, void *arg)
{
	const struct shm_node *node = table_node(t, n);
	struct table_event e = { .node = n, .ns = node->ns,
		.repeat = repeat, .version = ANN_VERSION(is),
		.was = was & ANN_LEVEL, .is = is & ANN_LEVEL };

	e.whole = table_key(t, node, &e.key);
	e.status = !repeat && e.was == e.is;
	return (emit(arg, &e));
}

/* Not told: again when there is room. */
static bool
relay_hold_back(struct table_relay *r, uint32_t n)
{
	if (!relay_bit_get(r->held, n)) {
		relay_bit_set(r->held, n, true);
		r->nheld++;
	}
	return (false);
}

/* False: too many, or no memory; it counts as told at once. */
static bool
relay_batch_add(struct relay_batch *b, uint32_t most, uint32_t n, uint64_t ann)
{
	uint32_t cap = b->cap == 0 ? 256 : b->cap * 2;
	struct relay_pending *p;

	if (b->n >= most)
		return (false);
	if (b->n == b->cap) {
		p = reallocarray(b->v, cap, sizeof *p);
		if (p == NULL)
			return (false);
		b->v = p;
		b->cap = cap;
	}
	b->v[b->n++] = (struct relay_pending){ .ann = ann, .node = n };
	return (true);
}

/* ann was told of n, or is on its way. */
static void
relay_told(struct table_relay *r, uint32_t n, uint64_t ann)
{
	bool pends = r->queues && relay_batch_add(&r->now, r->t->cap, n, ann);

	HOOK();
	relay_bit_set(r->pending, n, pends);
	atomic_store_explicit(&r->t->seen[n], pends ? ann | ANN_PEND : ann,
	    memory_order_release);
	HOOK();
}

/* seen with PEND: the one before us did not say whether it got that far. */
static bool
relay_repeat_pending(struct table_relay *r, uint32_t n, uint64_t *seen,
    table_emit *emit, void *arg)
{
	uint64_t told = *seen & ~(uint64_t)ANN_PEND;

	if (!relay_tell(r->t, n, told, told, true, emit, arg))
		return (false);
	relay_told(r, n, told);
	*seen = told;
	return (true);
}

/* Wait with this one: something ended, and not long enough ago? */
static bool
relay_put_off(struct table_relay *r, uint32_t n, uint64_t seen, uint64_t a,
    uint64_t now_us)
{
	uint64_t due = ANN_VERSION(a) + r->delay_us;
	uint64_t ended = seen & ~a & ANN_LEVEL;

	if (relay_bit_get(r->lapsed, n))
		ended &= ~(uint64_t)ANN_R;
	if (ended == 0 || r->delay_us == 0 || now_us >= due)
		return (false);
	return (relay_bit_get(r->queued, n) || relay_put_off_until(r, n, due));
}

/* False: held back. */
static bool
relay_announce_node(struct table_relay *r, uint32_t n, uint64_t now_us,
    table_emit *emit, void *arg)
{
	struct table *t = r->t;
	struct shm_node *node = table_node(t, n);
	uint64_t a, seen, was;

	if (n == 0 || n >= t->cap || atomic_load_explicit(&t->map[n],
	    memory_order_acquire) != MAP_LINKED)
		return (true);
	HOOK();
	a = atomic_load_explicit(&node->ann, memory_order_seq_cst);
	if ((a & ANN_DEAD) != 0)
		return (true);
	HOOK();
	seen = atomic_load_explicit(&t->seen[n], memory_order_relaxed);
	if ((seen & ANN_PEND) != 0 && !relay_bit_get(r->pending, n) &&
	    !relay_repeat_pending(r, n, &seen, emit, arg))
		return (relay_hold_back(r, n));
	was = atomic_load_explicit(&t->seen[n], memory_order_relaxed);
	seen &= ~(uint64_t)ANN_PEND;	/* ours: it is on its way */
	if (a == seen || relay_put_off(r, n, seen, a, now_us))
		return (true);
	HOOK();
	if (((a ^ seen) & ANN_LEVEL) != 0 && !BREAK_NO_PEND) {
		/* before emit looks for who is interested: who reads the old
		 * one after he became interested is among them */
		atomic_store_explicit(&t->seen[n], a | ANN_PEND,
		    memory_order_seq_cst);
		HOOK();
	}
	shm_fence();		/* against the one in interest_join() */
	if (!relay_tell(t, n, seen, a, false, emit, arg)) {
		/* who has read the new one meanwhile is told it once more */
		HOOK();
		atomic_store_explicit(&t->seen[n], was,
		    memory_order_seq_cst);
		HOOK();
		return (relay_hold_back(r, n));
	}
	relay_told(r, n, a);
	return (true);
}

void
table_announce_all(struct table_relay *r, struct mono now, table_emit *emit,
    void *arg)
{
	const struct table *t = r->t;
	uint32_t n;

	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	for (n = 1; n < t->cap; n++) {
		if (n % 8 == 0 && wide_u8(&t->map[n]) == 0) {
			n += 7;
			continue;
		}
		(void)relay_announce_node(r, n, now.us, emit, arg);
	}
}

void
table_tell_all(const struct table_relay *r, table_emit *emit, void *arg)
{
	const struct table *t = r->t;
	struct table_event e = { .was = 0 };
	const struct shm_node *node;
	uint64_t level;
	uint32_t n;

	CHECK_MAGIC(t, TABLE_MAGIC);
	for (n = 1; n < t->cap; n++) {
		if (atomic_load_explicit(&t->map[n], memory_order_acquire) !=
		    MAP_LINKED)
			continue;
		/* one that has ended, and is told so later, may be back by
		 * then: that is no news */
		level = table_level(t, n) | (atomic_load_explicit(&t->seen[n],
		    memory_order_relaxed) & ANN_L);
		if ((level & ANN_L) == 0)
			continue;
		node = table_node(t, n);
		e.node = n;
		e.ns = node->ns;
		e.is = (unsigned)level;
		e.whole = table_key(t, node, &e.key);
		(void)emit(arg, &e);
	}
}

bool
table_tell_some(const struct table_relay *r, uint16_t ns, bool gone,
    uint32_t *at, uint32_t nodes, table_emit *emit, void *arg)
{
	const struct table *t = r->t;
	struct table_event e = { .was = 0 };
	const struct shm_node *node;
	uint32_t n = *at == 0 ? 1 : *at;
	bool more = true;
	uint64_t seen;

	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	for (; more && n < t->cap && nodes > 0; n++, nodes--) {
		if (atomic_load_explicit(&t->nsid[n], memory_order_relaxed) !=
		    ns || atomic_load_explicit(&t->map[n],
		    memory_order_acquire) != MAP_LINKED)
			continue;
		seen = atomic_load_explicit(&t->seen[n], memory_order_relaxed);
		node = table_node(t, n);
		if ((!gone && (seen & ANN_L) == 0) || node->ns != ns)
			continue;
		e.node = n;
		e.ns = ns;
		e.is = seen & ANN_LEVEL;
		e.version = ANN_VERSION(seen);
		e.whole = table_key(t, node, &e.key);
		more = emit(arg, &e);
	}
	*at = n;
	return (n >= t->cap);
}

static void
relay_announce_due(struct table_relay *r, uint64_t now_us, table_emit *emit,
    void *arg)
{
	uint32_t left = r->count, n;

	while (left-- > 0 && r->queue[r->first].due_us <= now_us) {
		n = r->queue[r->first].node;
		r->first = (r->first + 1) % r->cap;
		r->count--;
		relay_bit_set(r->queued, n, false);
		(void)relay_announce_node(r, n, now_us, emit, arg);
	}
}

/* One word of dsum: up to 64 words of dirty, up to 4096 nodes. */
static unsigned
relay_announce_word(struct table_relay *r, uint32_t i, uint64_t now_us,
    table_emit *emit, void *arg)
{
	struct table *t = r->t;
	uint64_t words, bits;
	unsigned told = 0;
	uint32_t w;

	words = atomic_exchange_explicit(&t->dsum[i], 0,
	    memory_order_seq_cst);
	HOOK();
	for (; words != 0; words &= words - 1) {
		w = i * 64 + (uint32_t)__builtin_ctzll(words);
		bits = atomic_exchange_explicit(&t->dirty[w], 0,
		    memory_order_acq_rel);
		HOOK();
		for (; bits != 0; bits &= bits - 1, told++)
			(void)relay_announce_node(r, w * 64 +
			    (uint32_t)__builtin_ctzll(bits), now_us, emit, arg);
	}
	return (told);
}

unsigned
table_announce(struct table_relay *r, struct mono now, table_emit *emit,
    void *arg)
{
	const struct table *t = r->t;
	uint32_t i, n = t->cap / 4096 + 1;
	unsigned told = 0;

	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	relay_announce_due(r, now.us, emit, arg);
	for (i = 0; i < n; i++)
		if (atomic_load_explicit(&t->dsum[i],
		    memory_order_relaxed) != 0)
			told += relay_announce_word(r, i, now.us, emit, arg);
	return (told);
}

void
table_announce_queues(struct table_relay *r)
{
	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	r->queues = true;
}

bool
table_announce_unsent(const struct table_relay *r)
{
	return (r->now.n + r->before.n > 0);
}

void
table_announce_sent(struct table_relay *r)
{
	struct relay_batch sent = r->before;
	const struct relay_pending *p;
	uint64_t word;
	uint32_t i;

	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	for (i = 0; i < sent.n; i++) {
		p = &sent.v[i];
		word = p->ann | ANN_PEND;
		HOOK();
		/* unless something newer is on its way */
		if (atomic_compare_exchange_strong_explicit(
		    &r->t->seen[p->node], &word, p->ann, memory_order_release,
		    memory_order_relaxed))
			relay_bit_set(r->pending, p->node, false);
	}
	sent.n = 0;
	r->before = r->now;
	r->now = sent;
}

uint32_t
table_held(const struct table_relay *r)
{
	return (r->nheld);
}

void
table_announce_held(struct table_relay *r, struct mono now, table_emit *emit,
    void *arg)
{
	uint32_t bytes = r->t->cap / 8 + 1, left, refused = 0, n;

	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	for (left = bytes; left > 0 && r->nheld > 0; left--) {
		for (n = r->held_at * 8; n < r->held_at * 8 + 8; n++) {
			if (!relay_bit_get(r->held, n))
				continue;
			relay_bit_set(r->held, n, false);
			r->nheld--;
			if (!relay_announce_node(r, n, now.us, emit, arg))
				refused++;
		}
		r->held_at = (r->held_at + 1) % bytes;
		if (refused >= HELD_REFUSED)
			break;
	}
}

uint64_t
table_announce_due(const struct table_relay *r)
{
	return (r->count == 0 ? UINT64_MAX : r->queue[r->first].due_us);
}

