/*
 * A publication as bytes; see wire.h.  Called by fanout.c, and by send.c for
 * what goes to one client alone.
 */
#include "hub/queue/wire.h"

#include "base/digest.h"
#include "hub/queue/wire_sockjs.h"
#include "hub/queue/wire_sse.h"
#include "proto/eio.h"
#include "proto/json.h"
#include "proto/raw.h"
#include "proto/sio.h"
#include "proto/json_sockjs.h"
#include "proto/ws.h"

/* --- text ----------------------------------------------------------------- */

/* n bytes with framing around them. */
static size_t
wire_framed_size(enum wire w, size_t n)
{
	return (wire_is_framed(w) ? ws_header_size(n) + n :
	    n + wire_is_polling(w));
}

size_t
wire_text_size(enum wire w, struct slice text)
{
	return (wire_is_sockjs(w) ? wire_sockjs_size(w, text.n +
	    sockjs_escape_more(text)) : wire_framed_size(w, text.n));
}

/* Framing in front; where the text goes. */
static uint8_t *
wire_text_begin(enum wire w, size_t n, uint8_t *out)
{
	return (wire_is_framed(w) ? out + ws_encode_header(out, WS_OP_TEXT, n) :
	    out);
}

static uint8_t *
wire_text_end(enum wire w, uint8_t *out)
{
	if (wire_is_polling(w))
		*out++ = EIO_SEPARATOR;
	return (out);
}

void
wire_text_put(enum wire w, struct slice text, uint8_t *out)
{
	if (wire_is_sockjs(w)) {
		(void)wire_sockjs_text_put(w, text, out);
		return;
	}
	out = wire_text_begin(w, text.n, out);
	if (text.n != 0)
		memcpy(out, text.p, text.n);
	(void)wire_text_end(w, out + text.n);
}

/* --- attachments ---------------------------------------------------------- */

static size_t
wire_base64_size(size_t n)
{
	return (1 + (n + 2) / 3 * 4);
}

size_t
wire_binary_size(enum wire w, size_t n)
{
	if (wire_is_base64(w))
		return (wire_framed_size(w, wire_base64_size(n)));
	return (ws_header_size(n) + n);
}

static uint8_t *
wire_attachment_put(enum wire w, struct slice a, uint8_t *out)
{
	if (wire_is_base64(w)) {
		out = wire_text_begin(w, wire_base64_size(a.n), out);
		*out++ = EIO_BINARY;
		return (wire_text_end(w, out + digest_base64_encode(a, out)));
	}
	out += ws_encode_header(out, WS_OP_BINARY, a.n);
	if (a.n != 0)
		memcpy(out, a.p, a.n);
	return (out + a.n);
}

void
wire_binary_put(enum wire w, struct slice s, uint8_t *out)
{
	(void)wire_attachment_put(w, s, out);
}

/* --- the event ------------------------------------------------------------ */

/* The first argument; found only when a wire form needs it. */
static struct slice
wire_first(const struct publication *p)
{
	struct slice first = p->first;

	if (first.n == 0 && p->args.n != 0)
		MUST(json_value(p->args, &first) > 0);
	return (first);
}

static struct slice
wire_bare(const struct publication *p)
{
	return (p->args.n == 0 ? SLICE("null") : wire_first(p));
}

static struct sio_event
wire_sio(const struct publication *p)
{
	return ((struct sio_event){ .nsp = p->nsp, .event = p->event,
	    .has_id = p->asks, .id = p->ask_id,
	    .args = p->args, .meta = p->meta, .offset = p->offset,
	    .nattach = p->nattach });
}

static struct raw_event
wire_raw(const struct publication *p)
{
	return ((struct raw_event){ .event = p->event, .args = p->args,
	    .first = wire_first(p), .meta = p->meta, .has_id = p->asks,
	    .id = p->ask_id });
}

static struct sse_event
wire_data(const struct publication *p)
{
	return ((struct sse_event){ .raw = wire_raw(p),
	    .attachments = p->attachments, .nattach = p->nattach });
}

/* Nobody can answer it. */
static struct sse_event
wire_stream(const struct publication *p)
{
	struct sse_event ev = wire_data(p);

	ev.raw.has_id = false;
	return (ev);
}

static size_t
wire_event_size(enum wire w, const struct publication *p)
{
	struct sio_event sio;
	struct raw_event raw;
	struct sse_event sse;

	switch (w) {
	case WIRE_SIO:
	case WIRE_SIO_B64:
	case WIRE_POLL:
		sio = wire_sio(p);
		return (sio_event_size(&sio));
	case WIRE_ENVELOPE:
		raw = wire_raw(p);
		return (raw_event_size(&raw));
	case WIRE_BARE:
		return (wire_bare(p).n);
	case WIRE_SSE:
		sse = wire_stream(p);
		return (wire_sse_event_size(&sse));
	case WIRE_EIO:
	case WIRE_EIO_B64:
	case WIRE_EIO_POLL:
	case WIRE_RAW:
	case WIRE_SOCKJS:
	case WIRE_SOCKJS_BARE:
	case WIRE_SOCKJS_POLL:
	case WIRE_SOCKJS_POLL_BARE:
	case WIRE_YJS:
	case WIRE__MAX:
		break;
	}
	MUST(w == WIRE_SSE);
	return (0);
}

static uint8_t *
wire_event_put(enum wire w, const struct publication *p, uint8_t *out)
{
	struct sio_event sio;
	struct raw_event raw;
	struct sse_event sse;
	struct slice bare;

	switch (w) {
	case WIRE_SIO:
	case WIRE_SIO_B64:
	case WIRE_POLL:
		sio = wire_sio(p);
		return (sio_event_put(out, &sio));
	case WIRE_ENVELOPE:
		raw = wire_raw(p);
		return (raw_event_put(out, &raw));
	case WIRE_BARE:
		bare = wire_bare(p);
		memcpy(out, bare.p, bare.n);
		return (out + bare.n);
	case WIRE_SSE:
		sse = wire_stream(p);
		return (wire_sse_event_put(out, &sse));
	case WIRE_EIO:
	case WIRE_EIO_B64:
	case WIRE_EIO_POLL:
	case WIRE_RAW:
	case WIRE_SOCKJS:
	case WIRE_SOCKJS_BARE:
	case WIRE_SOCKJS_POLL:
	case WIRE_SOCKJS_POLL_BARE:
	case WIRE_YJS:
	case WIRE__MAX:
		break;
	}
	MUST(w == WIRE_SSE);
	return (NULL);
}

/* --- messages without a form ----------------------------------------------- */

/* What its client gets of a publication: one message. */
struct message {
	struct slice	 data;
	enum { MESSAGE_JSON, MESSAGE_STRING, MESSAGE_BINARY } kind;
};

/* {"_placeholder":true,"num":i} */
static bool
wire_is_placeholder(const struct publication *p, struct slice v, int64_t *i)
{
	struct slice is, num;

	return (p->nattach != 0 && json_type(v) == JSON_OBJECT &&
	    json_get(v, SLICE("_placeholder"), &is) &&
	    json_type(is) == JSON_TRUE && json_get(v, SLICE("num"), &num) &&
	    json_type(num) == JSON_NUMBER && json_int(num, i) && *i >= 0 &&
	    *i < (int64_t)p->nattach);
}

static struct message
wire_message(const struct publication *p)
{
	struct message m = { wire_bare(p), MESSAGE_JSON };
	int64_t i;

	if (json_type(m.data) == JSON_STRING) {
		m.kind = MESSAGE_STRING;
	} else if (wire_is_placeholder(p, m.data, &i)) {
		m.kind = MESSAGE_BINARY;
		m.data = p->attachments[i];
	}
	return (m);
}

/* A separator in a text would make packets of what a stranger wrote. */
static uint8_t
wire_message_without(enum wire w)
{
	return (wire_is_polling(w) ? EIO_SEPARATOR : 0);
}

/* Engine.IO's packets have a type in front. */
static size_t
wire_message_head(enum wire w)
{
	return (wire_is_engineio(w) ? 1 : 0);
}

/* With the packet's type; not for binary. */
static size_t
wire_message_size(enum wire w, const struct message *m)
{
	return (wire_message_head(w) + (m->kind == MESSAGE_STRING ?
	    json_plain_size(m->data, wire_message_without(w)) : m->data.n));
}

static uint8_t *
wire_message_put(enum wire w, const struct message *m, uint8_t *out)
{
	if (wire_message_head(w) != 0)
		*out++ = EIO_MESSAGE;
	if (m->kind == MESSAGE_STRING)
		return (json_plain_to(out, m->data, wire_message_without(w)));
	memcpy(out, m->data.p, m->data.n);
	return (out + m->data.n);
}

/* A message as a whole, framing included; text: its packet's size, 0 when it is
 * binary. */
static struct wire_plan
wire_message_plan(enum wire w, const struct publication *p)
{
	struct message m = wire_message(p);
	struct wire_plan plan = { .total = wire_binary_size(w, m.data.n) };

	if (m.kind != MESSAGE_BINARY) {
		plan.text = wire_message_size(w, &m);
		plan.total = wire_framed_size(w, plan.text);
	}
	return (plan);
}

static uint8_t *
wire_message_whole(enum wire w, const struct publication *p, size_t text,
    uint8_t *out)
{
	struct message m = wire_message(p);

	if (m.kind == MESSAGE_BINARY)
		return (wire_attachment_put(w, m.data, out));
	out = wire_message_put(w, &m, wire_text_begin(w, text, out));
	return (wire_text_end(w, out));
}

/* --- SockJS ---------------------------------------------------------------- */

/* One message: an envelope with its attachments, or data alone, whose
 * attachments it cannot have. */
static struct wire_plan
wire_sockjs_plan(enum wire w, const struct publication *p)
{
	struct wire_plan plan = { .text = 0 };
	struct sse_event ev;
	struct slice bare;

	if (wire_is_bare(w)) {
		bare = wire_bare(p);
		plan.text = bare.n + sockjs_escape_more(bare);
	} else {
		ev = wire_data(p);
		plan.text = wire_sockjs_event_size(&ev);
	}
	plan.total = wire_sockjs_size(w, plan.text);
	return (plan);
}

static uint8_t *
wire_sockjs_whole(enum wire w, const struct publication *p, size_t text,
    uint8_t *out)
{
	struct sse_event ev;

	if (wire_is_bare(w))
		return (wire_sockjs_text_put(w, wire_bare(p), out));
	ev = wire_data(p);
	return (wire_sockjs_event_put(w, &ev, text, out));
}

/* --- all ------------------------------------------------------------------ */

struct wire_plan
wire_plan(enum wire w, const struct publication *p)
{
	struct wire_plan plan = { .text = 0 };
	unsigned i;

	w = wire_form(w);
	if (w == WIRE_YJS) {	/* others are not for it: wire_shuns() */
		plan.total = wire_binary_size(w, p->attachments[0].n);
		return (plan);
	}
	if (wire_is_opaque(w))
		return (wire_message_plan(w, p));
	if (wire_is_sockjs(w))
		return (wire_sockjs_plan(w, p));
	plan.text = wire_event_size(w, p);
	plan.total = wire_framed_size(w, plan.text);
	for (i = 0; i < p->nattach && w != WIRE_SSE; i++)
		plan.total += wire_binary_size(w, p->attachments[i].n);
	return (plan);
}

void
wire_put(enum wire w, const struct publication *p,
    const struct wire_plan *plan, uint8_t *out)
{
	uint8_t *start = out, *text;
	unsigned i;

	w = wire_form(w);
	if (w == WIRE_YJS) {
		wire_binary_put(w, p->attachments[0], out);
		return;
	}
	if (wire_is_opaque(w)) {
		out = wire_message_whole(w, p, plan->text, out);
		MUST(out == start + plan->total);
		return;
	}
	if (wire_is_sockjs(w)) {
		out = wire_sockjs_whole(w, p, plan->text, out);
		MUST(out == start + plan->total);
		return;
	}
	text = wire_text_begin(w, plan->text, out);
	out = wire_event_put(w, p, text);
	MUST(out == text + plan->text);
	out = wire_text_end(w, out);
	for (i = 0; i < p->nattach && w != WIRE_SSE; i++)
		out = wire_attachment_put(w, p->attachments[i], out);
	MUST(out == start + plan->total);
}

unsigned
wire_frames(enum wire w, const struct publication *p)
{
	if (!wire_is_framed(w))
		return (0);
	return (wire_is_opaque(w) || wire_is_sockjs(w) ||
	    wire_form(w) == WIRE_YJS ? 1 : 1 + p->nattach);
}
