/*
 * The places of several rooms as one text, as an event stream's ids have it: of
 * each room EPOCH:OFFSET, in the order in which the rooms were named, with a
 * comma between two; nothing for one that has no place.  Pure.
 */
#ifndef HUB_STORE_CURSOR_H
#define HUB_STORE_CURSOR_H

#include "hub/store/since.h"

#define CURSOR_ROOMS_MAX	32
#define CURSOR_MAX	(CURSOR_ROOMS_MAX * (EPOCH_MAX + 20 + 2))

/* Of n <= CURSOR_ROOMS_MAX rooms; returns bytes written. */
size_t	cursor_put(char out[CURSOR_MAX], const struct since *v, size_t n);
/* Those of n rooms, of which some may be not given.  false: it is no such text,
 * or not of so many rooms. */
bool	cursor_parse(struct since *v, size_t n, struct slice text) MUST_USE;

#endif
