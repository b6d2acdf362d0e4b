/*
 * Who is online, from a segment to one of another layout; see presence.h.
 * Nodes become bytes here and nodes again there, in the name of the same slots,
 * so that whoever leaves there leaves here when the slot is reclaimed, at the
 * latest, and whoever is given to a worker of ours has been here all the time.
 */
#include "shm/presence_int.h"

#include <errno.h>

#include "base/state.h"
#include "shm/slots_before.h"

#define PASS_VERSION	2	/* 1: nobody says why a user has gone */
#define PASS_NOBODY	0	/* in place of a slot: no more of them */
#define PASS_REMOTE	(UINT64_C(1) << 63)	/* hosts: see layout.h */

struct pass_user {
	uint16_t	 ns;
	struct slice	 key;
	uint64_t	 status, last;
	uint8_t		 told;		/* ANN_L, ANN_R, as the relay has */
	bool		 remote;
};

/* In the name of each slot, opened when it is needed. */
struct pass {
	struct segment	*seg;
	struct table	*all;
	struct table	*as[SHM_SLOTS_MAX];
	uint16_t	 version;	/* of what is read */
};

/* --- there -------------------------------------------------------------------*/

static bool
pass_get_user(const struct table *t, uint32_t n, struct pass_user *u)
{
	const struct shm_node *node = table_node(t, n);
	uint64_t ann = atomic_load(&node->ann);

	*u = (struct pass_user){ .ns = node->ns,
		.status = atomic_load(&node->status),
		.last = atomic_load(&node->last),
		.told = (uint8_t)(atomic_load(&t->seen[n]) & ANN_LEVEL),
		.remote = atomic_load(&node->remote) != 0 };
	/* of a longer one there is no more than its beginning */
	return ((ann & ANN_DEAD) == 0 && table_key(t, node, &u->key) &&
	    (table_level(t, n) | u->told) != 0);
}

static void
pass_put_slots(const struct table *t, uint32_t n, struct buf *b)
{
	const struct shm_node *node = table_node(t, n);
	uint64_t left;
	unsigned word, slot;

	for (word = 0; word < 2; word++)
		for (left = atomic_load(&node->bits[word]); left != 0;
		    left &= left - 1) {
			slot = word * 64 + 1 + (unsigned)__builtin_ctzll(left);
			if (slot >= t->seg->hdr->nslots)
				continue;
			state_put_u32(b, slot);
			state_put_u16(b, atomic_load(&table_col(t, slot)[n]));
		}
	state_put_u32(b, PASS_NOBODY);
}

static void
pass_put_user(const struct table *t, uint32_t n, const struct pass_user *u,
    struct buf *b)
{
	state_put_bool(b, true);
	state_put_u16(b, u->ns);
	state_put_slice(b, u->key);
	state_put_u64(b, u->status);
	state_put_u64(b, LAST_SEEN(u->last));
	state_put_u8(b, LAST_WHY(u->last));
	state_put_u8(b, u->told);
	state_put_bool(b, u->remote);
	pass_put_slots(t, n, b);
}

void
presence_save(struct segment *seg, struct buf *b, uint32_t *count)
{
	struct table *t = table_open(seg, TABLE_PRESENCE, SLOT_NONE);
	size_t at = state_open(b, SHM_PASSED_PRESENCE, PASS_VERSION);
	struct pass_user u;
	uint32_t n;

	*count = 0;
	b->oom |= t == NULL;
	for (n = 1; t != NULL && n < t->cap; n++) {
		if (atomic_load(&t->map[n]) != MAP_LINKED ||
		    !pass_get_user(t, n, &u))
			continue;
		pass_put_user(t, n, &u, b);
		++*count;
	}
	state_put_bool(b, false);
	state_close(b, at);
	table_close(&t);
}

/* --- and here ----------------------------------------------------------------*/

/* NULL: no memory. */
static struct table *
pass_as(struct pass *p, unsigned slot)
{
	if (p->as[slot] == NULL)
		p->as[slot] = table_open(p->seg, TABLE_PRESENCE, slot);
	return (p->as[slot]);
}

static uint32_t
pass_enter(struct pass *p, unsigned slot, const struct pass_user *u,
    uint16_t connections)
{
	struct table *t = pass_as(p, slot);
	bool held;
	uint32_t n;

	if (t == NULL)
		return (0);
	n = table_enter(t, u->ns, u->key, slot == 0 ? PASS_REMOTE : 0, &held);
	if (n != 0)
		atomic_store(&t->col[n], connections == 0 ? 1 : connections);
	return (n);
}

/* Gone, but the world has not been told: it will be. */
static uint32_t
pass_enter_gone(struct pass *p, const struct pass_user *u)
{
	uint32_t n = pass_enter(p, 1, u, 1);

	if (n != 0)
		table_release(p->as[1], n);
	return (n);
}

static void
pass_finish(const struct table *t, uint32_t n, const struct pass_user *u)
{
	struct shm_node *node = table_node(t, n);
	uint64_t ann = atomic_load(&node->ann);

	atomic_store(&node->status, u->status);
	atomic_store(&node->last, u->last);
	/* what differs from it is announced */
	atomic_store(&t->seen[n], (ann & ~(uint64_t)ANN_LEVEL) | u->told);
}

static void
pass_read_user(struct pass_user *u, struct state_in *in, uint16_t version)
{
	uint64_t why = 0;

	*u = (struct pass_user){ .ns = state_get_u16(in),
		.key = state_get_slice(in) };
	u->status = state_get_u64(in);
	u->last = state_get_u64(in);
	if (version > 1)
		why = state_get_u8(in);
	if (u->last > LAST_SEEN_MAX)
		state_bad(in);
	u->last |= why << 56;
	u->told = state_get_u8(in) & ANN_LEVEL;
	u->remote = state_get_bool(in);
	if (u->key.n > UINT16_MAX)
		state_bad(in);
}

/* 0: no room, or bad. */
static uint32_t
pass_load_user(struct pass *p, struct state_in *in)
{
	struct pass_user u;
	uint32_t n = 0;
	uint16_t connections;
	unsigned slot;

	pass_read_user(&u, in, p->version);
	while ((slot = state_get_below(in, p->seg->hdr->nslots)) !=
	    PASS_NOBODY) {
		connections = state_get_u16(in);
		if (!in->bad && slots_before_has(p->seg, slot))
			n = pass_enter(p, slot, &u, connections);
	}
	if (in->bad)
		return (0);
	if (u.remote)
		n = pass_enter(p, 0, &u, 1);
	if (n == 0)
		n = pass_enter_gone(p, &u);
	if (n != 0)
		pass_finish(p->all, n, &u);
	return (n);
}

static void
pass_load_all(struct pass *p, struct state_in *in, uint32_t *n, uint32_t *lost)
{
	while (state_get_bool(in)) {
		if (pass_load_user(p, in) != 0)
			++*n;
		else
			++*lost;
	}
}

int
presence_load(struct segment *seg, struct state_in *in, uint32_t *n,
    uint32_t *lost)
{
	struct pass p = { .seg = seg };
	struct state_in body;
	unsigned slot;

	*n = *lost = 0;
	if (!state_section(in, SHM_PASSED_PRESENCE, &p.version, &body) ||
	    p.version == 0 || p.version > PASS_VERSION) {
		errno = EPROTO;
		return (-1);
	}
	p.all = table_open(seg, TABLE_PRESENCE, SLOT_NONE);
	if (p.all == NULL)
		return (-1);
	pass_load_all(&p, &body, n, lost);
	for (slot = 0; slot < nitems(p.as); slot++)
		table_close(&p.as[slot]);
	table_close(&p.all);
	errno = EPROTO;
	return (state_end(&body) ? 0 : -1);
}
