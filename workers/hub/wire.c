/*
 * A publication as bytes; see wire.h.  Called by fanout.c, and by client.c
 * for what goes to one client alone.
 */
#include "hub/wire.h"

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
	return (w == WIRE_POLL ? n + 1 : ws_header_size(n) + n);
}

/* Framing in front; where the text goes. */
static uint8_t *
text_begin(enum wire w, size_t n, uint8_t *out)
{
	return (w == WIRE_POLL ? out :
	    out + ws_encode_header(out, WS_OP_TEXT, n));
}

static uint8_t *
text_end(enum wire w, uint8_t *out)
{
	if (w == WIRE_POLL)
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
	return (w == WIRE_POLL || w == WIRE_SIO_B64);
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
	    .args = p->args, .meta = p->meta, .offset = p->offset,
	    .nattach = p->nattach });
}

static struct raw_event
raw_of(const struct publication *p)
{
	return ((struct raw_event){ .event = p->event, .args = p->args,
	    .first = first_of(p), .meta = p->meta });
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
	case WIRE__MAX:
		break;
	}
	MUST(w < WIRE__MAX);
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
	case WIRE__MAX:
		break;
	}
	MUST(w < WIRE__MAX);
	return (NULL);
}

struct wire_plan
wire_plan(enum wire w, const struct publication *p)
{
	struct wire_plan plan;
	unsigned i;

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
	uint8_t *start = out, *text = text_begin(w, plan->text, out);
	unsigned i;

	out = event_put(w, p, text);
	MUST(out == text + plan->text);
	out = text_end(w, out);
	for (i = 0; i < p->nattach; i++)
		out = attachment_put(w, p->attachments[i], out);
	MUST(out == start + plan->total);
}
