/*
 * Names by binary search.
 */
#include "conf/index.h"

#include <stdlib.h>
#include <string.h>

#include "conf/heap.h"

/* By length first: most comparisons end there. */
static int
index_name_order(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return (a.n < b.n ? -1 : 1);
	return (a.n == 0 ? 0 : memcmp(a.p, b.p, a.n));
}

static int
index_entry_order(const void *va, const void *vb)
{
	const struct conf_indexed *a = va, *b = vb;
	int order = index_name_order(a->name, b->name);

	return (order != 0 ? order : (a->line > b->line) - (a->line < b->line));
}

struct conf_index *
conf_index_new(size_t n)
{
	struct conf_index *index = conf_calloc(1, sizeof *index);

	index->names = conf_calloc(n, sizeof *index->names);
	return (index);
}

void
conf_index_add(struct conf_index *index, const char *name, const void *what,
    int line)
{
	index->names[index->n++] =
	    (struct conf_indexed){ slice_str(name), what, line };
}

void
conf_index_sort(struct conf_index *index)
{
	if (index->n > 1)
		qsort(index->names, index->n, sizeof *index->names,
		    index_entry_order);
}

const void *
conf_index_find(const struct conf_index *index, struct slice name)
{
	size_t low = 0, high = index == NULL ? 0 : index->n, middle;
	int order;

	while (low < high) {
		middle = low + (high - low) / 2;
		order = index_name_order(name, index->names[middle].name);
		if (order == 0)
			return (index->names[middle].what);
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return (NULL);
}

void
conf_index_free(void **private)
{
	struct conf_index *index = *private;

	if (index != NULL)
		free(index->names);
	free(index);
	*private = NULL;
}
