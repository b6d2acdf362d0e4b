/*
 * Borrowed bytes: a pointer and a length, never owned, never NUL-terminated.
 * Valid until the function that was given it returns, unless its header says
 * otherwise.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct slice {
	const uint8_t	*p;	/* may be NULL when n is 0 */
	size_t		 n;	/* bytes */
};

/* A slice over a string literal, usable in expressions. */
#define SLICE(lit) ((struct slice){ (const uint8_t *)(lit), sizeof(lit) - 1 })

static inline struct slice
slice_of(const void *p, size_t n)
{
	return ((struct slice){ (const uint8_t *)p, n });
}

static inline struct slice
slice_str(const char *s)
{
	return (slice_of(s, s == NULL ? 0 : strlen(s)));
}

/* The part [from, n); from must be <= s.n.  (NULL + 0 is undefined in C.) */
static inline struct slice
slice_from(struct slice s, size_t from)
{
	return (slice_of(from == 0 ? s.p : s.p + from, s.n - from));
}

/* Where s ends; NULL when s has no address. */
static inline const uint8_t *
slice_end(struct slice s)
{
	return (s.n == 0 ? s.p : s.p + s.n);
}

static inline bool
slice_eq(struct slice a, struct slice b)
{
	return (a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0));
}

/* ASCII letters compare without case. */
static inline bool
slice_caseeq(struct slice a, struct slice b)
{
	return (a.n == b.n && (a.n == 0 ||
	    strncasecmp((const char *)a.p, (const char *)b.p, a.n) == 0));
}

static inline bool
slice_starts(struct slice s, struct slice prefix)
{
	return (s.n >= prefix.n &&
	    (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0));
}

#endif
