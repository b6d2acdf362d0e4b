/*
 * The checks of an Engine.IO request, in the order that clients know.  Pure.
 * Source: Engine.IO protocol 4; errors as its reference server gives them.
 */
#ifndef WORKER_ENGINEIO_ENGINEIO_H
#define WORKER_ENGINEIO_ENGINEIO_H

#include "proto/eio.h"
#include "proto/http.h"

/* What a request asks for, besides enum eio_error. */
enum {
	ENGINEIO_POLLING = -1,	/* a session over polling */
	ENGINEIO_WEBSOCKET = -2, /* one over WebSocket */
	ENGINEIO_SESSION = -3	/* something of the session that it names */
};

#define ENGINEIO_T_MAX	31
struct engineio_t {		/* the parameter "t", see repeat.h */
	uint8_t		 n;		/* 0: absent, or too long */
	char		 s[ENGINEIO_T_MAX];
};

struct engineio {
	bool		 polling;	/* transport: polling, else websocket */
	bool		 version;	/* EIO is 4 */
	bool		 b64;		/* no binary frames */
	struct eio_owner owner;		/* SESSION */
	char		 sid[EIO_SID_LEN + 1];	/* SESSION */
	struct engineio_t t;
};

/* What the endpoint lets through. */
struct engineio_door {
	bool		 polling, websocket;
	bool		 origin;	/* this request's */
};

/*
 * One of the above, or an enum eio_error.  For SESSION only the transport and
 * the form of the sid were looked at: what else is wrong depends on the
 * session.  scratch: HTTP_LINE_MAX bytes.
 */
int	engineio_check(const struct http_request *,
	    const struct engineio_door *, uint8_t *scratch,
	    struct engineio *) MUST_USE;

#endif
