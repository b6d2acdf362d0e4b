/*
 * Any text as a Socket.IO packet: the parts of an accepted one are inside it
 * and, put together again, mean the same.
 */
#include <stdlib.h>

#include "proto/json.h"
#include "proto/sio.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Events come back from our own encoder as they were. */
static void
again_event(const struct sio_packet *pkt)
{
	struct sio_event ev = { .nsp = pkt->nsp, .has_id = pkt->has_id,
		.id = pkt->id, .event = pkt->event, .args = pkt->args };
	size_t n = sio_event_size(&ev);
	uint8_t *p = malloc(n);
	struct sio_packet got;
	struct sio_head head;

	MUST(p != NULL && sio_event_put(p, &ev) == p + n);
	MUST(sio_peek(slice_of(p, n), pkt->nsp, &head));
	MUST(head.has_id == pkt->has_id && head.nattach == 0);
	MUST(sio_decode(slice_of(p + 1, n - 1), &got) == (ssize_t)n - 1);
	MUST(got.type == SIO_EVENT && got.has_id == pkt->has_id);
	MUST(got.id == pkt->id && slice_eq(got.nsp, pkt->nsp));
	MUST(slice_eq(got.event, pkt->event) && slice_eq(got.args, pkt->args));
	free(p);
}

static void
again_ack(const struct sio_packet *pkt)
{
	struct sio_packet got;
	struct slice s;
	struct buf b;

	buf_init(&b);
	sio_encode_ack(&b, pkt->nsp, pkt->id, pkt->args, 0);
	s = slice_from(buf_unread(&b), 1);
	MUST(sio_decode(s, &got) == (ssize_t)s.n);
	MUST(got.type == SIO_ACK && got.id == pkt->id);
	MUST(slice_eq(got.args, pkt->args));
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sio_packet pkt;
	ssize_t used = sio_decode(slice_of(data, n), &pkt);
	struct sio_head head;

	(void)!sio_peek(slice_of(data, n), SLICE("/"), &head);
	(void)!sio_peek(slice_of(data, n), SLICE("/n"), &head);
	(void)sio_has_offset(slice_of(data, n), slice_of(data, n / 2));
	if (used == CODEC_BAD) {
		MUST(pkt.why != NULL);
		return (0);
	}
	MUST(used == (ssize_t)n && pkt.nsp.n >= 1 && pkt.nsp.p[0] == '/');
	MUST(pkt.data.n == 0 || json_valid(pkt.data));
	MUST(pkt.nattach <= SIO_ATTACHMENTS_MAX);
	if (pkt.event.n > 0)
		again_event(&pkt);
	else if (pkt.type == SIO_ACK || pkt.type == SIO_BINARY_ACK)
		again_ack(&pkt);
	return (0);
}
