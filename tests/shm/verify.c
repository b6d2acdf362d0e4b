/*
 * Walks both tables of a segment at rest.  Written from the contract and not
 * from table.c: it reads the layout itself.
 */
#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct walk {
	struct segment	*seg;
	struct table	*t;
	uint8_t		*reached;
	unsigned	 wrong;
};

#define WRONG(w, ...) do {						\
	if ((w)->wrong++ < 10) {					\
		fprintf(stderr, "table %d: ", (int)(w)->t->id);		\
		fprintf(stderr, __VA_ARGS__);				\
		fputc('\n', stderr);					\
	}								\
} while (0)

static bool
same_key(struct walk *w, uint32_t a, uint32_t b)
{
	const struct shm_node *x = table_node(w->t, a);
	const struct shm_node *y = table_node(w->t, b);
	size_t n = x->klen < w->t->key_max ? x->klen : w->t->key_max;

	return (x->ns == y->ns && x->klen == y->klen &&
	    memcmp(x->key, y->key, n) == 0);
}

/* 1, 5: chains end, hold nodes of their own hash, no key twice. */
static void
verify_chain(struct walk *w, uint32_t head)
{
	uint32_t first = (uint32_t)atomic_load(&w->t->head[head]), n, m;
	unsigned steps = 0;

	for (n = first; n != 0; n = atomic_load(&table_node(w->t, n)->next)) {
		if (n >= w->t->cap || ++steps > w->t->cap) {
			WRONG(w, "chain %u does not end (node %u)", head, n);
			return;
		}
		if (w->reached[n]++ != 0) {
			WRONG(w, "node %u is linked twice", n);
			return;
		}
		if ((table_node(w->t, n)->hash & w->t->mask) != head)
			WRONG(w, "node %u is in the wrong chain %u", n, head);
		for (m = first; m != n;
		    m = atomic_load(&table_node(w->t, m)->next))
			if (same_key(w, m, n))
				WRONG(w, "nodes %u and %u have one key", m,
				    n);
	}
}

static void
verify_linked(struct walk *w, uint32_t n)
{
	const struct shm_node *node = table_node(w->t, n);
	uint64_t a = atomic_load(&node->ann);
	unsigned level = 0;

	if (atomic_load(&node->bits[0]) != 0 ||
	    atomic_load(&node->bits[1]) != 0)
		level |= ANN_L;
	if (atomic_load(&node->remote) != 0)
		level |= ANN_R;
	if ((a & ANN_DEAD) != 0)
		WRONG(w, "node %u is dead and linked", n);
	if ((a & ANN_LEVEL) != level)
		WRONG(w, "node %u: ann says %u, the bits %u", n,
		    (unsigned)(a & ANN_LEVEL), level);
	if (atomic_load(&w->t->nsid[n]) != node->ns)
		WRONG(w, "node %u: nsid differs", n);
}

/* 4, 9: a bit has a column, a column has a living slot and a bit. */
static void
verify_columns(struct walk *w, uint32_t n, bool linked)
{
	const struct shm_node *node = table_node(w->t, n);
	bool bit, col;
	unsigned s;

	for (s = 1; s < w->t->hdr->nslots; s++) {
		bit = (atomic_load(&node->bits[(s - 1) / 64]) >>
		    ((s - 1) % 64) & 1) != 0;
		col = atomic_load(&table_col(w->t, s)[n]) != 0;
		if (col && slot_state(w->seg, s) == SLOT_FREE)
			WRONG(w, "node %u: column of free slot %u", n, s);
		if (linked ? bit != col : col)
			WRONG(w, "node %u slot %u: bit %d, column %d", n, s,
			    bit, col);
	}
	if (linked && atomic_load(&node->remote) != 0 &&
	    atomic_load(&table_col(w->t, 0)[n]) == 0)
		WRONG(w, "node %u: hosts without the relay's column", n);
}

static void
verify_nodes(struct walk *w)
{
	uint32_t n;
	uint8_t m;

	for (n = 1; n < w->t->cap; n++) {
		m = atomic_load(&w->t->map[n]);
		if (m != MAP_FREE && m != MAP_LINKED && m != MAP_LIMBO)
			WRONG(w, "node %u is claimed by slot %d", n, m - 1);
		if ((m == MAP_LINKED) != (w->reached[n] != 0))
			WRONG(w, "node %u: map %u, reached %u", n, m,
			    w->reached[n]);
		if (m == MAP_LINKED)
			verify_linked(w, n);
		verify_columns(w, n, m == MAP_LINKED);
	}
}

unsigned
verify_table(struct segment *seg, enum table_id id)
{
	struct walk w = { .seg = seg };
	uint32_t i;

	w.t = table_open(seg, id, SLOT_NONE);
	if (w.t == NULL)
		abort();
	w.reached = calloc(w.t->cap, 1);
	if (w.reached == NULL)
		abort();
	for (i = 0; i <= w.t->mask; i++)
		verify_chain(&w, i);
	verify_nodes(&w);
	free(w.reached);
	table_close(&w.t);
	return (w.wrong);
}

unsigned
verify_segment(struct segment *seg)
{
	return (verify_table(seg, TABLE_PRESENCE) +
	    verify_table(seg, TABLE_INTEREST));
}
