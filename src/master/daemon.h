/*
 * Going into the background.  The process that was started waits until the
 * daemon serves, so that its exit code tells whether it does; until then the
 * daemon's messages still go to the stderr it was started with.
 */
#ifndef MASTER_DAEMON_H
#define MASTER_DAEMON_H

#include "base/bug.h"

/*
 * Fork; returns in the daemon with what it needs for daemon_release(), -1 +
 * errno if that failed.  The waiting process exits with what it is told, or
 * with EX_SOFTWARE when the daemon ends without a word.
 */
int	daemon_begin(void) MUST_USE;
/* Let the waiting process exit with code; 0: also leave the terminal. */
void	daemon_release(int fd, int code);

#endif
