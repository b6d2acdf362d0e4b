/*
 * TLS of one connection (OpenSSL 3, its only home outside base/): contexts
 * from certificates, and handshake, read, write with the shape of recv and send.
 * TLS 1.2 and 1.3; sessions resume by tickets whose keys all workers share, so
 * a client may come back to any of them.
 */
#ifndef WORKER_NET_TLS_H
#define WORKER_NET_TLS_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/bug.h"
#include "base/clock.h"
#include "base/slice.h"
#include "conf/model.h"

struct heritage_certificate;
struct identity_terms;
struct tls_ctx;		/* one per listener with tls */
struct tickets;
struct tls;		/* one per connection */

/*
 * What a listener shows: the first to those who ask for no name, or for none
 * of the others'.  All is copied, but for the keys of tickets and the time,
 * which stay where they are for as long as connections are served.
 */
struct tls_params {
	const struct heritage_certificate *certificates;
	size_t		 ncertificates;
	const struct identity_terms *terms;
	enum conf_client_user client_user;
	struct tickets	*tickets;
	const struct wall *now;
};
/* NULL: *why (static) says why. */
struct tls_ctx *tls_ctx_new(const struct tls_params *, const char **why)
	    MUST_USE;
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
/* After TLS_FAILED: what was wrong. */
enum tls_failure {
	TLS_FAILURE_OTHER,
	TLS_FAILURE_HTTP,	/* that is a request of HTTP */
	TLS_FAILURE_GARBAGE,	/* that is no TLS */
	TLS_FAILURE_VERSION,	/* none in common */
	TLS_FAILURE_CIPHER,	/* the same of ciphers, curves, signatures */
	TLS_FAILURE_CLIENT,	/* its certificate is missing, or not good */
	TLS_FAILURE_ALERT,	/* the client found something wrong */
	TLS_FAILURE_GONE,	/* it went in the middle: told as TLS_GONE */
	TLS_FAILURE__MAX
};
enum tls_failure tls_failure(const struct tls *);
/* After TLS_FAILURE_CLIENT: what was wrong with it, as a static text. */
const char *tls_client_wrong(const struct tls *);
bool	tls_resumed(const struct tls *);
/* The client has shown a certificate, which is good. */
bool	tls_has_client(const struct tls *);
/* The same, and its claims, appended; see subject.h. */
bool	tls_client(const struct tls *, struct buf *);
/* > 0 bytes; more may be waiting inside: read until TLS_WANT_READ. */
ssize_t	tls_read(struct tls *, void *, size_t) MUST_USE;
/* > 0 bytes taken.  After TLS_WANT_WRITE call again with the same bytes (at
 * another place is fine) and perhaps more behind them. */
ssize_t	tls_write(struct tls *, const void *, size_t) MUST_USE;
/* Tell the peer that nothing follows. */
void	tls_shutdown(struct tls *);

#endif
