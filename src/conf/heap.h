/*
 * Memory for a configuration: a few kilobytes, asked for at start and reload.
 * Never NULL: a host without that much left is beyond refusing politely.
 */
#ifndef CONF_HEAP_H
#define CONF_HEAP_H

#include <stddef.h>

#include "base/bug.h"

void	*conf_calloc(size_t n, size_t size) MUST_USE;
/* Room for n elements of that size in a growing array. */
void	*conf_grow(void *, size_t n, size_t *cap, size_t size) MUST_USE;
char	*conf_strndup(const void *, size_t n) MUST_USE;
char	*conf_strdup(const char *) MUST_USE;

#endif
