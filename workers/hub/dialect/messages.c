/*
 * Engine.IO without Socket.IO on top: one session from the start, in the
 * namespace and room of its route, and messages without a form (opaque.h).
 * Called by engine.c with each Engine.IO message.
 */
#include "base/utf8.h"
#include "hub/hub_int.h"
#include "hub/dialect/engine.h"
#include "hub/dialect/opaque.h"
#include "hub/dialect/single.h"

static void
messages_text(struct engine *e, struct slice text)
{
	struct client *c = &e->client;

	/* a WebSocket has looked already, a POST has not */
	if (wire_is_polling((enum wire)c->wire) && !utf8_valid(text))
		client_close(c, REASON_eio_parse);
	else
		opaque_text(c, text);
}

static void
messages_binary(struct engine *e, struct slice data)
{
	opaque_binary(&e->client, data);
}

static bool
messages_begin(struct engine *e, struct admission *a)
{
	return (single_begin(&e->client, a));
}

const struct engine_kind engine_messages = {
	.client = { ENGINE_CLIENT, .number = CLIENT_IS_MESSAGES,
	    .gone = engine_gone,
	    .expire = single_expire, .kick = single_kick },
	.begin = messages_begin, .text = messages_text,
	.binary = messages_binary,
	.ws = WIRE_EIO, .b64 = WIRE_EIO_B64, .polling = WIRE_EIO_POLL,
};
