/*
 * A TLS connection whose requests another worker answers: TLS stays with the
 * process that has its keys, the plain bytes go through a pair of local
 * sockets.  The other worker serves its end like any connection.
 */
#ifndef WORKER_NET_TUNNEL_H
#define WORKER_NET_TUNNEL_H

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

/* Hands (conn.h). */
size_t	tunnel_input(struct conn *, uint8_t *p, size_t n, size_t old);
void	tunnel_parting(struct conn *);
void	tunnel_drained(struct conn *);

#endif
