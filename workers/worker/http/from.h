/*
 * Who asks: the client of a request, be it behind a proxy.  A proxy's
 * connection brings the requests of many, so it is found anew for each, from
 * what trusted_proxies makes of the peer and the fields of the head.  Called by
 * request.c when a head has come, and by whoever makes a WebSocket of one.
 */
#ifndef WORKER_HTTP_FROM_H
#define WORKER_HTTP_FROM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"

struct request;

struct from {
	uint8_t		 address[16];	/* as in struct conn */
	uint16_t	 port;
	bool		 proxied;	/* a trusted proxy passed it on */
	bool		 secure;	/* the client speaks TLS */
};

/* Fill in rq->from, and put the host that the client asked for in its head. */
void	from_find(struct request *);
/* What it is counted as, see limit_address(). */
uint64_t from_key(const struct request *) MUST_USE;
/* Its connection is that client's from now on. */
void	from_keep(struct request *);

/* It is a handshake.  If an address limits something, nobody is trusted and
 * all come from one private address, that is told to the log once. */
void	from_watch(const struct request *);

#endif
