/*
 * Between the files of MessagePack: one value's head.
 */
#ifndef RELAY_BRIDGE_MSGPACK_INT_H
#define RELAY_BRIDGE_MSGPACK_INT_H

#include "relay/bridge/msgpack.h"

/* The scalar, or the start of the array or map, with which in begins: how
 * many bytes that is; 0: it is cut, or is none.  raw is left alone. */
size_t	msgpack_head(struct slice in, struct msgpack_value *) MUST_USE;

/* Values that follow such a start. */
static inline uint64_t
msgpack_inside(const struct msgpack_value *v)
{
	return (v->type == MSGPACK_MAP ? 2 * (uint64_t)v->count : v->count);
}

#endif
