/*
 * Sessions of SockJS from one worker to another (hub/move.h), each with the
 * connections that it has: the one by which it receives, and one that brought
 * what is not all done.  While both workers may have it, both count it, so that
 * it is found (sockjs.h).
 *
 *	giver	may_move? save, freeze ──► load		heir
 *		(LOADED: ) moved	   (COMMIT: ) activate
 *		(else: ) thaw		   (ABORT: ) unload
 *
 * Called by workers/worker/handover.
 */
#ifndef WORKER_SOCKJS_SOCKJS_SAVE_H
#define WORKER_SOCKJS_SOCKJS_SAVE_H

#include "base/bug.h"
#include "base/state.h"

struct buf;
struct hub_move;
struct sockjs;
struct sockjs_all;

#define SOCKJS_CONNS_MAX 2u	/* of one session */

/* All sessions of this worker; the next one is to be asked for before this one
 * is moved. */
struct sockjs *sockjs_save_first(const struct sockjs_all *);
struct sockjs *sockjs_save_next(const struct sockjs *);

/* --- giver --------------------------------------------------------------- */

/* At the end of a turn: it is not about to end, nor is one of its connections,
 * and none has TLS. */
bool	sockjs_may_move(const struct sockjs *);
/* Its client has acks that wait for other workers: client_waits(). */
bool	sockjs_waits(const struct sockjs *);
/* It may not, as it receives over TLS, which stays with its process.  If that is
 * all: what it receives by ends, and its client asks again over another
 * connection.  true: it may move now. */
bool	sockjs_may_release(const struct sockjs *);
bool	sockjs_release(struct sockjs *);
unsigned sockjs_nconns(const struct sockjs *);
/* All of it, and its descriptors (sockjs_nconns()).  false: no memory, what was
 * appended is to be thrown away. */
bool	sockjs_save(struct sockjs *, struct hub_move *, struct buf *, int fds[])
	    MUST_USE;
/* Until the answer: nothing is read or written, no deadline comes, what it is
 * asked for waits, as does its end. */
void	sockjs_freeze(struct sockjs *);
void	sockjs_thaw(struct sockjs *);
/* It is the heir's: forgotten, without a word to anybody. */
void	sockjs_moved(struct sockjs *);

/* --- heir ---------------------------------------------------------------- */

/* fds[n] (n <= SOCKJS_CONNS_MAX), which are taken, or closed.  NULL: bad, or no
 * memory, nothing is left of it. */
struct sockjs *sockjs_load(struct sockjs_all *, struct hub_move *,
	    struct state_in *, const int fds[], unsigned n) MUST_USE;
/* It goes on, or, when it may not be here, ends. */
void	sockjs_activate(struct sockjs *);
/* The giver has it still. */
void	sockjs_unload(struct sockjs *);

#endif
