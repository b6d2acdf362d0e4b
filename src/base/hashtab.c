/*
 * A hash table that grows by degrees; see hashtab.h.
 */
#include "base/hashtab.h"

#include <stdlib.h>
#include <string.h>

#define HASHTAB_FIRST	64u	/* chains of the first that is on the heap */
/* Chains that move with one insert or remove.  A table that shrinks has few
 * things in many chains, and is done before it should shrink again. */
#define HASHTAB_STEP	4u
#define HASHTAB_SHRINK	32u

void
hashtab_init(struct hashtab *t,
    uint64_t (*hash_of)(const void *arg, const struct hashtab_link *),
    const void *arg)
{
	memset(t, 0, sizeof *t);
	t->v = &t->one;
	t->hash_of = hash_of;
	t->arg = arg;
}

static void
hashtab_free(struct hashtab *t, struct hashtab_link **v)
{
	if (v != &t->one)
		free(v);
}

void
hashtab_fini(struct hashtab *t)
{
	MUST(t->count == 0);
	hashtab_free(t, t->v);
	hashtab_free(t, t->old);
	memset(t, 0, sizeof *t);
}

/* Begin to move to n chains.  They are cleared as they are needed. */
static void
hashtab_resize(struct hashtab *t, size_t n)
{
	struct hashtab_link **v;

	if (t->old != NULL)
		return;
	v = reallocarray(NULL, n, sizeof(struct hashtab_link *));
	if (v == NULL)
		return;
	t->old = t->v;
	t->old_mask = t->mask;
	t->moved = 0;
	t->v = v;
	t->mask = n - 1;
}

/* Where the things of old chain i go begins empty. */
static void
hashtab_clear(struct hashtab *t, size_t i)
{
	for (; i <= t->mask; i += t->old_mask + 1)
		t->v[i] = NULL;
}

static void
hashtab_move(struct hashtab *t)
{
	struct hashtab_link *l, *next, **to;
	size_t i = t->moved++;

	hashtab_clear(t, i);
	for (l = t->old[i]; l != NULL; l = next) {
		next = l->next;
		to = &t->v[t->hash_of(t->arg, l) & t->mask];
		l->next = *to;
		*to = l;
	}
	if (t->moved <= t->old_mask)
		return;
	hashtab_free(t, t->old);
	t->old = NULL;
}

static void
hashtab_step(struct hashtab *t)
{
	unsigned i, n = t->mask < t->old_mask ? HASHTAB_SHRINK : HASHTAB_STEP;

	for (i = 0; i < n && t->old != NULL; i++)
		hashtab_move(t);
}

void
hashtab_insert(struct hashtab *t, uint64_t hash, struct hashtab_link *l)
{
	struct hashtab_link **b;

	if (t->count > t->mask)
		hashtab_resize(t, t->mask == 0 ? HASHTAB_FIRST :
		    (t->mask + 1) * 2);
	hashtab_step(t);
	b = hashtab_bucket(t, hash);
	l->next = *b;
	*b = l;
	t->count++;
}

void
hashtab_remove(struct hashtab *t, uint64_t hash, struct hashtab_link *l)
{
	struct hashtab_link **pp = hashtab_bucket(t, hash);

	while (*pp != l)
		pp = &(*pp)->next;
	*pp = l->next;
	l->next = NULL;
	t->count--;
	if (t->mask >= HASHTAB_FIRST && t->count < (t->mask + 1) / 8)
		hashtab_resize(t, (t->mask + 1) / 2);
	hashtab_step(t);
}

static void
hashtab_each_of(struct hashtab_link *l, void (*f)(struct hashtab_link *,
    void *arg), void *arg)
{
	for (; l != NULL; l = l->next)
		f(l, arg);
}

void
hashtab_each(const struct hashtab *t,
    void (*f)(struct hashtab_link *, void *arg), void *arg)
{
	size_t i;

	for (i = 0; i <= t->mask; i++)
		if (t->old == NULL || (i & t->old_mask) < t->moved)
			hashtab_each_of(t->v[i], f, arg);
	for (i = t->moved; t->old != NULL && i <= t->old_mask; i++)
		hashtab_each_of(t->old[i], f, arg);
}

static size_t
hashtab_reversed(size_t v)
{
	size_t r = 0;
	unsigned i;

	for (i = 0; i < sizeof v * 8; i++, v >>= 1)
		r = r << 1 | (v & 1);
	return (r);
}

/*
 * The chains whose numbers end in the same bits hold the same things whatever
 * the size of the table: so the parts are counted from the highest of these
 * bits down, and a larger or smaller table has the same of them behind it.
 */
size_t
hashtab_scan(const struct hashtab *t, size_t at,
    void (*f)(struct hashtab_link *, void *arg), void *arg)
{
	size_t few = t->mask, i;

	if (t->old != NULL && t->old_mask < few)
		few = t->old_mask;
	for (i = at & few; i <= t->mask; i += few + 1)
		if (t->old == NULL || (i & t->old_mask) < t->moved)
			hashtab_each_of(t->v[i], f, arg);
	for (i = at & few; t->old != NULL && i <= t->old_mask; i += few + 1)
		if (i >= t->moved)
			hashtab_each_of(t->old[i], f, arg);
	return (hashtab_reversed(hashtab_reversed(at | ~few) + 1));
}
