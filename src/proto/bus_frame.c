/*
 * The fixed header of a frame, which is all that the relay reads; see bus.h.
 */
#include "proto/bus_int.h"

ssize_t
bus_frame(struct slice in, uint64_t slots[2], uint16_t *flags)
{
	uint64_t size;

	if (in.n < 4)
		return (CODEC_MORE);
	size = bus_word(in.p, 4);
	if (size < BUS_HEADER || size > BUS_FRAME_MAX)
		return (CODEC_BAD);
	if (in.n > 5 && in.p[5] != BUS_WIRE_VERSION)
		return (CODEC_BAD);
	if (in.n < size)
		return (CODEC_MORE);
	*flags = (uint16_t)bus_word(in.p + 6, 2);
	slots[0] = bus_word(in.p + 8, 8);
	slots[1] = bus_word(in.p + 16, 8);
	return ((ssize_t)size);
}

void
bus_frame_spread(uint8_t *frame, const uint64_t slots[2])
{
	uint64_t flags = bus_word(frame + 6, 2) | BUS_SHADOW;

	(void)bus_word_put(frame + 6, flags, 2);
	(void)bus_word_put(frame + 8, slots[0], 8);
	(void)bus_word_put(frame + 16, slots[1], 8);
}

enum bus_kind
bus_frame_kind(struct slice frame)
{
	return ((enum bus_kind)frame.p[4]);
}

unsigned
bus_frame_from(struct slice frame)
{
	return ((unsigned)bus_word(frame.p + 24, 2));
}

uint32_t
bus_frame_ref(struct slice frame)
{
	return ((uint32_t)bus_word(frame.p + 28, 4));
}
