/*
 * What servers with @socket.io/redis-adapter ask each other, on the channel
 * of requests of a namespace, as far as it wants an answer: who is there,
 * which rooms there are, an event that clients acknowledge, an event for
 * servers.  Called with what comes there by who listens to it; the answers go
 * to the common channel of responses, which every such server reads.
 */
#ifndef RELAY_BRIDGE_REQUESTS_H
#define RELAY_BRIDGE_REQUESTS_H

#include "base/bug.h"

struct home;
struct members;
struct requests;
struct socketio_question;
struct whom_joins;

struct requests_params {
	struct home	*home;
	struct members	*members;
	struct whom_joins *joins;	/* see whom.h */
};

/* NULL: no memory.  To be freed before members. */
struct requests *requests_new(const struct requests_params *) MUST_USE;
void	requests_free(struct requests **);
void	requests_take(struct requests *, const struct socketio_question *);

#endif
