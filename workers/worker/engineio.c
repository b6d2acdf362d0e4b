/*
 * Engine.IO's query string and what may be wrong with it.
 */
#include "worker/engineio.h"

static bool
engineio_query_is(const struct http_request *rq, const char *name,
    struct slice value, uint8_t *scratch)
{
	ssize_t n;

	n = http_query_get(rq->query, name, scratch);
	return (n >= 0 && slice_eq(slice_of(scratch, (size_t)n), value));
}

int
engineio_check(const struct http_request *rq, bool origin_allowed,
    uint8_t *scratch)
{
	bool polling;

	polling = engineio_query_is(rq, "transport", SLICE("polling"),
	    scratch);
	if (!polling && !engineio_query_is(rq, "transport", SLICE("websocket"),
	    scratch))
		return (EIO_TRANSPORT_UNKNOWN);
	/* present and not empty, or badly encoded: none that we know */
	if (http_query_get(rq->query, "sid", scratch) > 0 ||
	    http_query_get(rq->query, "sid", scratch) == -2)
		return (EIO_SID_UNKNOWN);
	if (rq->method != HTTP_GET)
		return (EIO_BAD_HANDSHAKE_METHOD);
	if (polling)
		return (EIO_TRANSPORT_UNKNOWN);
	if (!rq->upgrade_websocket)
		return (EIO_BAD_REQUEST);
	if (!origin_allowed)
		return (EIO_FORBIDDEN);
	if (!engineio_query_is(rq, "EIO", SLICE("4"), scratch))
		return (EIO_UNSUPPORTED_VERSION);
	return (ENGINEIO_OK);
}

bool
engineio_b64(const struct http_request *rq, uint8_t *scratch)
{
	return (engineio_query_is(rq, "b64", SLICE("1"), scratch));
}
