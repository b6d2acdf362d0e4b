/* Any bytes as a frame: an accepted one, encoded, is decoded to the same; it
 * is the same whatever stood there before, and nothing until it is whole. */
#include "tests/lib/bus_same.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct bus_envelope e, again;
	struct slice in = slice_of(data, n);
	uint64_t slots[2];
	uint16_t flags;
	struct buf b;
	ssize_t size = bus_frame(in, slots, &flags);
	size_t cut;

	MUST(size == CODEC_BAD || (size >= 0 && (size_t)size <= n));
	for (cut = 0; size > 0 && cut < (size_t)size; cut++)
		MUST(bus_decode(slice_of(data, cut), &e) == CODEC_MORE);
	if (bus_decode(in, &e) <= 0)
		return (0);
	MUST(e.slots[0] == slots[0] && e.slots[1] == slots[1] &&
	    e.flags == flags);
	buf_init(&b);
	MUST(bus_encode(&b, &e));
	memset(&again, 0xa5, sizeof again);
	MUST(bus_decode(buf_unread(&b), &again) == (ssize_t)b.wpos);
	MUST(bus_same(&e, &again));
	buf_fini(&b);
	return (0);
}
