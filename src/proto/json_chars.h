/*
 * Characters of JSON: what digits and escapes mean, and the look for what is
 * special in a string.  Called by the other files of JSON; knows no values.
 */
#ifndef PROTO_JSON_CHARS_H
#define PROTO_JSON_CHARS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/ascii.h"

/* Value of a hexadecimal digit + 1; 0: none. */
extern const uint8_t json_hex[256];
/* What a one-letter escape means; 0: not one. */
extern const uint8_t json_escapes[256];

#define JSON_ONES	UINT64_C(0x0101010101010101)
#define JSON_HIGHS	UINT64_C(0x8080808080808080)

static inline bool
json_is_hex4(const uint8_t *p)
{
	return (json_hex[p[0]] != 0 && json_hex[p[1]] != 0 &&
	    json_hex[p[2]] != 0 && json_hex[p[3]] != 0);
}

/*
 * The first quote, backslash or control byte from p on, or end.  *high
 * collects the top bits of what was passed (and a little beyond).  The lowest
 * mark of each test below is exact, only marks above it may be false.
 */
static inline const uint8_t *
json_find_special(const uint8_t *p, const uint8_t *end, uint64_t *high)
{
	uint64_t w, q, b, marks;

	while (end - p >= 8) {
		memcpy(&w, p, 8);
		*high |= w;
		q = w ^ JSON_ONES * '"';
		b = w ^ JSON_ONES * '\\';
		marks = ((q - JSON_ONES) & ~q) | ((b - JSON_ONES) & ~b) |
		    ((w - JSON_ONES * 0x20) & ~w);
		marks &= JSON_HIGHS;
		if (marks != 0)
			return (p + (__builtin_ctzll(marks) >> 3));
		p += 8;
	}
	for (; p < end && *p != '"' && *p != '\\' && *p >= 0x20; p++)
		*high |= *p;
	return (p);
}

static inline const uint8_t *
json_skip_digits(const uint8_t *p, const uint8_t *end)
{
	while (p < end && ascii_digit(*p))
		p++;
	return (p);
}

#endif
