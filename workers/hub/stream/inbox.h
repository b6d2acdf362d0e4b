/*
 * What waits in Redis for users who are nowhere (event { offline = queue }), as
 * a worker sees it.  A publication to a user who has no connection on this host
 * goes there (BUS_QUEUE), and all hosts hear of it: one that has the user takes
 * it, and publishes it to all of the user's connections.  Who connects asks for
 * what waits (BUS_INBOX), and gets it before others that are queued meanwhile,
 * and before what other workers and hosts publish to the user.
 */
#ifndef HUB_STREAM_INBOX_H
#define HUB_STREAM_INBOX_H

#include "base/bug.h"
#include "hub/session/session.h"

struct bus_envelope;
struct inbound;

/* Has the user a connection on this host that has got what waits for it?
 * elsewhere: or on another one, as far as presence says. */
bool	inbox_is_here(struct hub *, const struct conf_namespace *,
	    struct slice user, bool *elsewhere);

/* To this user; what: INBOX_QUEUE, INBOX_PUSH (proto/bus.h).  false: it did not get
 * as far as the relay. */
bool	inbox_send(struct hub *, const struct conf_namespace *,
	    struct slice user, const struct publication *, struct slice id,
	    unsigned what);
/* The same to be queued; the session is told when it is, or that it is not. */
bool	inbox_send_for(struct session *, const struct ack *,
	    struct slice user, const struct publication *, struct slice id,
	    unsigned what) MUST_USE;
const char *inbox_why(void);

/* events.h */
void	inbox_session_begin(struct session *);
/* BUS_INBOX: something waits for a user who may be here. */
void	inbox_bus(struct hub *, const struct bus_envelope *);
/* Is this publication to wait until users who connect have what they missed?
 * It is kept then. */
bool	inbox_holds(struct hub *, const struct bus_envelope *,
	    struct slice frame);

#endif
