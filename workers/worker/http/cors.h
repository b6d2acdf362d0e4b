/*
 * What browsers are told about pages of other origins (Fetch standard, "CORS
 * protocol").  Pure.
 */
#ifndef WORKER_HTTP_CORS_H
#define WORKER_HTTP_CORS_H

#include "base/buf.h"
#include "conf/conf.h"

/*
 * The header lines of a response, each with CRLF; nothing when cors is off.
 * origin: the request's, empty when it has none.  headers: of a preflight,
 * its Access-Control-Request-Headers (NULL: no preflight).
 */
void	cors_lines(struct buf *, const struct conf_cors *, struct slice origin,
	    const struct slice *headers);

#endif
