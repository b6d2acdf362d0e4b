/*
 * SockJS's messages; see wire_sockjs.h.  Called by wire.c.
 */
#include "hub/queue/wire_sockjs.h"

#include "proto/json_sockjs.h"
#include "proto/ws.h"

#define OPEN	SLICE("a[\"")
#define END	SLICE("\"]")

static uint8_t *
sockjs_put(uint8_t *out, struct slice s)
{
	memcpy(out, s.p, s.n);
	return (out + s.n);
}

size_t
wire_sockjs_size(enum wire w, size_t n)
{
	if (wire_is_sockjs_polling(w))
		return (n + 3);
	n += OPEN.n + END.n;
	return (ws_header_size(n) + n);
}

/* What stands before n bytes of text, */
static uint8_t *
sockjs_begin(enum wire w, size_t n, uint8_t *out)
{
	if (wire_is_sockjs_polling(w)) {
		*out++ = '"';
		return (out);
	}
	out += ws_encode_header(out, WS_OP_TEXT, n + OPEN.n + END.n);
	return (sockjs_put(out, OPEN));
}

/* ... and behind them. */
static uint8_t *
sockjs_end(enum wire w, uint8_t *out)
{
	return (sockjs_put(out, wire_is_sockjs_polling(w) ? SLICE("\",") :
	    END));
}

uint8_t *
wire_sockjs_text_put(enum wire w, struct slice text, uint8_t *out)
{
	out = sockjs_begin(w, text.n + sockjs_escape_more(text), out);
	return (sockjs_end(w, sockjs_escape_to(out, text)));
}

size_t
wire_sockjs_event_size(const struct sse_event *ev)
{
	return (wire_sse_data_size(ev) + wire_sse_data_quotes(ev) +
	    raw_event_sum(&ev->raw, sockjs_escape_more));
}

uint8_t *
wire_sockjs_event_put(enum wire w, const struct sse_event *ev, size_t n,
    uint8_t *out)
{
	size_t plain = wire_sse_data_size(ev);
	uint8_t *text;

	out = sockjs_begin(w, n, out);
	text = out + (n - plain);
	MUST(wire_sse_data_put(text, ev) == text + plain);
	return (sockjs_end(w, sockjs_escape_to(out, slice_of(text, plain))));
}
