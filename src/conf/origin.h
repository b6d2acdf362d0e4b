/*
 * Origins (RFC 6454): entries of allowed_origins, and the header of a request
 * held against them.  Exact, apart from the wild cards that an entry has: a
 * prefix or suffix in common is nothing in common.
 */
#ifndef CONF_ORIGIN_H
#define CONF_ORIGIN_H

#include "conf/model.h"

/* NULL and *out filled in (heap), or what is wrong with the text (static). */
const char *conf_origin_parse(const char *text, struct conf_origin *out)
	    MUST_USE;
void	conf_origin_fini(struct conf_origin *);
/* The same for an entry of hosts: lower case, on the heap. */
const char *conf_host_parse(const char *text, char **out) MUST_USE;

/* An Origin header value is allowed: listed; or, when no list is configured,
 * its host and port are those of the request's Host header, and its scheme is
 * https over TLS (tls), and otherwise http, or https: a proxy may have ended
 * the TLS. */
bool	conf_origin_allowed(const struct conf *, struct slice origin,
	    struct slice host, bool tls);

/* A request for this Host is answered: it is listed, or nothing is.  Addresses
 * are always, and so is no host at all: to make a browser send another's name
 * takes a name. */
bool	conf_host_allowed(const struct conf *, struct slice host);

/* It is one of cors.origins. */
bool	conf_cors_listed(const struct conf_cors *, struct slice origin);

#endif
