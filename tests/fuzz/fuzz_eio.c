/* A polling payload: its packets, joined again, are the payload. */
#include "proto/eio.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct eio_payload pl = { slice_of(data, n), false };
	struct eio_packet pkt;
	struct slice s;
	struct buf b;
	struct eio_owner owner;
	bool first = true;

	buf_init(&b);
	for (; eio_payload_next(&pl, &s); first = false) {
		if (!first)
			buf_byte(&b, 0x1e);
		buf_slice(&b, s);
		if (eio_decode(s, &pkt) != CODEC_BAD)
			MUST(pkt.data.n + 1 == s.n);
		if (eio_sid_owner(s, &owner)) {
			char sid[EIO_SID_LEN + 1];
			uint8_t random[EIO_SID_RANDOM] = { 0 };

			eio_sid_encode(owner, random, sid);
			MUST(memcmp(sid, s.p, 2) == 0);
		}
	}
	MUST(slice_eq(buf_unread(&b), slice_of(data, n)));
	buf_fini(&b);
	return (0);
}
