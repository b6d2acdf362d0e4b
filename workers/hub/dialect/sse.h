/*
 * An event stream (Server-Sent Events): one session that only hears, in the
 * rooms that its request named.  What its client has seen of those that keep a
 * history stands in the id of each event, so that it can come back anywhere.
 */
#ifndef HUB_DIALECT_SSE_H
#define HUB_DIALECT_SSE_H

#include <assert.h>

#include "hub/session/client.h"
#include "hub/store/cursor.h"

struct publication;

static_assert(SSE_ROOMS_MAX <= CURSOR_ROOMS_MAX, "an id has them all");

/* The rooms of a stream, in the order in which they were named; heap. */
struct sse_rooms {
	unsigned	 n;
	uint16_t	*len;		/* of each name; behind seen, as are */
	char		*names;		/* ... they, one behind the other */
	struct since	 seen[];	/* of each, up to there; given: it is
					 * known */
};

struct sse {
	struct client	 client;
	struct sse_rooms *rooms;	/* NULL: none were named */
};

static_assert(offsetof(struct sse, client) == 0, "a client");

/* hub_events.stream_id */
struct slice sse_stream_id(struct session *, const struct publication *);

#endif
