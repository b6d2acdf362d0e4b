/*
 * Messages without a form; see opaque.h.  Called by messages.c and plain.c.
 */
#include "hub/dialect/opaque.h"

#include "hub/hub_int.h"
#include "hub/dialect/inbound.h"
#include "hub/session/client.h"
#include "proto/json.h"

/* Larger ones are not kept for the next message. */
#define SCRATCH_KEPT	(64u << 10)

void
opaque_text(struct client *c, struct slice text)
{
	struct buf *b = &c->hub->message;
	struct inbound in = { .event = SLICE("\"message\"") };

	buf_reset(b);
	json_escape(b, text);
	if (b->oom) {
		counter_add(COUNTER_memory_failures, 1);
		client_close(c, REASON_memory);
		return;
	}
	in.args = in.first = buf_unread(b);
	inbound_event(c->sessions, &in);
	if (b->cap > SCRATCH_KEPT) {
		buf_fini(b);
		buf_init(b);
	}
}

void
opaque_binary(struct client *c, struct slice data)
{
	struct slice arg = SLICE("{\"_placeholder\":true,\"num\":0}");
	struct inbound in = { .event = SLICE("\"message\""),
		.args = arg, .first = arg, .attachments = &data,
		.nattach = 1 };

	inbound_event(c->sessions, &in);
}
