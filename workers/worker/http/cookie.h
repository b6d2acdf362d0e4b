/*
 * The cookie of a session over polling (RFC 6265): for balancers that keep a
 * client with one host by it; roostd itself never reads it.  Pure.
 */
#ifndef WORKER_HTTP_COOKIE_H
#define WORKER_HTTP_COOKIE_H

#include "base/buf.h"
#include "conf/conf.h"

/* The Set-Cookie line, with CRLF; nothing when no cookie is configured.
 * tls: the client came over TLS. */
void	cookie_line(struct buf *, const struct conf_cookie *, const char *sid,
	    bool tls);

#endif
