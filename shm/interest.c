/*
 * Interest: the table asked "which workers?".  Readers load the overflow bits
 * before the node's: a key on its way from a private list into the table is
 * seen in one of the two.
 */
#include "shm/interest.h"

#include <stdlib.h>

#include "base/slotset.h"
#include "shm/spill.h"

struct interest {
	unsigned	 magic;
#define INTEREST_MAGIC	0x1e7e4e57
	struct spill	 sp;
	struct segment	*seg;
};

struct interest *
interest_open(struct segment *seg, unsigned slot)
{
	struct interest *i;

	i = calloc(1, sizeof *i);
	if (i == NULL)
		return (NULL);
	i->magic = INTEREST_MAGIC;
	i->seg = seg;
	if (spill_init(&i->sp, seg, TABLE_INTEREST, slot) == -1) {
		free(i);
		return (NULL);
	}
	slots_quiesce_leave(seg, slot);
	return (i);
}

void
interest_close(struct interest **ip)
{
	struct interest *i = *ip;

	*ip = NULL;
	if (i == NULL)
		return;
	CHECK_MAGIC(i, INTEREST_MAGIC);
	i->magic = 0;
	spill_fini(&i->sp);
	free(i);
}

uint32_t
interest_join(struct interest *i, uint16_t ns, struct slice key)
{
	uint32_t n;

	CHECK_MAGIC(i, INTEREST_MAGIC);
	n = spill_join(&i->sp, ns, key);
	/* who looks next what was told so far is told all that comes after:
	 * see the order of two words in layout.h */
	shm_fence();
	return (n);
}

void
interest_leave(struct interest *i, uint32_t node, uint16_t ns,
    struct slice key)
{
	CHECK_MAGIC(i, INTEREST_MAGIC);
	spill_leave(&i->sp, node, ns, key);
}

static void
interest_add_bits(const struct table *t, uint32_t n, uint64_t bits[2])
{
	const struct shm_node *node = table_node(t, n);

	bits[0] |= atomic_load_explicit(&node->bits[0], memory_order_acquire);
	bits[1] |= atomic_load_explicit(&node->bits[1], memory_order_acquire);
}

void
interest_who(struct interest *i, uint16_t ns, struct slice key,
    uint64_t bits[2])
{
	uint32_t n;

	CHECK_MAGIC(i, INTEREST_MAGIC);
	spill_overflow(i->seg, TABLE_INTEREST, bits);
	n = table_find(i->sp.t, ns, key);
	if (n != 0)
		interest_add_bits(i->sp.t, n, bits);
}

void
interest_peek(struct interest *i, uint32_t node, uint64_t bits[2])
{
	unsigned s;

	CHECK_MAGIC(i, INTEREST_MAGIC);
	if (unlikely(node == 0 || node >= i->sp.t->cap)) {
		slotset_clear(bits);
		for (s = 1; s < i->seg->hdr->nslots; s++)
			if (slot_state(i->seg, s) == SLOT_LIVE)
				slotset_add(bits, s);
		bits[i->sp.t->word] |= i->sp.t->bit;
		return;
	}
	spill_overflow(i->seg, TABLE_INTEREST, bits);
	interest_add_bits(i->sp.t, node, bits);
}

uint32_t
interest_find(struct interest *i, uint16_t ns, struct slice key)
{
	uint32_t n;

	CHECK_MAGIC(i, INTEREST_MAGIC);
	n = table_find(i->sp.t, ns, key);
	return (n != 0 && table_holds(i->sp.t, n) ? n : 0);
}

bool
interest_remote(struct interest *i, uint32_t node)
{
	CHECK_MAGIC(i, INTEREST_MAGIC);
	return (node != 0 && node < i->sp.t->cap &&
	    atomic_load_explicit(&table_node(i->sp.t, node)->remote,
	    memory_order_acquire) != 0);
}

void
interest_retry(struct interest *i, struct mono now)
{
	CHECK_MAGIC(i, INTEREST_MAGIC);
	(void)now;
	spill_retry(&i->sp, NULL);
}

uint32_t
interest_untracked(const struct interest *i)
{
	CHECK_MAGIC(i, INTEREST_MAGIC);
	return (i->sp.count + i->sp.blind);
}

void
interest_overflow(const struct segment *seg, uint64_t bits[2])
{
	spill_overflow(seg, TABLE_INTEREST, bits);
}
