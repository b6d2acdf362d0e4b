/*
 * Who is there; see present.h.  Called by guests.c.
 */
#include "relay/hooks/present.h"

#include <sys/random.h>

#include <stdlib.h>

#include "base/hash.h"

/* A user, or, with no user, a room. */
struct present_item {
	struct hashtab_link link;
	uint64_t	 hash;
	unsigned	 ns;
	unsigned	 users;		/* of a room */
	size_t		 nroom, nuser;
	uint8_t		 bytes[];	/* the room, then the user */
};

static struct present_item *
present_item(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct present_item, link));
}

static uint64_t
present_hash_of(const void *arg, const struct hashtab_link *l)
{
	(void)arg;
	return (present_item(l)->hash);
}

void
present_init(struct present *p)
{
	hashtab_init(&p->table, present_hash_of, NULL);
}

static uint64_t
present_hash(unsigned ns, struct slice room, struct slice user)
{
	static struct hash_key key;

	if (key.k0 == 0 && getrandom(&key, sizeof key, 0) !=
	    (ssize_t)sizeof key)
		key.k0 = (uint64_t)(uintptr_t)&key;
	return (hash_bytes(&key, room) * UINT64_C(0x9e3779b97f4a7c15) +
	    hash_bytes(&key, user) + ns);
}

static struct present_item *
present_find(const struct present *p, uint64_t hash, unsigned ns,
    struct slice room, struct slice user)
{
	struct hashtab_link *l = hashtab_chain(&p->table, hash);
	struct present_item *i;

	for (; l != NULL; l = l->next) {
		i = present_item(l);
		if (i->hash == hash && i->ns == ns &&
		    slice_eq(slice_of(i->bytes, i->nroom), room) &&
		    slice_eq(slice_of(i->bytes + i->nroom, i->nuser), user))
			return (i);
	}
	return (NULL);
}

static struct present_item *
present_add(struct present *p, uint64_t hash, unsigned ns, struct slice room,
    struct slice user)
{
	struct present_item *i = calloc(1, sizeof *i + room.n + user.n);

	if (i == NULL)
		return (NULL);
	i->hash = hash;
	i->ns = ns;
	i->nroom = room.n;
	i->nuser = user.n;
	if (room.n != 0)
		memcpy(i->bytes, room.p, room.n);
	if (user.n != 0)
		memcpy(i->bytes + room.n, user.p, user.n);
	hashtab_insert(&p->table, hash, &i->link);
	return (i);
}

static void
present_drop(struct present *p, struct present_item *i)
{
	hashtab_remove(&p->table, i->hash, &i->link);
	free(i);
}

static enum present_change
present_come(struct present *p, uint64_t hash, unsigned ns, struct slice room,
    struct slice user)
{
	struct slice nobody = { NULL, 0 };
	uint64_t of_room = present_hash(ns, room, nobody);
	struct present_item *i, *r;

	i = present_add(p, hash, ns, room, user);
	if (i == NULL)
		return (PRESENT_NO_MEMORY);
	if (room.n == 0)
		return (PRESENT_CHANGED);
	r = present_find(p, of_room, ns, room, nobody);
	if (r == NULL)
		r = present_add(p, of_room, ns, room, nobody);
	if (r == NULL) {
		present_drop(p, i);
		return (PRESENT_NO_MEMORY);
	}
	return (++r->users == 1 ? PRESENT_EDGE : PRESENT_CHANGED);
}

static enum present_change
present_go(struct present *p, struct present_item *i, unsigned ns,
    struct slice room)
{
	struct slice nobody = { NULL, 0 };
	struct present_item *r;

	present_drop(p, i);
	if (room.n == 0)
		return (PRESENT_CHANGED);
	r = present_find(p, present_hash(ns, room, nobody), ns, room, nobody);
	MUST(r != NULL && r->users > 0);
	if (--r->users > 0)
		return (PRESENT_CHANGED);
	present_drop(p, r);
	return (PRESENT_EDGE);
}

enum present_change
present_set(struct present *p, unsigned ns, struct slice room,
    struct slice user, bool there)
{
	uint64_t hash = present_hash(ns, room, user);
	struct present_item *i = present_find(p, hash, ns, room, user);

	MUST(user.n > 0);
	if ((i != NULL) == there)
		return (PRESENT_SAME);
	return (there ? present_come(p, hash, ns, room, user) :
	    present_go(p, i, ns, room));
}

/* --- all of them ------------------------------------------------------------*/

/* A few at a time: a walk does not drop. */
struct present_some {
	unsigned	 ns;
	bool		 all;		/* of whichever */
	unsigned	 n;
	struct present_item *list[256];
};

static void
present_collect(struct hashtab_link *l, void *arg)
{
	struct present_some *s = arg;
	struct present_item *i = present_item(l);

	if ((s->all || i->ns == s->ns) && s->n < nitems(s->list))
		s->list[s->n++] = i;
}

static void
present_drop_all(struct present *p, bool all, unsigned ns)
{
	struct present_some s;
	unsigned i;

	do {
		s.ns = ns;
		s.all = all;
		s.n = 0;
		hashtab_each(&p->table, present_collect, &s);
		for (i = 0; i < s.n; i++)
			present_drop(p, s.list[i]);
	} while (s.n > 0);
}

void
present_forget(struct present *p, unsigned ns)
{
	present_drop_all(p, false, ns);
}

void
present_fini(struct present *p)
{
	present_drop_all(p, true, 0);
	hashtab_fini(&p->table);
}
