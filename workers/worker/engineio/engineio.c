/*
 * Engine.IO's query string and what may be wrong with it.
 */
#include "worker/engineio/engineio.h"

static bool
engineio_query_is(const struct http_request *rq, const char *name,
    struct slice value, uint8_t *scratch)
{
	ssize_t n;

	n = http_query_get(rq->query, name, scratch);
	return (n >= 0 && slice_eq(slice_of(scratch, (size_t)n), value));
}

/* A sid is named: SESSION, or none that could be ours. */
static int
engineio_session(struct engineio *e, struct slice sid)
{
	if (!eio_sid_owner(sid, &e->owner))
		return (EIO_SID_UNKNOWN);
	memcpy(e->sid, sid.p, EIO_SID_LEN);
	e->sid[EIO_SID_LEN] = '\0';
	return (ENGINEIO_SESSION);
}

int
engineio_check(const struct http_request *rq, const struct engineio_door *door,
    uint8_t *scratch, struct engineio *e)
{
	ssize_t n;

	memset(e, 0, sizeof *e);
	e->polling = engineio_query_is(rq, "transport", SLICE("polling"),
	    scratch);
	if (!e->polling && !engineio_query_is(rq, "transport",
	    SLICE("websocket"), scratch))
		return (EIO_TRANSPORT_UNKNOWN);
	if (!(e->polling ? door->polling : door->websocket))
		return (EIO_TRANSPORT_UNKNOWN);
	e->version = engineio_query_is(rq, "EIO", SLICE("4"), scratch);
	e->b64 = engineio_query_is(rq, "b64", SLICE("1"), scratch);
	n = http_query_get(rq->query, "t", scratch);
	if (n > 0 && n <= ENGINEIO_T_MAX) {
		e->t.n = (uint8_t)n;
		memcpy(e->t.s, scratch, (size_t)n);
	}
	n = http_query_get(rq->query, "sid", scratch);
	if (n == -2)	/* badly encoded: none that we know */
		return (EIO_SID_UNKNOWN);
	if (n > 0)
		return (engineio_session(e, slice_of(scratch, (size_t)n)));
	if (rq->method != HTTP_GET)
		return (EIO_BAD_HANDSHAKE_METHOD);
	if (e->polling == rq->upgrade_websocket)
		return (EIO_BAD_REQUEST);
	if (!door->origin)
		return (EIO_FORBIDDEN);
	if (!e->version)
		return (EIO_UNSUPPORTED_VERSION);
	return (e->polling ? ENGINEIO_POLLING : ENGINEIO_WEBSOCKET);
}
