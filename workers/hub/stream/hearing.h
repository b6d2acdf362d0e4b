/*
 * Questions to hooks about a request that would become a client: may it come,
 * and into the rooms that it names?  While answers are to come the request is
 * left where it is, with its host; then it is looked at again, from the
 * beginning, and finds them here.
 *
 *	request ─► admit ─► hearing ──BUS_FORWARD, FORWARD_ASKS_...──► relay ─► hook
 *	   ▲      status 0     │ ▲                                      │
 *	   └──── ports.heard ──┘ └───────────────BUS_STREAMED───────────┘
 *
 * A hearing belongs to one request, and goes with it: at another worker its hook
 * is asked again.
 */
#ifndef HUB_STREAM_HEARING_H
#define HUB_STREAM_HEARING_H

#include "base/bug.h"
#include "base/slice.h"

struct admission;
struct client_request;
struct hub;
struct refusal;

/* May he come who has been admitted so far?  true: yes, with what the hook
 * gives him (admission: who, granted, sid); false: r says why not, or, with
 * status 0, that it is not known yet. */
bool	hearing_connect(struct hub *, const struct client_request *,
	    struct admission *, struct refusal *) MUST_USE;
/* May he join this room, whose rule asks?  Likewise; of several that are asked
 * about, all may be before one of them is known. */
bool	hearing_join(struct hub *, const struct client_request *,
	    const struct admission *, struct slice room, struct refusal *)
	    MUST_USE;

#endif
