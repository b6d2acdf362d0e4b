/*
 * Any text as an envelope: an accepted event can be sent on and answered, an
 * accepted answer is nothing else.
 */
#include <stdlib.h>

#include "proto/json.h"
#include "proto/raw.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
send_on(const struct raw_message *m)
{
	struct raw_event ev = { .event = m->event, .args = m->data,
		.first = m->data };
	size_t n = raw_event_size(&ev);
	uint8_t *p = malloc(n);
	struct raw_message got;

	MUST(p != NULL && raw_event_put(p, &ev) == p + n);
	MUST(raw_decode(slice_of(p, n), &got) == (ssize_t)n);
	MUST(slice_eq(got.event, m->event));
	MUST(m->data.n == 0 || slice_eq(got.data, m->data));
	free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct raw_message m;
	struct buf b;

	if (raw_decode(slice_of(data, n), &m) == CODEC_BAD) {
		MUST(m.why != NULL);
		return (0);
	}
	if (m.is_ack) {
		MUST(m.event.n == 0 && m.ack <= (UINT64_C(1) << 53) - 1);
		return (0);
	}
	send_on(&m);
	if (m.id.n > 0) {
		buf_init(&b);
		raw_encode_ack(&b, m.id, m.data, m.data);
		MUST(json_valid(buf_unread(&b)));
		buf_reset(&b);
		raw_encode_ack_error(&b, m.id, "code", SLICE("a\"b"),
		    SLICE("[1]"), SLICE(",\"a\":1"));
		MUST(json_valid(buf_unread(&b)));
		buf_fini(&b);
	}
	return (0);
}
