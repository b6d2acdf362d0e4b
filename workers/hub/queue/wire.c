/*
 * A publication as bytes; see wire.h.  Called by fanout.c, and by client.c
 * for what goes to one client alone.
 */
#include "hub/queue/wire.h"

#include "base/digest.h"
#include "proto/json.h"
#include "proto/raw.h"
#include "proto/sio.h"
#include "proto/ws.h"

#define SEPARATOR	0x1e	/* between packets of a polling payload */

/* --- text ----------------------------------------------------------------- */

size_t
wire_text_size(enum wire w, size_t n)
{
	return (wire_is_polling(w) ? n + 1 : ws_header_size(n) + n);
}

/* Framing in front; where the text goes. */
static uint8_t *
text_begin(enum wire w, size_t n, uint8_t *out)
{
	return (wire_is_polling(w) ? out :
	    out + ws_encode_header(out, WS_OP_TEXT, n));
}

static uint8_t *
text_end(enum wire w, uint8_t *out)
{
	if (wire_is_polling(w))
		*out++ = SEPARATOR;
	return (out);
}

void
wire_text_put(enum wire w, struct slice text, uint8_t *out)
{
	out = text_begin(w, text.n, out);
	if (text.n != 0)
		memcpy(out, text.p, text.n);
	(void)text_end(w, out + text.n);
}

/* --- attachments ---------------------------------------------------------- */

static bool
is_base64(enum wire w)
{
	return (wire_is_polling(w) || w == WIRE_SIO_B64 ||
	    w == WIRE_EIO_B64);
}

static size_t
base64_size(size_t n)
{
	return (1 + (n + 2) / 3 * 4);
}

static size_t
attachment_size(enum wire w, size_t n)
{
	if (is_base64(w))
		return (wire_text_size(w, base64_size(n)));
	return (ws_header_size(n) + n);
}

static uint8_t *
attachment_put(enum wire w, struct slice a, uint8_t *out)
{
	if (is_base64(w)) {
		out = text_begin(w, base64_size(a.n), out);
		*out++ = 'b';
		return (text_end(w, out + digest_base64_encode(a, out)));
	}
	out += ws_encode_header(out, WS_OP_BINARY, a.n);
	if (a.n != 0)
		memcpy(out, a.p, a.n);
	return (out + a.n);
}

size_t
wire_binary_size(enum wire w, size_t n)
{
	return (attachment_size(w, n));
}

void
wire_binary_put(enum wire w, struct slice s, uint8_t *out)
{
	(void)attachment_put(w, s, out);
}

/* --- the event ------------------------------------------------------------ */

/* The first argument; found only when a wire form needs it. */
static struct slice
first_of(const struct publication *p)
{
	struct slice first = p->first;

	if (first.n == 0 && p->args.n != 0)
		MUST(json_value(p->args, &first) > 0);
	return (first);
}

static struct slice
bare_of(const struct publication *p)
{
	return (p->args.n == 0 ? SLICE("null") : first_of(p));
}

static struct sio_event
sio_of(const struct publication *p)
{
	return ((struct sio_event){ .nsp = p->nsp, .event = p->event,
	    .has_id = p->asks, .id = p->ask_id,
	    .args = p->args, .meta = p->meta, .offset = p->offset,
	    .nattach = p->nattach });
}

static struct raw_event
raw_of(const struct publication *p)
{
	return ((struct raw_event){ .event = p->event, .args = p->args,
	    .first = first_of(p), .meta = p->meta, .has_id = p->asks,
	    .id = p->ask_id });
}

static size_t
event_size(enum wire w, const struct publication *p)
{
	struct sio_event sio;
	struct raw_event raw;

	switch (w) {
	case WIRE_SIO:
	case WIRE_SIO_B64:
	case WIRE_POLL:
		sio = sio_of(p);
		return (sio_event_size(&sio));
	case WIRE_ENVELOPE:
		raw = raw_of(p);
		return (raw_event_size(&raw));
	case WIRE_BARE:
		return (bare_of(p).n);
	case WIRE_EIO:
	case WIRE_EIO_B64:
	case WIRE_EIO_POLL:
	case WIRE__MAX:
		break;
	}
	MUST(w < WIRE_EIO);
	return (0);
}

static uint8_t *
event_put(enum wire w, const struct publication *p, uint8_t *out)
{
	struct sio_event sio;
	struct raw_event raw;
	struct slice bare;

	switch (w) {
	case WIRE_SIO:
	case WIRE_SIO_B64:
	case WIRE_POLL:
		sio = sio_of(p);
		return (sio_event_put(out, &sio));
	case WIRE_ENVELOPE:
		raw = raw_of(p);
		return (raw_event_put(out, &raw));
	case WIRE_BARE:
		bare = bare_of(p);
		memcpy(out, bare.p, bare.n);
		return (out + bare.n);
	case WIRE_EIO:
	case WIRE_EIO_B64:
	case WIRE_EIO_POLL:
	case WIRE__MAX:
		break;
	}
	MUST(w < WIRE_EIO);
	return (NULL);
}

/* --- Engine.IO messages --------------------------------------------------- */

/* What an Engine.IO client gets of a publication: one message. */
struct message {
	struct slice	 data;
	enum { MESSAGE_JSON, MESSAGE_STRING, MESSAGE_BINARY } kind;
};

/* {"_placeholder":true,"num":i} */
static bool
is_placeholder(const struct publication *p, struct slice v, int64_t *i)
{
	struct slice is, num;

	return (p->nattach != 0 && json_type(v) == JSON_OBJECT &&
	    json_get(v, SLICE("_placeholder"), &is) &&
	    json_type(is) == JSON_TRUE && json_get(v, SLICE("num"), &num) &&
	    json_type(num) == JSON_NUMBER && json_int(num, i) && *i >= 0 &&
	    *i < (int64_t)p->nattach);
}

static struct message
message_of(const struct publication *p)
{
	struct message m = { bare_of(p), MESSAGE_JSON };
	int64_t i;

	if (json_type(m.data) == JSON_STRING) {
		m.kind = MESSAGE_STRING;
	} else if (is_placeholder(p, m.data, &i)) {
		m.kind = MESSAGE_BINARY;
		m.data = p->attachments[i];
	}
	return (m);
}

/* A separator in a text would make packets of what a stranger wrote. */
static uint8_t
message_without(enum wire w)
{
	return (wire_is_polling(w) ? SEPARATOR : 0);
}

/* With the packet's type; not for binary. */
static size_t
message_size(enum wire w, const struct message *m)
{
	return (1 + (m->kind == MESSAGE_STRING ?
	    json_plain_size(m->data, message_without(w)) : m->data.n));
}

static uint8_t *
message_put(enum wire w, const struct message *m, uint8_t *out)
{
	*out++ = '4';
	if (m->kind == MESSAGE_STRING)
		return (json_plain_to(out, m->data, message_without(w)));
	memcpy(out, m->data.p, m->data.n);
	return (out + m->data.n);
}

/* An Engine.IO message as a whole, framing included; text: its packet's size,
 * 0 when it is binary. */
static struct wire_plan
message_plan(enum wire w, const struct publication *p)
{
	struct message m = message_of(p);
	struct wire_plan plan = { 0, attachment_size(w, m.data.n) };

	if (m.kind != MESSAGE_BINARY) {
		plan.text = message_size(w, &m);
		plan.total = wire_text_size(w, plan.text);
	}
	return (plan);
}

static uint8_t *
message_whole(enum wire w, const struct publication *p, size_t text,
    uint8_t *out)
{
	struct message m = message_of(p);

	if (m.kind == MESSAGE_BINARY)
		return (attachment_put(w, m.data, out));
	return (text_end(w, message_put(w, &m, text_begin(w, text, out))));
}

/* --- all ------------------------------------------------------------------ */

struct wire_plan
wire_plan(enum wire w, const struct publication *p)
{
	struct wire_plan plan;
	unsigned i;

	if (wire_is_engineio(w))
		return (message_plan(w, p));
	plan.text = event_size(w, p);
	plan.total = wire_text_size(w, plan.text);
	for (i = 0; i < p->nattach; i++)
		plan.total += attachment_size(w, p->attachments[i].n);
	return (plan);
}

void
wire_put(enum wire w, const struct publication *p,
    const struct wire_plan *plan, uint8_t *out)
{
	uint8_t *start = out, *text;
	unsigned i;

	if (wire_is_engineio(w)) {
		out = message_whole(w, p, plan->text, out);
		MUST(out == start + plan->total);
		return;
	}
	text = text_begin(w, plan->text, out);
	out = event_put(w, p, text);
	MUST(out == text + plan->text);
	out = text_end(w, out);
	for (i = 0; i < p->nattach; i++)
		out = attachment_put(w, p->attachments[i], out);
	MUST(out == start + plan->total);
}

unsigned
wire_frames(enum wire w, const struct publication *p)
{
	if (wire_is_polling(w))
		return (0);
	return (wire_is_engineio(w) ? 1 : 1 + p->nattach);
}
