/*
 * Events, and joins, that a hook is asked about before they pass.  While a client's event
 * waits for the answer, those that the client sends later wait behind it, so
 * that their order is kept.
 *
 *	event ─► rule ─► consult ──BUS_FORWARD, FORWARD_ASKS──► relay ─► hook
 *	           ▲        │ ▲                                   │
 *	           └──go────┘ └───────────BUS_STREAMED────────────┘
 *	later ──► held ──again──► rule
 */
#ifndef HUB_STREAM_CONSULT_H
#define HUB_STREAM_CONSULT_H

#include "hub/session/refuse.h"
#include "hub/stream/forward.h"

/* Events of one client that wait behind its question, and their bytes. */
#define CONSULT_BEHIND		128u
#define CONSULT_BEHIND_BYTES	(1u << 20)

/* It may pass; ack: elements of the answer, without brackets. */
typedef void consult_go(struct session *, const struct inbound *,
    struct slice name, struct slice ack);
/* It has waited behind another one, which is over. */
typedef void consult_again(struct session *, const struct inbound *,
    struct slice name);

/* Ask about this event, as f says.  The sender is told if it is refused, as the
 * hook says or, without an answer, its on_failure.  What is in scratch memory may
 * be gone behind it, except for the event. */
void	consult_ask(struct session *, const struct inbound *,
	    struct slice name, const struct forward *, consult_go *);
/* True: an event of this session waits, and this one behind it; or too many do,
 * and its sender is told. */
bool	consult_holds(struct session *, const struct inbound *,
	    struct slice name, consult_again *) MUST_USE;

#endif
