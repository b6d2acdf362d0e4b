/*
 * Sessions over polling from one worker to another (hub/move.h), each with
 * all of its connections, so that nothing that is under way is cut: the GET
 * that waits, the POST whose body comes or that is not all done, answers that
 * are being written, the WebSocket that takes over.
 *
 *	giver	may_move? save, freeze ──► load		heir
 *		(LOADED: ) moved	   (COMMIT: ) activate
 *		(else: ) thaw		   (ABORT: ) unload
 *
 * Called by workers/worker/handover; a connection's own state is net's and
 * http's (conn_save.h), what the client is to the hub is the hub's.
 */
#ifndef WORKER_ENGINEIO_POLLING_SAVE_H
#define WORKER_ENGINEIO_POLLING_SAVE_H

#include "base/bug.h"
#include "base/state.h"

struct buf;
struct hub_move;
struct poller;
struct polling;

/* Connections of one session, at the most. */
#define POLLER_CONNS_MAX 5u

/* All sessions of this worker; the next one is to be asked for before this one
 * is moved. */
struct poller *polling_first(const struct polling *);
struct poller *polling_next(const struct poller *);

/* --- giver --------------------------------------------------------------- */

/* At the end of a turn: it is not about to end, and neither is any of its
 * connections, nor does one have TLS. */
bool	poller_may_move(const struct poller *);
/* Its client has acks that wait for other workers: client_waits(). */
bool	poller_waits(const struct poller *);
/*
 * It may not move, as its GET came over TLS, which stays with its process.  If
 * that is all: the GET is answered with nothing, and the client comes again
 * over another connection.  A few at a time.  true: it may move now.
 */
bool	poller_may_release(const struct poller *);
bool	poller_release(struct poller *);
/* So many descriptors go with it; it may have none. */
unsigned poller_nconns(const struct poller *);
/* All of it, and its descriptors (poller_nconns()).  false: no memory, what was
 * appended is to be thrown away. */
bool	poller_save(struct poller *, struct hub_move *, struct buf *, int fds[])
	    MUST_USE;
/* Until the answer, which may take some turns: nothing is read or written, no
 * deadline comes, what it is asked for waits, as does its end. */
void	poller_freeze(struct poller *);
void	poller_thaw(struct poller *);
/* It is the heir's: forgotten, without a word to anybody. */
void	poller_moved(struct poller *);

/* --- heir ---------------------------------------------------------------- */

/*
 * fds[n] (n <= POLLER_CONNS_MAX), which are taken, or closed.  NULL: bad, or
 * no memory, nothing is left of it.
 */
struct poller *poller_load(struct polling *, struct hub_move *,
	    struct state_in *, const int fds[], unsigned n) MUST_USE;
/* It goes on, or, when it may not be here, ends. */
void	poller_activate(struct poller *);
/* The giver has it still. */
void	poller_unload(struct poller *);

#endif
