/*
 * The inside of stream/, between its files: what a worker has of it.
 */
#ifndef HUB_STREAM_STREAM_INT_H
#define HUB_STREAM_STREAM_INT_H

#include "hub/hub_int.h"
#include "hub/publish/waits.h"
#include "hub/stream/stream.h"
#include "proto/bus.h"

#define STREAM_TIMEOUT_MS	2000	/* for the relay's answer */
#define STREAM_WAITS_MAX	16384	/* questions without an answer */

/* One of them: what becomes of it is its kind's. */
struct streams_wait {
	struct wait	 wait;
	/* It is over, and frees itself; e: the answer, or NULL: there is none. */
	void		(*over)(struct hub *, struct streams_wait *,
			    const struct bus_envelope *e);
};

struct streams_table {
	struct waits	 waits;
};

/* Sends e to the relay, and waits.  false: it was not sent. */
bool	streams_ask(struct hub *, struct bus_envelope *, struct streams_wait *)
	    MUST_USE;

#endif
