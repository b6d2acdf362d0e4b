/*
 * Messages of SockJS (proto/json_sockjs.h): over WebSocket a frame each, a["..."];
 * over HTTP a string each, with a comma behind it, of which whoever answers a
 * request makes one frame.  A text that is written as a string is put at the end
 * of the string's room first, and escaped from there.  Pure.
 */
#ifndef HUB_QUEUE_WIRE_SOCKJS_H
#define HUB_QUEUE_WIRE_SOCKJS_H

#include "hub/queue/wire.h"
#include "hub/queue/wire_sse.h"

/* n: bytes of the message's text as they are escaped. */
size_t	wire_sockjs_size(enum wire, size_t n);
/* Any text as a message; returns its end. */
uint8_t *wire_sockjs_text_put(enum wire, struct slice text, uint8_t *out);

/* An envelope with its attachments: its escaped size, and as a message. */
size_t	wire_sockjs_event_size(const struct sse_event *);
uint8_t *wire_sockjs_event_put(enum wire, const struct sse_event *, size_t n,
	    uint8_t *out);

#endif
