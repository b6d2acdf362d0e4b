/*
 * A sorted array of names: what the model calls private, of namespaces and of
 * the events of each.
 */
#ifndef CONF_INDEX_H
#define CONF_INDEX_H

#include <string.h>

#include "base/bug.h"
#include "base/slice.h"

struct conf_indexed {
	struct slice	 name;		/* borrowed */
	const void	*what;
	int		 line;
};
struct conf_index {
	struct conf_indexed *names;
	size_t		 n;
};
/* Room for n names. */
struct conf_index *conf_index_new(size_t n) MUST_USE;
void	conf_index_add(struct conf_index *, const char *name, const void *what,
	    int line);
/* Names that are there twice are neighbours then, by line. */
void	conf_index_sort(struct conf_index *);
/* What the model calls private. */
void	conf_index_free(void **);

/* By length first: most comparisons end there. */
static inline int
conf_index_order(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return (a.n < b.n ? -1 : 1);
	return (a.n == 0 ? 0 : memcmp(a.p, b.p, a.n));
}

/* NULL when absent; index may be NULL.  Asked for each message. */
static inline const void *
conf_index_find(const struct conf_index *index, struct slice name)
{
	size_t low = 0, high = index == NULL ? 0 : index->n, middle;
	int order;

	while (low < high) {
		middle = low + (high - low) / 2;
		order = conf_index_order(name, index->names[middle].name);
		if (order == 0)
			return (index->names[middle].what);
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return (NULL);
}

#endif
