/*
 * What holders of a user say of him; see presence.h.  A mark is one more node
 * of the table, held as any other: by the slots whose users have it, and by
 * other hosts.  So it goes with who held it, however that one went.
 */
#include "shm/presence_int.h"

/* Index of those who have a mark, stride namespaces apart. */
static uint16_t
marks_index(struct presence_user u, unsigned mark)
{
	return ((uint16_t)(u.ns + u.stride * (2 + mark)));
}

/* --- read -----------------------------------------------------------------*/

struct marks_bits {
	uint64_t	 slots[2], hosts;
};

static void
marks_bits(const struct table *t, uint32_t n, bool local,
    struct marks_bits *b)
{
	const struct shm_node *node = table_node(t, n);
	unsigned i;

	*b = (struct marks_bits){ .hosts = 0 };
	if (n == 0)
		return;
	for (i = 0; i < 2; i++)
		b->slots[i] = atomic_load_explicit(&node->bits[i],
		    memory_order_seq_cst);
	if (!local)
		b->hosts = atomic_load_explicit(&node->remote,
		    memory_order_seq_cst);
}

static bool
marks_any(const struct marks_bits *b)
{
	return ((b->slots[0] | b->slots[1] | b->hosts) != 0);
}

/* All of those in a are in b. */
static bool
marks_within(const struct marks_bits *a, const struct marks_bits *b)
{
	return ((a->slots[0] & ~b->slots[0]) == 0 &&
	    (a->slots[1] & ~b->slots[1]) == 0 && (a->hosts & ~b->hosts) == 0);
}

/* Somebody has it; *own: we do, in private. */
static bool
marks_held(const struct presence *p, struct presence_user u, unsigned mark,
    bool local, struct marks_bits *b, bool *own)
{
	uint16_t index = marks_index(u, mark);

	marks_bits(p->sp.t, table_find(p->sp.t, index, u.user), local, b);
	*own = spill_find(&p->sp, index, u.user) != NULL;
	return (*own || marks_any(b));
}

/* Every holder of the user has the first mark. */
static bool
marks_all_have_first(const struct presence *p, struct presence_user u,
    bool local)
{
	struct marks_bits user, first;
	bool own;

	if (!marks_held(p, u, 0, local, &first, &own))
		return (false);
	if (spill_find(&p->sp, u.ns, u.user) != NULL && !own)
		return (false);
	/* who comes has the mark before the user, and loses it after him */
	marks_bits(p->sp.t, table_find(p->sp.t, u.ns, u.user), local, &user);
	return (marks_within(&user, &first));
}

/* Nobody has ever said anything of him: that is most users. */
static bool
marks_never(const struct presence *p, struct presence_user u)
{
	const struct spill_entry *e = spill_find(&p->sp, u.ns, u.user);
	uint32_t n;

	if (e != NULL && e->status != 0)
		return (false);
	n = table_find(p->sp.t, u.ns, u.user);
	return (n == 0 || atomic_load_explicit(&table_node(p->sp.t, n)->status,
	    memory_order_acquire) == 0);
}

unsigned
presence_mark(const struct presence *p, struct presence_user u, bool local)
{
	struct marks_bits b;
	unsigned mark;
	bool own;

	CHECK_MAGIC(p, PRESENCE_MAGIC);
	if (marks_never(p, u))
		return (PRESENCE_MARKS);
	for (mark = PRESENCE_MARKS - 1; mark > 0; mark--)
		if (marks_held(p, u, mark, local, &b, &own))
			return (mark);
	return (marks_all_have_first(p, u, local) ? 0 : PRESENCE_MARKS);
}

bool
presence_marked(const struct presence *p, struct presence_user u,
    unsigned mark)
{
	struct marks_bits b;
	bool own;

	CHECK_MAGIC(p, PRESENCE_MAGIC);
	return (marks_held(p, u, mark, false, &b, &own));
}

/* --- write ----------------------------------------------------------------*/

static bool
marks_own(const struct presence *p, uint16_t index, struct slice user)
{
	uint32_t n = table_find(p->sp.t, index, user);

	return ((n != 0 && table_holds(p->sp.t, n)) ||
	    spill_find(&p->sp, index, user) != NULL);
}

static void
marks_drop(struct presence *p, uint16_t index, struct slice user)
{
	uint32_t n = table_find(p->sp.t, index, user);

	spill_leave(&p->sp, n != 0 && table_holds(p->sp.t, n) ? n : 0, index,
	    user);
}

bool
presence_mark_set(struct presence *p, struct presence_user u, unsigned mark)
{
	bool changed = false;
	unsigned i;

	CHECK_MAGIC(p, PRESENCE_MAGIC);
	if (mark < PRESENCE_MARKS &&
	    !marks_own(p, marks_index(u, mark), u.user)) {
		(void)spill_join(&p->sp, marks_index(u, mark), u.user);
		changed = true;
	}
	for (i = 0; i < PRESENCE_MARKS; i++)
		if (i != mark && marks_own(p, marks_index(u, i), u.user)) {
			marks_drop(p, marks_index(u, i), u.user);
			changed = true;
		}
	return (changed);
}

void
presence_touch(struct presence *p, uint32_t node)
{
	CHECK_MAGIC(p, PRESENCE_MAGIC);
	if (node != 0 && node < p->sp.t->cap && table_holds(p->sp.t, node))
		table_touch(p->sp.t, node);
}

unsigned
presence_first(const struct presence *p, uint32_t node)
{
	struct marks_bits b;

	CHECK_MAGIC(p, PRESENCE_MAGIC);
	MUST(node > 0 && node < p->sp.t->cap);
	marks_bits(p->sp.t, node, true, &b);
	if (b.slots[0] != 0)
		return (1 + (unsigned)__builtin_ctzll(b.slots[0]));
	return (b.slots[1] == 0 ? 0 : 65 +
	    (unsigned)__builtin_ctzll(b.slots[1]));
}
