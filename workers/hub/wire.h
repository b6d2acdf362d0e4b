/*
 * The forms in which one publication goes out.  Each is encoded once,
 * WebSocket header included, whatever the number of receivers.
 */
#ifndef HUB_WIRE_H
#define HUB_WIRE_H

#include "base/bug.h"
#include "base/slice.h"

enum wire {
	WIRE_SIO,	/* Socket.IO event in an Engine.IO message */
	WIRE_ENVELOPE,	/* plain WebSocket, {"event","data","meta"} */
	WIRE_BARE,	/* plain WebSocket, data alone */
	WIRE__MAX
};

struct publication {
	struct slice	 nsp;		/* with its slash */
	struct slice	 event;		/* raw JSON string */
	struct slice	 args;		/* JSON elements without brackets */
	struct slice	 first;		/* the first of them, or empty: not
					 * looked for yet */
	struct slice	 meta;		/* raw JSON object, or empty */
	bool		 is_volatile;	/* not for those who are behind */
	uint64_t	 sent_us;	/* CLOCK_MONOTONIC, 0: unknown */
};

/* A frame is wire_frame(body) bytes, body being what wire_body() says. */
size_t	wire_body(enum wire, const struct publication *);
size_t	wire_frame(size_t body);
void	wire_put(enum wire, const struct publication *, size_t body,
	    uint8_t *out);

#endif
