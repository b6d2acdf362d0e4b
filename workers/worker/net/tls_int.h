/*
 * The inside of tls.h: tls_ctx.c (what a listener shows), tls.c (connections).
 */
#ifndef WORKER_NET_TLS_INT_H
#define WORKER_NET_TLS_INT_H

#include <openssl/ssl.h>

#include "worker/net/tls.h"

/*
 * What a listener shows.  It belongs to the context of those who ask for no
 * name that there is, and goes with it: when the last connection has gone.
 */
struct tls_ctx {
	unsigned	 magic;
#define TLS_CTX_MAGIC	0x715c7701
	SSL_CTX		*ssl;		/* borrowed; it has us */
	struct tls_host {
		char		*name;
		SSL_CTX		*ssl;
	}		*hosts;		/* the others, in the order of names */
	size_t		 nhosts;
	struct tls_staple {
		struct tls_staple *next;
		const struct tls_ctx *ctx;
		int64_t		 until_s;
		size_t		 n;
		uint8_t		 der[];
	}		*staples;	/* of all of them */
	enum conf_client_user client_user;
	struct tickets	*tickets;	/* the worker's */
	const struct wall *now;
};

#endif
