/*
 * A hash table with chains, of things that carry their link.  It grows and
 * shrinks a few buckets at a time, with each thing that comes or goes, so that
 * nobody waits while all of many are moved.  Without memory to grow, chains
 * get longer.  Compares nothing: who looks for a thing walks its chain.
 */
#ifndef BASE_HASHTAB_H
#define BASE_HASHTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bug.h"

struct hashtab_link {
	struct hashtab_link *next;	/* in its chain */
};

struct hashtab {
	struct hashtab_link **v;	/* chains; &one, or heap */
	size_t		 mask;		/* their number, a power of two, - 1 */
	struct hashtab_link **old;	/* those before; NULL: all have moved */
	size_t		 old_mask;
	size_t		 moved;		/* so many of old are in v */
	size_t		 count;
	uint64_t	 (*hash_of)(const void *arg,
			    const struct hashtab_link *);
	const void	*arg;
	struct hashtab_link *one;
};

/* hash_of: what the thing was inserted with; arg: often the key.  The table
 * must stay where it is. */
void	hashtab_init(struct hashtab *, uint64_t (*hash_of)(const void *arg,
	    const struct hashtab_link *), const void *arg);
void	hashtab_fini(struct hashtab *);		/* it is empty */

/* hash is keyed (base/hash.h) where strangers choose the names. */
void	hashtab_insert(struct hashtab *, uint64_t hash, struct hashtab_link *);
void	hashtab_remove(struct hashtab *, uint64_t hash,
	    struct hashtab_link *);		/* it is there */
/* f must not insert or remove. */
void	hashtab_each(const struct hashtab *,
	    void (*f)(struct hashtab_link *, void *arg), void *arg);

/*
 * A part of the walk: a few chains from `at` on, which is 0 at first.  Returns
 * where to go on; 0: that was all.  In between things may come and go: what is
 * there all the time is met at least once, and, where the table has grown or
 * shrunk meanwhile, perhaps again.
 */
size_t	hashtab_scan(const struct hashtab *, size_t at,
	    void (*f)(struct hashtab_link *, void *arg), void *arg);

static inline struct hashtab_link **
hashtab_bucket(const struct hashtab *t, uint64_t hash)
{
	if (unlikely(t->old != NULL) && (hash & t->old_mask) >= t->moved)
		return (&t->old[hash & t->old_mask]);
	return (&t->v[hash & t->mask]);
}

/* The first that may have this hash, and by their links the others. */
static inline struct hashtab_link *
hashtab_chain(const struct hashtab *t, uint64_t hash)
{
	return (*hashtab_bucket(t, hash));
}

#endif
