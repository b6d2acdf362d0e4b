/*
 * One request to the HTTP API of a daemon, and its answer.
 */
#ifndef ROOSTCTL_HTTP_H
#define ROOSTCTL_HTTP_H

#include "base/buf.h"

struct http_request {
	const char	*address;	/* "http://HOST:PORT", "HOST:PORT",
					 * "unix:PATH" */
	const char	*host;		/* what it is asked for as */
	const char	*method;
	const char	*path;		/* with its query, encoded */
	const char	*key;		/* of the API */
	struct slice	 body;		/* JSON; n = 0: none */
	unsigned	 seconds;	/* for all of it */
};

/* The status, and the body in *answer; -1: none came, and why says so. */
int	http_ask(const struct http_request *, struct buf *answer, char *why,
	    size_t cap) MUST_USE;

#endif
