/*
 * A signal to the daemon, and what becomes of it: waits until it says so, no
 * longer than it is told to.
 */
#ifndef ROOSTCTL_WAIT_H
#define ROOSTCTL_WAIT_H

#include "tools/roostctl/find.h"

/*
 * Send it and wait until a task of that kind, begun from now on, is over; its
 * lines are printed in plain words.  EX_OK: it was done; else what to exit
 * with, the reason being printed.
 */
int	wait_task(struct daemon *, int sig, enum board_task, unsigned seconds)
	    MUST_USE;
/* Send it and wait until the daemon has gone. */
int	wait_end(struct daemon *, int sig, unsigned seconds) MUST_USE;

#endif
