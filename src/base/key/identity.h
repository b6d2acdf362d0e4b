/*
 * What a server shows in a TLS handshake, as an OpenSSL context: certificate,
 * key, and what it agrees to.  Made by workers, who use it, and before by the
 * master, who wants to know whether they can.  No I/O, no clock; OpenSSL's
 * error queue is left empty.
 */
#ifndef BASE_IDENTITY_H
#define BASE_IDENTITY_H

#include "base/bug.h"
#include "base/slice.h"

struct ssl_ctx_st;		/* OpenSSL's SSL_CTX */

/* What all certificates have in common. */
struct identity_terms {
	const char	*ciphers;	/* OpenSSL's names, those of TLS 1.3
					 * among them; "": its own choice */
	const char	*curves;	/* "": likewise */
	bool		 only_1_3;	/* else 1.2 too */
	bool		 ktls;		/* the kernel may encrypt */
	struct slice	 client_ca;	/* PEM: who may sign clients'
					 * certificates; n = 0: none wanted */
	bool		 client_must;	/* ... and one is needed */
};

/* NULL, or what is wrong: a static text, and the name that is not known, or
 * "", in unknown. */
#define IDENTITY_NAME_MAX	64
const char *identity_ciphers_bad(const char *, char unknown[IDENTITY_NAME_MAX])
	    MUST_USE;
const char *identity_curves_bad(const char *, char unknown[IDENTITY_NAME_MAX])
	    MUST_USE;
/* PEM of authorities. */
const char *identity_clients_bad(struct slice pem) MUST_USE;

/* certificate: PEM, a chain, the leaf first; key: PEM.  NULL: *why (static)
 * says why. */
struct ssl_ctx_st *identity_new(struct slice certificate, struct slice key,
	    const struct identity_terms *, const char **why) MUST_USE;
void	identity_free(struct ssl_ctx_st **);

#endif
