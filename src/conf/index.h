/*
 * A sorted array of names: what the model calls private, of namespaces and of
 * the events of each.
 */
#ifndef CONF_INDEX_H
#define CONF_INDEX_H

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
/* NULL when absent; index may be NULL. */
const void *conf_index_find(const struct conf_index *, struct slice name);
/* What the model calls private. */
void	conf_index_free(void **);

#endif
