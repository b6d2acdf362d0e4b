/*
 * Requests that are another worker's: its socket, and what was read from it,
 * passed to the worker that owns the session, which then serves the
 * connection as if it had accepted it.  One socket per slot; what it does not
 * take at once waits here, a share for each slot.  TLS stays where it is: then a tunnel is passed.
 */
#ifndef WORKER_HANDOVER_H
#define WORKER_HANDOVER_H

#include "base/bug.h"
#include "worker/engineio.h"

struct handover;
struct request;
struct worker;

struct handover *handover_new(struct worker *) MUST_USE; /* NULL: no memory */
void	handover_free(struct handover **);

enum handover_result {
	HANDOVER_DONE,		/* the connection is not ours any more, or
				 * will be passed when what it is still to
				 * send is out */
	HANDOVER_NOBODY,	/* nobody owns that session */
	HANDOVER_FULL		/* too many wait for it already, or it has
				 * not been heard of for two seconds */
};
/* The process that gave a sid is there: another one than this. */
bool	handover_lives(const struct worker *, const struct eio_owner *)
	    MUST_USE;
/* Pass this request to the owner of the session that it names. */
enum handover_result handover_pass(struct request *, const struct engineio *)
	    MUST_USE;
/* About ten times a second: try again what could not be sent. */
void	handover_tick(struct handover *);
/* Requests that wait for their owners. */
unsigned handover_waiting(const struct handover *);

#endif
