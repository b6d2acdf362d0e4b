/*
 * SockJS (sockjs-protocol 0.3.3) over HTTP and WebSocket: one session, its
 * queue, the request by which it receives, and those that bring messages.
 *
 *	OPEN ──closed by us, or what it received by broke──► CLOSED ──delay──► gone
 *	  └────nobody receives for disconnect_delay───────────────────────────►┘
 *
 * CLOSED: whoever asks is told why.
 *
 * A session's id is chosen by its client, and names no worker.  So who has a
 * session stands in shared memory: it is a count (shm/count.h) of which there
 * may be one, and the slot that counts it has it.  The first request is taken
 * where it is accepted, and of two at once one gets it; a later one that another
 * worker accepts is passed on with its connection (http/pass.h).  While sessions
 * go to another worker, both count them, and the one that does not have it any
 * more looks again.  What a worker that died had comes back with its reclaim:
 * then its clients get 404, or a new session.
 *
 * The id is all that a client without a token shows to be the one who opened a
 * session; stock clients draw 40 bits.  So what is counted is a digest of the
 * endpoint's path, the token that the request brings, and the id: who has not
 * the same token cannot find a session, nor get in its way, and who tries ids is
 * slowed down as one who connects.  A token is looked at when a session is
 * opened, and by its end; one that is replaced in a cookie ends what was opened
 * with the one before.
 */
#ifndef WORKER_SOCKJS_SOCKJS_H
#define WORKER_SOCKJS_SOCKJS_H

#include "base/bug.h"
#include "base/reason.h"
#include "hub/hub.h"
#include "worker/http/request.h"
#include "worker/net/host.h"

struct client_noted;
struct conn;
struct sockjs;		/* begins with struct host */
struct sockjs_all;	/* of one worker */

#define SOCKJS_MAGIC	0x50c4150a

struct sockjs_all *sockjs_all_new(struct worker *) MUST_USE; /* NULL: no memory */
void	sockjs_all_free(struct sockjs_all **);

/* --- requests ------------------------------------------------------------ */

void	sockjs_serve(struct request *);
/* The route's body: that of what brings messages is complete. */
void	sockjs_body(struct request *, struct slice body);

/* --- hands (conn.h) ------------------------------------------------------ */

/* It waits for what its session receives, or for messages to be done. */
void	sockjs_conn_parting(struct conn *);
/* A stream can be written to again. */
void	sockjs_conn_drained(struct conn *);
/* Close its session instead. */
void	sockjs_conn_close(struct conn *, enum reason);

/* --- the hub's ports ----------------------------------------------------- */

void	sockjs_close(struct sockjs *, enum reason);
void	sockjs_rearm(struct sockjs *);
void	sockjs_flush(struct outq *);
void	sockjs_note(struct sockjs *, const struct client_noted *);

/* --- turns --------------------------------------------------------------- */

void	sockjs_close_all(struct sockjs_all *, enum reason);
/* What is left of messages, at the start of a turn; busy: there is some more. */
void	sockjs_go_on(struct sockjs_all *);
bool	sockjs_busy(const struct sockjs_all *);
/* What was closed is told and let go; true: something was. */
bool	sockjs_turn_end(struct sockjs_all *);
void	sockjs_free_doomed(struct sockjs_all *);
/* Sessions, those that are closed included. */
size_t	sockjs_waiting(const struct sockjs_all *);

#endif
