/*
 * Characters of protocols, which know no locale, and the pieces of a text that
 * they stand between.
 */
#ifndef BASE_ASCII_H
#define BASE_ASCII_H

#include "base/slice.h"

static inline bool
ascii_digit(uint8_t c)
{
	return ((uint8_t)(c - '0') < 10);
}

/* Value of a hexadecimal digit, or -1. */
static inline int
ascii_hex(uint8_t c)
{
	if (ascii_digit(c))
		return (c - '0');
	c |= 0x20;
	return (c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1);
}

/* A number as 16 of them, without an end. */
static inline void
ascii_put_hex(char out[16], uint64_t v)
{
	unsigned i;

	for (i = 0; i < 16; i++, v <<= 4)
		out[i] = "0123456789abcdef"[v >> 60];
}

static inline bool
ascii_blank(uint8_t c)
{
	return (c == ' ' || c == '\t');
}

/* Without the blanks around it. */
static inline struct slice
ascii_trim(struct slice s)
{
	while (s.n > 0 && ascii_blank(s.p[0]))
		s = slice_from(s, 1);
	while (s.n > 0 && ascii_blank(s.p[s.n - 1]))
		s.n--;
	return (s);
}

/* The part of *rest before c, and *rest moved behind c; all when c is not
 * there. */
static inline struct slice
ascii_take(struct slice *rest, uint8_t c)
{
	const uint8_t *p = rest->n == 0 ? NULL : memchr(rest->p, c, rest->n);
	struct slice part = *rest;

	if (p == NULL) {
		*rest = slice_of(slice_end(*rest), 0);
		return (part);
	}
	part.n = (size_t)(p - rest->p);
	*rest = slice_from(*rest, part.n + 1);
	return (part);
}

/* A decimal number of at most max, and nothing else. */
static inline bool
ascii_number(struct slice s, uint64_t max, uint64_t *value)
{
	uint64_t v = 0;
	size_t i;

	if (s.n == 0 || s.n > 19)	/* so many digits do not overflow */
		return (false);
	for (i = 0; i < s.n; i++) {
		if (!ascii_digit(s.p[i]))
			return (false);
		v = v * 10 + (unsigned)(s.p[i] - '0');
	}
	*value = v;
	return (v <= max);
}

#endif
