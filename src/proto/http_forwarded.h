/*
 * Who asks, as the proxies before us say: X-Forwarded-For, -Proto and -Host,
 * or Forwarded (RFC 7239).  Anybody can send such fields, so they are read from
 * the right, where the nearest proxy has written, and no further than somebody
 * who is trusted vouches for.  Linear; of a field with all its lines the last
 * 8 KiB are looked at.  Pure; see codec.h.
 */
#ifndef PROTO_HTTP_FORWARDED_H
#define PROTO_HTTP_FORWARDED_H

#include "proto/http.h"

#define FORWARDED_MAX	8192	/* bytes of a field that are looked at */

struct forwarded {
	uint8_t		 address[16];	/* the peer's, who is trusted; then
					 * that of who asks; IPv4 mapped */
	uint16_t	 port;		/* likewise; 0: not known */
	struct slice	 proto;		/* empty: nobody said so */
	struct slice	 host;		/* likewise, and for what is no host */
};

/* What this address says of the one before it is believed. */
typedef bool forwarded_trusts(const void *arg, const uint8_t address[16]);

/* An address that is not known, or hidden, leaves that of the proxy which says
 * so. */
void	forwarded_x(const struct http_request *, forwarded_trusts *,
	    const void *arg, struct forwarded *);
void	forwarded_read(const struct http_request *, forwarded_trusts *,
	    const void *arg, struct forwarded *);

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80"; a port that
 * is hidden ("_x") is 0.  false: no address. */
bool	forwarded_node(struct slice, uint8_t address[16], uint16_t *port)
	    MUST_USE;

#endif
