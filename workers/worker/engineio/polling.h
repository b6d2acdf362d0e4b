/*
 * Engine.IO over HTTP polling: one session, its queue, the GET that waits for
 * packets and the POST that brings some, and the WebSocket that may take over.
 *
 *	POLLING ──"5" on the candidate──► UPGRADED ──WebSocket gone──┐
 *	   │                                                         ▼
 *	   ├──closed by us, no GET waits──► LAST ──GET, or 30 s──► dropped
 *	   └──closed by the client, or lost ─────────────────────────┘
 *
 * Source: the Engine.IO protocol, revision 4, "HTTP long-polling", "Upgrade".
 */
#ifndef WORKER_ENGINEIO_POLLING_H
#define WORKER_ENGINEIO_POLLING_H

#include "base/bug.h"
#include "base/reason.h"
#include "worker/engineio/engineio.h"
#include "worker/http/request.h"
#include "worker/net/host.h"

struct client_noted;
struct conn;
struct poller;		/* begins with struct host */
struct polling;		/* all of one worker */

#define POLLER_MAGIC	0x9011e201

struct polling *polling_new(struct worker *) MUST_USE;	/* NULL: no memory */
void	polling_free(struct polling **);

/* --- requests ------------------------------------------------------------ */

/* The handshake: open a session, answer with the open packet. */
void	polling_open(struct request *, const struct engineio *);
/* A session is named: GET, POST, or a WebSocket.  false: it is none of this
 * worker's, nothing was done. */
bool	polling_session(struct request *, const struct engineio *,
	    bool origin_allowed) MUST_USE;
/* A WebSocket for a session that has one: accepted, and closed at once. */
void	polling_candidate_unwanted(struct request *);
/* The route's body: that of a POST is complete. */
void	polling_body(struct request *, struct slice body);
/* The route's refused: the session does not mind. */
void	polling_body_refused(struct request *, int status, const char *lines);
/* The heartbeat of a session bounds the time of its requests. */
uint64_t polling_body_ms(const struct conf *);

/* --- hands (conn.h) ------------------------------------------------------ */

/* HTTP, whose request or response may be a session's: it ends.  What it
 * answers to a request may still go out, */
void	polling_http_parting(struct conn *);
/* ... all that it had to say is written, or its next request is here, */
void	polling_http_drained(struct conn *);
/* ... or nothing will be written any more. */
void	polling_http_gone(struct conn *);
/* A WebSocket that is not a session's transport yet. */
size_t	polling_candidate_input(struct conn *, uint8_t *p, size_t n,
	    size_t old);
void	polling_candidate_due(struct conn *);
/* One that waits until a POST is done can be written to again. */
void	polling_waiting_drained(struct conn *);
/* A session's WebSocket ends, or a candidate. */
void	polling_ws_parting(struct conn *);

/* A held GET or POST: close the session instead of the connection. */
void	polling_conn_close(struct conn *, enum reason);

/* --- the hub's ports ----------------------------------------------------- */

void	polling_close(struct poller *, enum reason);
void	polling_rearm(struct poller *);
void	polling_flush(struct outq *);

/* --- turns --------------------------------------------------------------- */

/* Something happened to its client: hub_ports.noted. */
void	polling_note(struct poller *, const struct client_noted *);
void	polling_close_all(struct polling *, enum reason);
/* What is left of POSTs, at the start of a turn; busy: there is some more. */
void	polling_go_on(struct polling *);
bool	polling_busy(const struct polling *);
/* What was closed is told and let go; true: something was. */
bool	polling_turn_end(struct polling *);
void	polling_free_doomed(struct polling *);
/* Sessions that have no WebSocket. */
size_t	polling_waiting(const struct polling *);

#endif
