/*
 * How a worker leaves: for a while it says so and serves on; then its clients
 * are told to go, one by one while it drains or all at once, and who is still
 * there in the end is left behind.
 */
#ifndef WORKER_LEAVE_H
#define WORKER_LEAVE_H

#include "worker/worker.h"

/* Begin to leave: in ms (LEAVING), spread over ms (DRAINING), or gone within ms
 * (STOPPING). */
void	leave_begin(struct worker *, enum worker_mode, uint64_t ms);
/* About ten times a second. */
void	leave_tick(struct worker *);
/* At the end of a turn: when all have gone, the master is told and the loop
 * stops. */
void	leave_finish(struct worker *);

#endif
