/*
 * A connection goes to another worker: with its socket, which the other gets
 * beside this, with what was read of it and is no whole message, what was not
 * written yet, and its client.
 *
 *	giver	may_move? freeze, save ──► bytes ──► load	heir
 *		(the heir has it) moved		     activate
 *		(else) thaw			     unload
 *
 * From freeze on, and from load until it is active, it is frozen, be it for
 * some turns: nothing is read from its socket or written to it, and no deadline
 * of it comes.  What is queued for it meanwhile, and that it shall end, waits
 * for thaw or activate; the other has, or will have, the same.  How the bytes go
 * across, and who is believed, is for those above to know.
 */
#ifndef WORKER_NET_CONN_SAVE_H
#define WORKER_NET_CONN_SAVE_H

#include <stdbool.h>

#include "base/bug.h"

struct buf;
struct conn;
struct http_body;
struct hub_move;
struct state_in;
struct worker;

/* What a body that is on its way needs, which is http's: worker.c names it. */
struct conn_bodies {
	bool	(*save)(const struct http_body *, struct buf *);
	/* NULL: bad, or no memory, or this worker does not want it. */
	struct http_body *(*load)(const struct worker *, struct state_in *);
	void	(*free)(struct http_body **);
};

/*
 * It is plain, at rest, and not ending, nor answered by others in a moment
 * (CONN_ASKING); nothing was queued for it in this turn.  So at the end of a
 * turn.
 */
bool	conn_may_move(const struct conn *);
/* It belongs to no session over polling, which would have to go with it. */
bool	conn_is_alone(const struct conn *);

void	conn_freeze(struct conn *);
void	conn_thaw(struct conn *);
/* All but the session over polling, which is its caller's.  false: no memory,
 * and what was appended is to be thrown away. */
bool	conn_save(struct conn *, struct hub_move *, struct buf *) MUST_USE;
/* The heir has it: forget it without a word. */
void	conn_moved(struct conn *);

/*
 * As it was saved, and frozen; of the worker's connections the oldest.  fd is
 * ours in any case.  NULL: bad, no memory, or too few descriptors are left.
 * One that is not alone (conn_needs_session) is to be given its session before
 * it is activated.
 */
struct conn *conn_load(struct worker *, struct hub_move *, struct state_in *,
	    int fd) MUST_USE;
bool	conn_needs_session(const struct conn *);
/* It is ours.  Bytes may have come, and room: it is looked at. */
void	conn_activate(struct conn *);
/* The giver keeps it. */
void	conn_unload(struct conn *);

#endif
