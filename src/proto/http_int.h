/*
 * What the files of HTTP share: the characters and pieces of its syntax.
 * Private to http*.c.
 */
#ifndef PROTO_HTTP_INT_H
#define PROTO_HTTP_INT_H

#include "proto/http.h"

extern const uint8_t http_tchars[256];	/* RFC 9110 section 5.6.2 */

static inline bool
is_digit(uint8_t c)
{
	return ((uint8_t)(c - '0') < 10);
}

static inline bool
is_blank(uint8_t c)
{
	return (c == ' ' || c == '\t');
}

static inline struct slice
trim(struct slice s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s = slice_from(s, 1);
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return (s);
}

/* The part of *rest before c, and *rest moved behind c; all when c is not
 * there. */
static inline struct slice
take_until(struct slice *rest, uint8_t c)
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

/* Value of a hexadecimal digit, or -1. */
static inline int
hex_value(uint8_t c)
{
	if (is_digit(c))
		return (c - '0');
	c |= 0x20;
	return (c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1);
}

#endif
