/*
 * Counting connections; the argument why it is exact is in count.h.  Order:
 * the own word is written before those of others are read, all in one order
 * that everybody agrees on (seq_cst): of two who enter, the second to write
 * reads what the first has written.
 */
#include "shm/count.h"

#include <stdlib.h>

#include "shm/table.h"

#define TRIES	8	/* to get the last place, if others want it too */

struct count {
	unsigned	 magic;
#define COUNT_MAGIC	0xc0047c0e
	struct segment	*seg;
	struct table	*t;
	_Atomic uint64_t *held;		/* own word */
};

static struct shm_held *
count_of_host(const struct segment *seg, unsigned slot)
{
	return ((struct shm_held *)(void *)(seg->base +
	    seg->hdr->count_host) + slot);
}

struct count *
count_open(struct segment *seg, unsigned slot)
{
	struct count *c;

	MUST(slot > 0 && slot != SLOT_NONE);
	c = calloc(1, sizeof *c);
	if (c == NULL)
		return (NULL);
	c->magic = COUNT_MAGIC;
	c->seg = seg;
	c->held = &count_of_host(seg, slot)->n;
	c->t = table_open(seg, TABLE_COUNT, slot);
	if (c->t == NULL) {
		free(c);
		return (NULL);
	}
	slots_quiesce_leave(seg, slot);
	return (c);
}

void
count_close(struct count **cp)
{
	struct count *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	CHECK_MAGIC(c, COUNT_MAGIC);
	c->magic = 0;
	table_close(&c->t);
	free(c);
}

/* --- the host ------------------------------------------------------------- */

uint64_t
count_total(const struct segment *seg)
{
	uint64_t sum = 0;
	unsigned s;

	for (s = 0; s < seg->hdr->nslots; s++) {
		sum += atomic_load_explicit(&count_of_host(seg, s)->n,
		    memory_order_seq_cst);
		HOOK();
	}
	return (sum);
}

static void
count_set_host(struct count *c, uint64_t n)
{
	HOOK();
	atomic_store_explicit(c->held, n, memory_order_seq_cst);
	HOOK();
}

bool
count_enter(struct count *c, uint64_t limit)
{
	uint64_t own;
	unsigned tries;

	CHECK_MAGIC(c, COUNT_MAGIC);
	own = atomic_load_explicit(c->held, memory_order_relaxed);
	if (BREAK_COUNT_LATE && count_total(c->seg) < limit) {
		count_set_host(c, own + 1);
		return (true);
	}
	for (tries = 0; tries < TRIES; tries++) {
		count_set_host(c, own + 1);
		if (count_total(c->seg) <= limit)
			return (true);
		count_set_host(c, own);
		if (count_total(c->seg) >= limit)
			return (false);
	}
	return (false);
}

void
count_leave(struct count *c)
{
	uint64_t own;

	CHECK_MAGIC(c, COUNT_MAGIC);
	own = atomic_load_explicit(c->held, memory_order_relaxed);
	MUST(own > 0);
	count_set_host(c, own - 1);
}

/* --- users, addresses ----------------------------------------------------- */

/* Only slots whose bit is set have a column worth reading; a slot that enters
 * sets its bit before it looks for ours. */
static uint32_t
count_of_node(const struct table *t, uint32_t n)
{
	const struct shm_node *node = table_node(t, n);
	uint32_t sum = 0, held;
	uint64_t bits;
	unsigned w, s;

	for (w = 0; w < 2; w++) {
		bits = atomic_load_explicit(&node->bits[w],
		    memory_order_seq_cst);
		for (; bits != 0; bits &= bits - 1) {
			s = w * 64 + (unsigned)__builtin_ctzll(bits) + 1;
			if (s >= t->hdr->nslots)
				continue;
			HOOK();
			held = atomic_load_explicit(&table_col(t, s)[n],
			    memory_order_seq_cst);
			sum += held > 0 ? held : 1;
		}
	}
	return (sum);
}

bool
count_enter_key(struct count *c, enum count_kind kind, struct slice key,
    uint32_t limit, uint32_t *node)
{
	unsigned tries;
	uint32_t n;

	CHECK_MAGIC(c, COUNT_MAGIC);
	*node = 0;
	for (tries = 0; tries < TRIES; tries++) {
		n = table_join(c->t, (uint16_t)kind, key);
		if (n == 0)
			return (true);	/* counted as count_full */
		HOOK();
		/* the join's last store may be a relaxed one: order it */
		atomic_fetch_add_explicit(&c->t->col[n], 0,
		    memory_order_seq_cst);
		if (count_of_node(c->t, n) <= limit) {
			*node = n;
			return (true);
		}
		HOOK();
		table_leave(c->t, n);
		/* n lives on: it is idle for no time yet, and this process
		 * has not waited since */
		if (count_of_node(c->t, n) >= limit)
			return (false);
	}
	return (false);
}

void
count_leave_key(struct count *c, uint32_t node)
{
	CHECK_MAGIC(c, COUNT_MAGIC);
	if (node != 0)
		table_leave(c->t, node);
}

uint32_t
count_of(struct count *c, enum count_kind kind, struct slice key)
{
	uint32_t n;

	CHECK_MAGIC(c, COUNT_MAGIC);
	n = table_find(c->t, (uint16_t)kind, key);
	return (n == 0 ? 0 : count_of_node(c->t, n));
}

void
count_who(const struct count *c, enum count_kind kind, struct slice key,
    uint64_t bits[2])
{
	const struct shm_node *node;
	uint32_t n;

	CHECK_MAGIC(c, COUNT_MAGIC);
	bits[0] = bits[1] = 0;
	n = table_find(c->t, (uint16_t)kind, key);
	if (n == 0)
		return;
	node = table_node(c->t, n);
	bits[0] = atomic_load_explicit(&node->bits[0], memory_order_acquire);
	bits[1] = atomic_load_explicit(&node->bits[1], memory_order_acquire);
}

struct slice
count_key(const struct count *c, uint32_t node)
{
	struct slice key;

	CHECK_MAGIC(c, COUNT_MAGIC);
	MUST(node != 0);
	if (!table_key(c->t, table_node(c->t, node), &key))
		return (slice_of(NULL, 0));
	return (key);
}

/* --- the dead ------------------------------------------------------------- */

void
count_reclaim(struct segment *seg, unsigned slot)
{
	atomic_store_explicit(&count_of_host(seg, slot)->n, 0,
	    memory_order_seq_cst);
}
