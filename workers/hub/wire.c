/*
 * A publication as bytes; see wire.h.  Called by fanout.c and session.c.
 */
#include "hub/wire.h"

#include "proto/json.h"
#include "proto/raw.h"
#include "proto/sio.h"
#include "proto/ws.h"

/* The first argument; found only when a wire form needs it. */
static struct slice
first_of(const struct publication *p)
{
	struct slice first = p->first;

	if (first.n == 0 && p->args.n != 0)
		MUST(json_value(p->args, &first) > 0);
	return (first);
}

size_t
wire_body(enum wire w, const struct publication *p)
{
	switch (w) {
	case WIRE_SIO:
		return (sio_event_size(&(struct sio_event){ .nsp = p->nsp,
		    .event = p->event, .args = p->args, .meta = p->meta }));
	case WIRE_ENVELOPE:
		return (raw_event_size(&(struct raw_event){ .event = p->event,
		    .args = p->args, .first = first_of(p), .meta = p->meta }));
	case WIRE_BARE:
		return (p->args.n == 0 ? 4 : first_of(p).n);
	case WIRE__MAX:
		break;
	}
	MUST(!"wire form");
	return (0);
}

size_t
wire_frame(size_t body)
{
	return (ws_header_size(body) + body);
}

void
wire_put(enum wire w, const struct publication *p, size_t body, uint8_t *out)
{
	uint8_t *end = NULL;
	struct slice bare;

	out += ws_encode_header(out, WS_OP_TEXT, body);
	switch (w) {
	case WIRE_SIO:
		end = sio_event_put(out, &(struct sio_event){ .nsp = p->nsp,
		    .event = p->event, .args = p->args, .meta = p->meta });
		break;
	case WIRE_ENVELOPE:
		end = raw_event_put(out, &(struct raw_event){
		    .event = p->event, .args = p->args, .first = first_of(p),
		    .meta = p->meta });
		break;
	case WIRE_BARE:
		bare = p->args.n == 0 ? SLICE("null") : first_of(p);
		memcpy(out, bare.p, bare.n);
		end = out + bare.n;
		break;
	case WIRE__MAX:
		break;
	}
	MUST(end == out + body);
}
