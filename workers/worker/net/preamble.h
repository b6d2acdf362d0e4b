/*
 * What a proxy says before its client does, on a listener with proxy_protocol:
 * whose connection it is.  Nothing behind it is read before, since that may be
 * TLS.  The codec is proto/proxy.h.
 */
#ifndef WORKER_NET_PREAMBLE_H
#define WORKER_NET_PREAMBLE_H

struct conn;

/* A hand (conn.h): its socket has something to read, or has ended. */
void	preamble_ready(struct conn *);

#endif
