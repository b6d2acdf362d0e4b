/*
 * A name looked up while the loop runs: getaddrinfo() may take half a minute,
 * so it is asked by a thread of its own, which does nothing else and hands its
 * answer over through a socket.  Numeric addresses need no thread.
 */
#ifndef RELAY_REDIS_RESOLVE_H
#define RELAY_REDIS_RESOLVE_H

#include <sys/queue.h>
#include <sys/socket.h>

#include <stddef.h>

#include "base/slice.h"
#include "sys/loop.h"

#define RESOLVE_MAX	8	/* addresses of one name */

struct resolved {
	const char	*why;		/* no address: why; static words */
	unsigned	 n;
	struct resolve_addr {
		struct sockaddr_storage sa;
		socklen_t	 len;
	}		 addrs[RESOLVE_MAX];
};

struct resolve {		/* embed; zeroed, then resolve_init() */
	struct loop	*loop;
	struct loop_fd	 io;		/* fd -1: nothing is asked */
	struct resolve_job *job;	/* that waits for a thread; or NULL */
	TAILQ_ENTRY(resolve) next;	/* then */
	void		(*done)(struct resolve *, const struct resolved *);
};

void	resolve_init(struct resolve *, struct loop *,
	    void (*done)(struct resolve *, const struct resolved *));
/*
 * Ask; done() is called later, once, or before this returns when no name has
 * to be looked up, or none can be.
 */
void	resolve_start(struct resolve *, const char *host, unsigned port);
/* done() will not be called any more. */
void	resolve_stop(struct resolve *);
/* What others call a host, as it may stand in a log and be asked for: a name or
 * an address. */
bool	resolve_is_host(struct slice);

#endif
