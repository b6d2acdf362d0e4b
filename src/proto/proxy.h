/*
 * The header of the PROXY protocol, versions 1 and 2: whose connection it is
 * that a proxy passes on.  It stands before everything else, TLS too.  Pure;
 * see codec.h.
 */
#ifndef PROTO_PROXY_H
#define PROTO_PROXY_H

#include "proto/codec.h"

#define PROXY_V1_MAX	107	/* bytes of a line, its end included */
#define PROXY_MAX	4096	/* bytes of a header, all its TLVs included */

/* What is taken, as listen { proxy_protocol } names it. */
enum proxy_version { PROXY_OFF, PROXY_V1, PROXY_V2, PROXY_ANY };

struct proxy {
	bool		 known;		/* whose it is; else it is the peer's
					 * own, or nobody can say */
	uint8_t		 address[16];	/* known: IPv4 mapped; zero: somebody
					 * on a unix socket */
	uint16_t	 port;
	bool		 tls;		/* known: it speaks TLS with the proxy */
	const char	*why;		/* CODEC_BAD: for the log */
};

/* Bytes used, or CODEC_MORE, or CODEC_BAD.  What is no header is so at its
 * first wrong byte. */
ssize_t	proxy_decode(struct slice in, enum proxy_version, struct proxy *)
	    MUST_USE;

#endif
