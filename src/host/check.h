/*
 * Is the host large enough for a configuration?  What it needs against what
 * there is, a line each, with what mends it.  For the master, which says so at
 * its start, and for roostctl(8).
 */
#ifndef HOST_CHECK_H
#define HOST_CHECK_H

#include "base/buf.h"
#include "host/facts.h"

struct host_needs {
	uint64_t	 connections;	/* limits.connections */
	unsigned	 workers;
	unsigned	 own_files;	/* descriptors of each worker, beside
					 * those of clients and role_kept_files() */
	uint64_t	 shared;	/* bytes of shared memory */
	unsigned	 backlog;	/* queue of each listening socket; 0: none */
	bool		 tcp;		/* clients come over TCP */
	bool		 tls;		/* ... all of them with TLS */
	unsigned	 doors;		/* addresses to which a proxy on this
					 * host connects over TCP; 0: none does */
};

struct host_finding {
	const char	*what;		/* one word */
	bool		 less;		/* than is needed */
	char		 found[64];	/* in words; "unknown", too */
	char		 needed[64];
	char		 mend[256];	/* a command, a directive; "": all well */
};

#define HOST_FINDINGS	16

/*
 * Fills in findings and returns how many.
 * reachable	as many connections as descriptors allow are what the others
 *		have to bear: what is short first is told, no more
 */
size_t	host_check(const struct host_needs *, const struct host_facts *,
	    bool reachable, struct host_finding out[HOST_FINDINGS]) MUST_USE;

/* Needs as one line of text, and back; false: it is none. */
void	host_needs_print(const struct host_needs *, struct buf *);
bool	host_needs_parse(struct host_needs *, struct slice) MUST_USE;

#endif
