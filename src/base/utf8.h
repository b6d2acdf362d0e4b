/*
 * UTF-8 validity (RFC 3629): no overlong forms, no surrogates, nothing above
 * U+10FFFF.  Whole input, or piecewise with a state carried by the caller.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/buf.h"
#include "base/slice.h"

#define UTF8_OK		0u		/* start state; the only final one */
#define UTF8_BAD	UINT32_MAX

bool	 utf8_valid(struct slice);
/* Feed a piece: the new state, UTF8_BAD for ever once it is bad. */
uint32_t utf8_feed(uint32_t state, struct slice);
/* Has U+FFFD, which stands for what could not be read. */
bool	 utf8_lossy(struct slice);
/* What a name may be made of: valid, no control characters of ASCII, no
 * U+FFFD. */
bool	 utf8_name(struct slice);
/* How much of it is left without the character at its end that is cut. */
size_t	 utf8_cut(struct slice);
/* Appended; where it is not valid with U+FFFD, as browsers and Node decode. */
void	 utf8_mend(struct buf *, struct slice);
/* Code point as 1-4 bytes; returns how many. cp <= 0x10ffff, no surrogate. */
size_t	 utf8_put(uint8_t out[4], uint32_t cp);

#endif
