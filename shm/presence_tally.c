/*
 * How many users have a connection on this host; see presence.h.  Called by
 * the master, once a second.
 */
#include "shm/presence_int.h"

#define TALLY_CHUNK	4096u

/*
 * Which nodes from a multiple of 4 on have a connection here: any column not
 * 0.  Going by the columns spares touching the nodes: a few MB instead of
 * hundreds.
 */
static void
presence_held_chunk(const struct segment *seg, const struct shm_table *l,
    uint32_t from, uint32_t n, uint64_t any[TALLY_CHUNK / 4])
{
	const _Atomic uint16_t *col;
	unsigned s;
	uint32_t i;

	memset(any, 0, TALLY_CHUNK / 4 * sizeof *any);
	for (s = 1; s < seg->hdr->nslots; s++) {
		if (slot_state(seg, s) == SLOT_FREE)
			continue;
		col = (const _Atomic uint16_t *)(void *)(seg->base + l->col +
		    s * l->col_stride);
		for (i = 0; i < n; i += 4)
			any[i / 4] |= wide_u16(&col[from + i]);
	}
}

typedef void held_each(void *arg, uint16_t ns);

static void
presence_each_held(const struct segment *seg, held_each *each, void *arg)
{
	const struct shm_table *l = &seg->hdr->table[TABLE_PRESENCE];
	const _Atomic uint16_t *nsid =
	    (const _Atomic uint16_t *)(void *)(seg->base + l->nsid);
	const _Atomic uint8_t *map =
	    (const _Atomic uint8_t *)(seg->base + l->map);
	uint64_t any[TALLY_CHUNK / 4];
	uint32_t from, n, i;

	for (from = 0; from < l->cap; from += TALLY_CHUNK) {
		n = l->cap - from < TALLY_CHUNK ? l->cap - from : TALLY_CHUNK;
		presence_held_chunk(seg, l, from, n, any);
		for (i = 0; i < n; i++)
			if ((any[i / 4] >> (16 * (i % 4)) & 0xffff) != 0 &&
			    from + i != 0 && atomic_load_explicit(
			    &map[from + i], memory_order_acquire) ==
			    MAP_LINKED)
				each(arg, atomic_load_explicit(
				    &nsid[from + i], memory_order_relaxed));
	}
}

struct tally {
	uint32_t	*users;
	unsigned	 n;
	uint16_t	 only;		/* count */
};

static void
presence_tally_one(void *arg, uint16_t ns)
{
	struct tally *y = arg;

	if (ns < y->n)
		y->users[ns]++;
}

void
presence_tally(const struct segment *seg, uint32_t *users, unsigned n)
{
	struct tally y = { .users = users, .n = n };

	segment_check(seg);
	memset(users, 0, n * sizeof *users);
	presence_each_held(seg, presence_tally_one, &y);
}

static void
presence_count_one(void *arg, uint16_t ns)
{
	struct tally *y = arg;

	if (ns == y->only)
		y->n++;
}

uint32_t
presence_count(const struct segment *seg, uint16_t ns)
{
	struct tally y = { .only = ns };

	segment_check(seg);
	presence_each_held(seg, presence_count_one, &y);
	return (y.n);
}
