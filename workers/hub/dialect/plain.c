/*
 * A plain WebSocket client: one connection, one session, messages as raw.h
 * has them (envelope), the first argument alone (bare), or whatever they are
 * (raw, opaque.h).  Called by the host through client.h.
 */
#include "hub/hub_int.h"
#include "hub/dialect/inbound.h"
#include "hub/dialect/kind.h"
#include "hub/dialect/opaque.h"
#include "hub/dialect/plain.h"
#include "hub/dialect/single.h"
#include "hub/session/client.h"
#include "hub/session/limit.h"
#include "proto/json.h"
#include "proto/raw.h"
#include "proto/ws.h"

static void
plain_bare(struct client *c, struct slice data)
{
	struct inbound in = { .event = SLICE("\"message\"") };
	struct slice rest = { NULL, 0 };

	if (json_value(data, &rest) != (ssize_t)data.n) {
		client_close(c, REASON_raw_parse);
		return;
	}
	in.args = in.first = rest;
	inbound_event(c->sessions, &in);
}

void
plain_message(struct client *c, uint8_t *data, size_t n)
{
	struct session *s = c->sessions;
	struct inbound in = { .ack.kind = ACK_NONE };
	struct raw_message m;

	if (wire_form(s->wire) == WIRE_RAW) {
		opaque_text(c, slice_of(data, n));
		return;
	}
	json_mend(data, n);
	if (wire_is_bare(s->wire)) {
		plain_bare(c, slice_of(data, n));
		return;
	}
	if (raw_decode(slice_of(data, n), &m) < 0) {
		if (m.id.n != 0)
			in.ack = (struct ack){ .kind = ACK_RAW, .raw = m.id };
		if (!limit_message(s, &in))
			return;
		refuse(s, &in, REFUSED_BAD_REQUEST, "%s", m.why);
		return;
	}
	if (m.is_ack) {
		inbound_answer(s, &m.ack, m.data, NULL, 0);
		return;
	}
	in.event = m.event;
	in.args = in.first = m.data;
	if (m.id.n != 0)
		in.ack = (struct ack){ .kind = ACK_RAW, .raw = m.id };
	inbound_event(s, &in);
}

static void
plain_binary(struct client *c, uint8_t *data, size_t n)
{
	if (wire_form(c->wire) == WIRE_ENVELOPE)
		client_close(c, REASON_unsupported_data);
	else
		opaque_binary(c, slice_of(data, n));
}

static void
plain_tick(struct client *c)
{
	uint8_t ping[WS_HEADER_MAX];

	(void)client_beat(c, slice_of(ping,
	    ws_encode_header(ping, WS_OP_PING, 0)));
}

static void
plain_pong(struct client *c)
{
	if (client_beat_answered(c))
		client_schedule(c);
}

static bool
plain_load(struct client *c, struct book *k, struct state_in *in)
{
	enum wire form = wire_form(c->wire);

	(void)k;
	(void)in;
	return (form == WIRE_ENVELOPE || form == WIRE_BARE || form == WIRE_RAW);
}

const struct client_kind plain_kind = {
	.slab = CLIENT_PLAIN, .number = CLIENT_IS_PLAIN, .due = client_beat_due,
	.text = plain_message, .binary = plain_binary, .pong = plain_pong,
	.tick = plain_tick, .expire = single_expire, .kick = single_kick,
	.load = plain_load,
};

static enum wire
plain_wire(const struct conf_route *r)
{
	if (r == NULL || r->format == CONF_FORMAT_ENVELOPE)
		return (WIRE_ENVELOPE);
	return (r->format == CONF_FORMAT_RAW ? WIRE_RAW : WIRE_BARE);
}

struct client *
plain_open(struct hub *h, struct admission *a, struct outq *out)
{
	struct client *c = client_new(h, &plain_kind, plain_wire(a->route),
	    out, a);

	if (c == NULL)
		return (NULL);
	if (!single_begin(c, a)) {
		client_gone(&c, REASON_memory);
		return (NULL);
	}
	counter_add(COUNTER_opened_websocket, 1);
	client_beat_start(c);
	client_schedule(c);
	return (c);
}
