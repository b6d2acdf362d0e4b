/*
 * An OCSP response (RFC 6960), as an authority signs it for a certificate, and
 * a server shows it beside that: looked at before it is used.  Whether the
 * authority has signed it, clients find out.  No I/O, no clock; OpenSSL's error
 * queue is left empty.
 */
#ifndef BASE_OCSP_H
#define BASE_OCSP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct ocsp_view {
	const char	*why;		/* NULL: it is of this certificate; else
					 * a static text */
	bool		 revoked;	/* ... or not known to them */
	int64_t		 until_s;	/* unix time it is over; INT64_MAX: never */
};

/* response: DER; certificate: PEM, leaf first. */
void	ocsp_look(struct slice response, struct slice certificate,
	    struct ocsp_view *);

#endif
