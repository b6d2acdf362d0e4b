/*
 * Server-Sent Events; see wire_sse.h.  Called by wire.c, and for ids by fanout.c.
 */
#include "hub/queue/wire_sse.h"

#include "base/digest.h"
#include "proto/json.h"

#define EVENT		SLICE("event: ")
#define DATA		SLICE("data: ")
#define ID		SLICE("id: ")
#define ATTACHMENTS	SLICE(",\"attachments\":[")

static inline uint8_t *
sse_put(uint8_t *out, struct slice s)
{
	memcpy(out, s.p, s.n);
	return (out + s.n);
}

/* What would end a line.  In JSON it is white space between values; in a name,
 * where "\r" may stand for it, it is nobody's. */
static void
sse_one_line(uint8_t *p, const uint8_t *end)
{
	for (; p < end; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
}

/* --- attachments: base64 strings, behind the envelope's other members ------ */

static size_t
sse_attachments_size(const struct sse_event *ev)
{
	size_t i, n = ATTACHMENTS.n + 1;

	if (ev->nattach == 0)
		return (0);
	for (i = 0; i < ev->nattach; i++)
		n += (i > 0 ? 3u : 2u) + (ev->attachments[i].n + 2) / 3 * 4;
	return (n);
}

static uint8_t *
sse_attachments_put(uint8_t *out, const struct sse_event *ev)
{
	size_t i;

	if (ev->nattach == 0)
		return (out);
	out = sse_put(out - 1, ATTACHMENTS);	/* over the brace */
	for (i = 0; i < ev->nattach; i++) {
		if (i > 0)
			*out++ = ',';
		*out++ = '"';
		out += digest_base64_encode(ev->attachments[i], out);
		*out++ = '"';
	}
	return (sse_put(out, SLICE("]}")));
}

size_t
wire_sse_data_quotes(const struct sse_event *ev)
{
	return (ev->nattach == 0 ? 0 : 2 + 2 * ev->nattach);
}

size_t
wire_sse_data_size(const struct sse_event *ev)
{
	return (raw_event_size(&ev->raw) + sse_attachments_size(ev));
}

uint8_t *
wire_sse_data_put(uint8_t *out, const struct sse_event *ev)
{
	return (sse_attachments_put(raw_event_put(out, &ev->raw), ev));
}

/* --- events ---------------------------------------------------------------- */

size_t
wire_sse_event_size(const struct sse_event *ev)
{
	return (EVENT.n + json_plain_size(ev->raw.event, '\n') + 1 + DATA.n +
	    wire_sse_data_size(ev) + 2);
}

uint8_t *
wire_sse_event_put(uint8_t *out, const struct sse_event *ev)
{
	uint8_t *at;

	at = sse_put(out, EVENT);
	out = json_plain_to(at, ev->raw.event, '\n');
	sse_one_line(at, out);
	*out++ = '\n';
	at = sse_put(out, DATA);
	out = raw_event_put(at, &ev->raw);
	sse_one_line(at, out);
	out = sse_attachments_put(out, ev);
	return (sse_put(out, SLICE("\n\n")));
}

/* --- ids ------------------------------------------------------------------- */

size_t
wire_sse_id_size(struct slice id)
{
	return (ID.n + id.n + 1);
}

uint8_t *
wire_sse_id_put(uint8_t *out, struct slice id)
{
	out = sse_put(sse_put(out, ID), id);
	*out++ = '\n';
	return (out);
}
