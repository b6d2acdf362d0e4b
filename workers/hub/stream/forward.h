/*
 * Events of clients on their way to back ends, which read them in the stream
 * of the namespace (workers/relay/stream).
 */
#ifndef HUB_STREAM_FORWARD_H
#define HUB_STREAM_FORWARD_H

#include "base/bug.h"
#include "hub/session/session.h"
#include "proto/bus.h"

struct forward {
	struct slice	 room;		/* that it was for; or empty */
	struct slice	 id;		/* of the publication */
	struct slice	 event;		/* raw JSON string */
	struct slice	 args;		/* JSON elements without brackets */
	const struct slice *attachments;
	unsigned	 nattach;
	uint64_t	 kind;		/* FORWARD_ASKS...: a question; 0: none */
};

/* Who sends it, where he has no session yet. */
struct forward_from {
	const struct conf_namespace *ns;
	const struct principal *who;	/* or NULL */
	struct slice	 sid;		/* that it would have, or empty */
	struct slice	 handshake;	/* a JSON object, or empty */
};

struct bus_envelope;
struct conf_namespace;
struct principal;
/* A BUS_FORWARD that says so. */
void	forward_fill(const struct session *, const struct forward *,
	    struct bus_envelope *);
/* The same of one who is about to come. */
void	forward_fill_from(const struct hub *, const struct forward_from *,
	    const struct forward *, struct bus_envelope *);
/* An event of this session.  false: it did not get as far as the relay. */
bool	forward_send(struct session *, const struct forward *);
/* The same; the session is told when the stream has it, or that it has not. */
bool	forward_for(struct session *, const struct ack *,
	    const struct forward *) MUST_USE;
/* Words for who is told so. */
const char *forward_why(enum bus_store);

#endif
