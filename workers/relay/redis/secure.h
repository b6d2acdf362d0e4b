/*
 * The client's end of TLS to Redis: the server's certificate is verified, and
 * its name.  Contexts are made anew for each connection, so that files that
 * have changed count.  Handshake, read and write have the shape of recv and
 * send.  (A worker's end, which is a server's, is worker/tls.h.)
 */
#ifndef RELAY_REDIS_SECURE_H
#define RELAY_REDIS_SECURE_H

#include <sys/types.h>

#include <stdbool.h>

#include "base/bug.h"

struct conf_redis;
struct secure;

/* Over a socket connected to this host, whose name counts unless another one
 * is configured; NULL: *why says why. */
struct secure *secure_new(const struct conf_redis *, const char *host, int fd,
	    const char **why) MUST_USE;
void	secure_free(struct secure **);		/* does not close fd */

/* What is missing, as a result below 0 of all three. */
enum {
	SECURE_WANT_READ = -1, SECURE_WANT_WRITE = -2,
	SECURE_GONE = -3,	/* the server went away, politely or not */
	SECURE_FAILED = -4	/* not TLS, or no server that we trust */
};
/* 1 when done. */
int	secure_handshake(struct secure *) MUST_USE;
/* After SECURE_FAILED: words, valid as long as the object. */
const char *secure_why(const struct secure *);
/* > 0 bytes. */
ssize_t	secure_read(struct secure *, void *, size_t) MUST_USE;
/* Bytes are here which no event of the socket will tell of. */
bool	secure_pending(const struct secure *);
/* > 0 bytes taken; after SECURE_WANT_WRITE call again with the same bytes and
 * perhaps more behind them. */
ssize_t	secure_write(struct secure *, const void *, size_t) MUST_USE;

#endif
