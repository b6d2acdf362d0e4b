/*
 * Memory for a configuration; see heap.h.
 */
#include "conf/heap.h"

#include <stdlib.h>
#include <string.h>

#include "base/bug.h"

void *
conf_calloc(size_t n, size_t size)
{
	void *p = calloc(n == 0 ? 1 : n, size);

	MUST(p != NULL);
	return (p);
}

void *
conf_grow(void *array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return (array);
	*cap = *cap == 0 ? 8 : *cap * 2;
	array = reallocarray(array, *cap, size);
	MUST(array != NULL);
	return (array);
}

char *
conf_strndup(const void *p, size_t n)
{
	char *copy = conf_calloc(n + 1, 1);

	if (n > 0)
		memcpy(copy, p, n);
	return (copy);
}

char *
conf_strdup(const char *s)
{
	return (conf_strndup(s, strlen(s)));
}
