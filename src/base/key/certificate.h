/*
 * A server's certificate chain and private key, looked at before they are
 * used: so that a configuration test finds what a handshake would trip over.
 * No I/O, no clock; OpenSSL's error queue is left empty.
 */
#ifndef BASE_CERTIFICATE_H
#define BASE_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct certificate_view {
	const char	*why_certificate; /* NULL: it can be used; else a */
	const char	*why_key;	/* static text, of the key likewise */
	unsigned	 chain;		/* certificates, the leaf included */
	bool		 disordered;	/* one is not signed by the next */
	int64_t		 until_s;	/* unix time the first of them ends */
};

/* Both are PEM texts: leaf first, then what it was signed by; and its key,
 * which must not be encrypted. */
void	certificate_look(struct slice certificate, struct slice key,
	    struct certificate_view *);
/* Clients that ask for this host, "*.host" is any below it, take it for it;
 * so they do where there is no certificate to be looked at. */
bool	certificate_serves(struct slice certificate, const char *host);

#endif
