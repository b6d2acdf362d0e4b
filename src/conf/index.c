/*
 * Names by binary search.
 */
#include "conf/index.h"

#include <stdlib.h>
#include <string.h>

#include "conf/heap.h"

static int
index_entry_order(const void *va, const void *vb)
{
	const struct conf_indexed *a = va, *b = vb;
	int order = conf_index_order(a->name, b->name);

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

void
conf_index_free(void **private)
{
	struct conf_index *index = *private;

	if (index != NULL)
		free(index->names);
	free(index);
	*private = NULL;
}
