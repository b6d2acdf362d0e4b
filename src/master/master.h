/*
 * The master: owns what must last (listening sockets, shared memory, the
 * stats file, the pidfile), starts the children and watches over them, and
 * turns signals into actions.  It never touches a client's bytes.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdbool.h>

#include "base/bug.h"
#include "role.h"

struct conf;
struct load;

struct master_params {
	const struct conf *conf;
	const struct load *load;
	const struct role *relay;
	const struct role *worker;
	const char	*version;
	const char	*file;		/* the configuration that was read */
	unsigned	 workers;
	bool		 foreground;
};

/* Runs until the daemon ends; returns its exit code (sysexits(3)). */
int	master_run(const struct master_params *);

#endif
