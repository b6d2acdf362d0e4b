/*
 * Between bus.c, which knows the kinds of envelopes, and what makes frames of
 * them: bus_frame.c (the fixed header), bus_decode.c, bus_encode.c.
 */
#ifndef PROTO_BUS_INT_H
#define PROTO_BUS_INT_H

#include "proto/bus.h"

#define BUS_WIRE_VERSION	2
#define BUS_FIELD_HEADER	5	/* u8 tag, u32 length */

/* What stands under a tag depends on the kind: bus_put_*() and bus_take_*(),
 * the same way round, say what. */
enum tag {
	TAG_NSP = 1, TAG_EVENT, TAG_ARGS, TAG_META, TAG_ROOM, TAG_USER, TAG_SID,
	TAG_EXCEPT, TAG_COUNT, TAG_SENT, TAG_ATTACHMENT, TAG_OFFSET,
	TAG_JOIN, TAG_LEAVE, TAG_ONCE, TAG_EPOCH, TAG_KEPT, TAG_FROM, TAG_SINCE,
	TAG_LIMIT, TAG_BYTES, TAG_FIRST, TAG_FINISHED, TAG_PID,
	TAG_CONFLATE, TAG_TRACE, TAG_EDITS, TAG_INSTEAD, TAG_KEY, TAG_BASED,
	TAG__MAX
};

/* Of that kind, without flags, and all that it says empty. */
void	bus_empty(struct bus_envelope *, enum bus_kind);

/* Little-endian words. */
static inline uint64_t
bus_word(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	while (bytes-- > 0)
		v = v << 8 | p[bytes];
	return (v);
}

static inline uint8_t *
bus_word_put(uint8_t *p, uint64_t v, unsigned bytes)
{
	while (bytes-- > 0) {
		*p++ = (uint8_t)v;
		v >>= 8;
	}
	return (p);
}

#endif
