/*
 * The checks of an Engine.IO request, in the order that clients know.  Pure.
 * Source: Engine.IO protocol 4; errors as its reference server gives them.
 */
#ifndef WORKER_ENGINEIO_H
#define WORKER_ENGINEIO_H

#include "proto/eio.h"
#include "proto/http.h"

#define ENGINEIO_OK	(-1)

/*
 * enum eio_error, or ENGINEIO_OK: a WebSocket may be opened.  Long polling is
 * not offered, so no session id is known and transport "polling" is answered
 * as unknown once method and session have been looked at.
 * scratch: HTTP_LINE_MAX bytes.
 */
int	engineio_check(const struct http_request *, bool origin_allowed,
	    uint8_t *scratch) MUST_USE;

/* b64=1: the client cannot take binary frames. */
bool	engineio_b64(const struct http_request *, uint8_t *scratch);

#endif
