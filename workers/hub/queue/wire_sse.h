/*
 * Server-Sent Events (HTML, 9.2) as roostd sends them: the type of each event is
 * its name, its data the envelope that plain WebSocket has (raw.h), in one line.
 * An id stands before its event, as each stream has its own.  Pure.
 */
#ifndef HUB_QUEUE_WIRE_SSE_H
#define HUB_QUEUE_WIRE_SSE_H

#include "proto/raw.h"

#define WIRE_SSE_COMMENT	":\n\n"		/* ends nothing, and is nobody's event */

struct sse_event {
	struct raw_event raw;		/* of a stream: never to be acknowledged */
	const struct slice *attachments; /* binary: a member of the envelope */
	size_t		 nattach;
};
/* The envelope alone, with its attachments; and of these the bytes, all of them
 * of base64 but for so many quotes. */
size_t	wire_sse_data_size(const struct sse_event *);
uint8_t *wire_sse_data_put(uint8_t *out, const struct sse_event *);	/* end */
size_t	wire_sse_data_quotes(const struct sse_event *);

size_t	wire_sse_event_size(const struct sse_event *);
uint8_t *wire_sse_event_put(uint8_t *out, const struct sse_event *);	/* end */

/* The line of an id, which has no control characters. */
size_t	wire_sse_id_size(struct slice id);
uint8_t *wire_sse_id_put(uint8_t *out, struct slice id);	/* end */

#endif
