/*
 * A TLS connection whose requests another worker answers: TLS stays with the
 * process that has its keys, the plain bytes go through a pair of local
 * sockets.  The other worker serves its end like any connection.
 */
#ifndef WORKER_TUNNEL_H
#define WORKER_TUNNEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/bug.h"

struct conn;

/*
 * From now on what comes from this connection's client goes to a local
 * socket, the other end of which is returned.  What was read before is the
 * caller's to pass along.  -1: not possible, nothing has changed.
 */
int	tunnel_open(struct conn *) MUST_USE;
void	tunnel_close(struct conn *);

/* Bytes of the client: how many were taken. */
size_t	tunnel_input(struct conn *, const uint8_t *, size_t n) MUST_USE;
/* All that was queued for the client is out. */
void	tunnel_drained(struct conn *);

#endif
