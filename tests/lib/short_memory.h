/*
 * A test that is short of memory at will: linked with --wrap for malloc, calloc,
 * realloc and reallocarray, of which the next but `left` fails, or all from there
 * on.  Only while it is armed: a test's own needs are met.
 */
#ifndef TESTS_LIB_SHORT_MEMORY_H
#define TESTS_LIB_SHORT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

static bool armed;
static long left;		/* allocations until one fails */
static bool for_good;		/* and all after it */
static unsigned nfailed;	/* in this run */

void	*__real_malloc(size_t);
void	*__real_calloc(size_t, size_t);
void	*__real_realloc(void *, size_t);
void	*__real_reallocarray(void *, size_t, size_t);
void	*__wrap_malloc(size_t);
void	*__wrap_calloc(size_t, size_t);
void	*__wrap_realloc(void *, size_t);
void	*__wrap_reallocarray(void *, size_t, size_t);

static bool
fails(void)
{
	if (!armed || (left == 0 && !for_good && nfailed > 0))
		return (false);
	if (left > 0) {
		left--;
		return (false);
	}
	nfailed++;
	return (true);
}

void *
__wrap_malloc(size_t n)
{
	return (fails() ? NULL : __real_malloc(n));
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return (fails() ? NULL : __real_calloc(n, size));
}

void *
__wrap_realloc(void *p, size_t n)
{
	return (fails() ? NULL : __real_realloc(p, n));
}

void *
__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return (fails() ? NULL : __real_reallocarray(p, n, size));
}

static void
arm(long i, bool good)
{
	left = i;
	for_good = good;
	nfailed = 0;
	armed = true;
}

#endif
