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

struct edition;
struct edition_source;
struct pass;

struct master_params {
	struct edition	*edition;	/* the first; the master frees it */
	const struct edition_source *source; /* of others */
	const struct role *relay;
	const struct role *worker;
	const struct heritage_confine *confine;	/* of both; NULL: none */
	const char	*version;
	const char	*file;		/* the configuration that was read */
	const char	*binary;	/* where the next one is; NULL: nobody
					 * knows */
	const struct pass *pass;	/* we go on for another program: edition
					 * is what was in force; NULL: a start */
	bool		 foreground;
};

/* Runs until the daemon ends; returns its exit code (sysexits(3)). */
int	master_run(const struct master_params *);
/* Would we do, with what p->pass says and the configuration as it is now?  NULL:
 * yes (*layout: but with shared memory of our own); otherwise why not, in
 * words. */
const char *master_try(const struct master_params *, bool *layout) MUST_USE;

#endif
