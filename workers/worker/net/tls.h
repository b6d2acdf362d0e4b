/*
 * TLS of one connection (OpenSSL 3, its only home outside base/): contexts
 * from PEM texts, and handshake, read, write with the shape of recv and send.
 * TLS 1.2 and 1.3; sessions resume by tickets whose key all workers share, so
 * a client may come back to any of them.
 */
#ifndef WORKER_NET_TLS_H
#define WORKER_NET_TLS_H

#include <sys/types.h>

#include "base/bug.h"
#include "base/slice.h"

struct tls_ctx;		/* one per listener with tls */
struct tls;		/* one per connection */

#define TLS_TICKET_KEY	80	/* bytes: name 16, HMAC 32, AES 32 */

/*
 * certificate: PEM, a chain, the leaf first; key: PEM; ticket_key: shared by
 * all workers, kept by reference (NULL: no tickets).  NULL: *why says why.
 */
struct tls_ctx *tls_ctx_new(struct slice certificate, struct slice key,
	    const uint8_t *ticket_key, const char **why) MUST_USE;
void	tls_ctx_free(struct tls_ctx **);

/* The server's end over a connected socket; NULL: no memory. */
struct tls *tls_new(struct tls_ctx *, int fd) MUST_USE;
void	tls_free(struct tls **);		/* does not close fd */

/* What is missing, as a result below 0 of all three. */
enum {
	TLS_WANT_READ = -1, TLS_WANT_WRITE = -2,
	TLS_GONE = -3,		/* the peer went away, politely or not */
	TLS_FAILED = -4		/* not TLS, or none that we speak */
};
/* 1 when done. */
int	tls_handshake(struct tls *) MUST_USE;
bool	tls_resumed(const struct tls *);
/* > 0 bytes; more may be waiting inside: read until TLS_WANT_READ. */
ssize_t	tls_read(struct tls *, void *, size_t) MUST_USE;
/* > 0 bytes taken.  After TLS_WANT_WRITE call again with the same bytes (at
 * another place is fine) and perhaps more behind them. */
ssize_t	tls_write(struct tls *, const void *, size_t) MUST_USE;
/* Tell the peer that nothing follows. */
void	tls_shutdown(struct tls *);

#endif
