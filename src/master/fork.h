/*
 * The one fork(2) of a child, and what the child does before its role runs:
 * everything that it is not meant to have is taken away here.
 */
#ifndef MASTER_FORK_H
#define MASTER_FORK_H

#include <sys/types.h>

#include "base/bug.h"
#include "role.h"
#include "sys/log.h"

struct plat_user;

struct fork_params {
	const struct role *role;
	const struct plat_user *user;	/* to become; NULL: stay */
	int		 says_fd;	/* stdout and stderr; -1: inherit */
	bool		 to_file;	/* stderr is the log's file: stdout too */
	enum log_target	 log_target;
};

/* In the master: the child's pid, or -1 + errno.  Does not return in the
 * child, which keeps the descriptors named in the heritage and no other. */
pid_t	fork_child(const struct heritage *, const struct fork_params *)
	    MUST_USE;

#endif
