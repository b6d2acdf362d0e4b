/*
 * Which roostd is meant: the process, and what it tells of itself.  Found in
 * /proc among those that run, or by its process id.
 */
#ifndef ROOSTCTL_FIND_H
#define ROOSTCTL_FIND_H

#include <sys/types.h>

#include <limits.h>

#include "base/bug.h"
#include "sys/board.h"

struct daemon {
	pid_t		 pid;
	int		 board_fd;
	char		 why[PATH_MAX + 256];	/* there is none: in words */
};

/*
 * pid: a process id, a file with one, or NULL; config: the configuration that
 * the daemon meant was started with, or NULL.  EX_OK, or what to exit with:
 * there is none (EX_UNAVAILABLE), more than one (EX_USAGE), or it is somebody
 * else's (EX_NOPERM).
 */
int	find_daemon(struct daemon *, const char *pid, const char *config)
	    MUST_USE;
void	find_close(struct daemon *);
/* What it tells now; after it has become another program, of that.  One that
 * begins is given a moment to say it. */
int	find_board(struct daemon *, struct board_copy *) MUST_USE;
/* It runs. */
bool	find_lives(const struct daemon *);
/* What it has under this name in memory, the nth of them: a path; false: not so
 * many, or it may not be looked at (errno). */
bool	find_memory(pid_t, const char *name, unsigned nth, char *path,
	    size_t cap) MUST_USE;

#endif
