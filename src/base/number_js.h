/*
 * Numbers as JavaScript writes them: what a back end in that language compares
 * ids with.  Source: ECMA-262, Number::toString for radix 10.
 */
#ifndef BASE_NUMBER_JS_H
#define BASE_NUMBER_JS_H

#include <stddef.h>

#define NUMBER_JS_MAX	32	/* bytes, NUL included */

/* v is finite; returns the length of the text. */
size_t	number_js(double v, char out[NUMBER_JS_MAX]);

#endif
