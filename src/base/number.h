/*
 * Unsigned numbers as text, written where they will stand: what messages are
 * made of when their size is known before they are written.
 */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Digits of v in this base, 10 or 16. */
static inline size_t
number_size(uint64_t v, unsigned base)
{
	size_t n = 1;

	while (v >= base) {
		v /= base;
		n++;
	}
	return (n);
}

/* Writes number_size() bytes; returns the end. */
static inline uint8_t *
number_put(uint8_t *out, uint64_t v, unsigned base)
{
	size_t i, n = number_size(v, base);

	for (i = n; i-- > 0; v /= base)
		out[i] = (uint8_t)"0123456789abcdef"[v % base];
	return (out + n);
}

#endif
