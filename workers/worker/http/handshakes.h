/*
 * Handshakes of the whole host (limits { handshakes_per_second }): is one too
 * many, when does it come back, what is logged and counted.  Called by admit.c,
 * who answers; the budget is shm/bucket_storm.h's.
 */
#ifndef WORKER_HTTP_HANDSHAKES_H
#define WORKER_HTTP_HANDSHAKES_H

#include <stdint.h>

#include "base/bug.h"

struct conn;
struct worker;

/* One more, over this connection and from this limit_address().  0: let in; else it is too many, and comes
 * back in so many seconds. */
unsigned handshakes_wait(const struct conn *, uint64_t address) MUST_USE;
/* Once a second: has a storm ended? */
void	handshakes_second(struct worker *);

#endif
