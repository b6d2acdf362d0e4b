/*
 * Engine.IO without Socket.IO on top: one session from the start, in the
 * namespace and room of its route.  A text message is the event `message`
 * whose first argument is that text as a JSON string; a binary one is its
 * attachment, with a placeholder as the argument.  Called by engine.c with
 * each Engine.IO message; what goes out has a wire form of its own (wire.h).
 */
#include "base/utf8.h"
#include "hub/hub_int.h"
#include "hub/dialect/engine.h"
#include "hub/dialect/inbound.h"
#include "hub/dialect/single.h"
#include "hub/rule/appoint.h"
#include "proto/json.h"

/* Larger ones are not kept for the next message. */
#define SCRATCH_KEPT	(64u << 10)

static void
messages_text(struct engine *e, struct slice text)
{
	struct client *c = &e->client;
	struct buf *b = &c->hub->message;
	struct inbound in = { .event = SLICE("\"message\"") };

	/* a WebSocket has looked already, a POST has not */
	if (wire_is_polling((enum wire)c->wire) && !utf8_valid(text)) {
		client_close(c, REASON_eio_parse);
		return;
	}
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

static void
messages_binary(struct engine *e, struct slice data)
{
	struct slice arg = SLICE("{\"_placeholder\":true,\"num\":0}");
	struct inbound in = { .event = SLICE("\"message\""),
		.args = arg, .first = arg, .attachments = &data,
		.nattach = 1 };

	inbound_event(e->client.sessions, &in);
}

static bool
messages_begin(struct engine *e, struct admission *a)
{
	if (!single_begin(&e->client, a))
		return (false);
	appoint(e->client.sessions, slice_of(NULL, 0));
	return (true);
}

const struct engine_kind engine_messages = {
	.client = { ENGINE_CLIENT, .number = CLIENT_IS_MESSAGES,
	    .gone = engine_gone,
	    .expire = single_expire, .kick = single_kick },
	.begin = messages_begin, .text = messages_text,
	.binary = messages_binary,
	.ws = WIRE_EIO, .b64 = WIRE_EIO_B64, .polling = WIRE_EIO_POLL,
};
