/*
 * A body that is on its way.  Private to body*.c.
 */
#ifndef WORKER_HTTP_BODY_INT_H
#define WORKER_HTTP_BODY_INT_H

#include "base/buf.h"
#include "proto/http.h"
#include "worker/http/body.h"
#include "worker/http/route.h"

struct conf_api_key;

struct http_body {
	unsigned	 magic;
#define HTTP_BODY_MAGIC	0xb0d1b0d1
	enum route	 route;
	const struct route_row *row;	/* of the route */
	const struct conf_api_key *key;
	char		*lines;		/* heap, or NULL */
	struct buf	 name;		/* of the route's match */
	bool		 chunked;
	bool		 keep_alive;
	int		 minor;
	uint64_t	 left;		/* bytes; not chunked */
	struct http_chunked pieces;
	struct buf	 data;
};

#endif
