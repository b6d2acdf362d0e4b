/*
 * Events that are for back ends alone and whose acknowledgement comes from one,
 * later and by the HTTP API, at whichever host: the entry has a reference
 * (proto/offset.h).
 *
 *	event ─► rule ─► await ──BUS_FORWARD──► relay ──► stream, or hook
 *	                  │ ▲                                  │
 *	         the ack ◄┘ └──BUS_REPLY── POST answers ◄── back end
 *
 * Who sends such an event waits as long as the hook of its namespace may take, or
 * redis { answer_timeout }; a worker that goes does not take it along.
 */
#ifndef HUB_STREAM_AWAIT_H
#define HUB_STREAM_AWAIT_H

#include "base/bug.h"
#include "hub/session/session.h"
#include "hub/stream/forward.h"

struct bus_publish;

/* An event of this session.  false: it did not get as far as the relay. */
bool	await_for(struct session *, const struct ack *,
	    const struct forward *) MUST_USE;
/* A back end replies (BUS_REPLY): how many waited for it, 0 or 1. */
uint32_t await_reply(struct hub *, const struct bus_publish *);

#endif
