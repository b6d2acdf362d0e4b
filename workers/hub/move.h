/*
 * Live state from one worker to another: clients with all that is theirs, and
 * sessions that wait for their client.  What the host calls; who is asked what
 * when, and what crosses with it (sockets, parsers), is the host's.
 *
 *	giver	may_move? save ──► bytes ──► load	heir
 *		(LOADED: ) moved	     (COMMIT: ) goes on
 *		(else: it goes on)	     (ABORT: ) unload
 *
 * Between save and the answer the giver gives the client nothing to do, and
 * queues nothing for it; between load and COMMIT the same holds for the heir.
 * The heir has joined all rooms, is present and is counted before the giver
 * leaves: nobody is told of either.
 *
 * Loading is all or nothing, whatever the bytes are.
 */
#ifndef HUB_MOVE_H
#define HUB_MOVE_H

#include "base/reason.h"
#include "base/state.h"
#include "hub/client.h"
#include "hub/queue/out.h"

struct out_ref;
struct recover;

/* --- one giving, or taking ------------------------------------------------ */

/* What the two know of each other for as long as they do: which shared
 * messages have crossed already. */
struct hub_move;
struct hub_move *hub_move_new(struct hub *, bool giving, uint16_t peer)
	    MUST_USE;			/* peer: the slot of the other */
void	hub_move_free(struct hub_move **);
/* giver: something of what was saved was not loaded.  What it had with it is
 * not relied on. */
void	hub_move_failed(struct hub_move *);

/* heir: the part, in a word, that could not be loaded; once. */
const char *hub_move_part(struct hub_move *);

/* Some client of this worker waits for another worker's count. */
bool	hub_pending_acks(const struct hub *);
/* Questions of back ends are open, to which clients that were given away, or
 * others, owe answers: who leaves waits for them (a question ends by itself, a
 * minute after it was asked at the latest). */
bool	hub_has_questions(const struct hub *);

/* --- clients -------------------------------------------------------------- */

/* Nothing of it waits for another worker, it is not about to end, and nobody is
 * in the middle of being told who is here. */
bool	client_may_move(const struct client *);
/* It has acks that wait for counts of other workers, which come soon. */
bool	client_waits(const struct client *);
/* With its queue, and the log of what was sent.  At the end of a turn.  false:
 * no memory; what was appended is to be thrown away. */
bool	client_save(struct hub_move *, struct client *, struct buf *)
	    MUST_USE;
/*
 * On out, which is the host's, zeroed, and then holds what was not sent yet.
 * NULL: bad, no memory, or a room of it is being healed here (store/heal.h); out
 * is as it was, but for its memory, which must stay until the turn ends.  *why is not REASON__MAX: it was loaded, but may
 * not stay here: it is closed for this reason, without being fed, after
 * COMMIT.  Sessions and rooms that it may not keep are left already, and what
 * it is told of that is queued.
 */
struct client *client_load(struct hub_move *, struct state_in *,
	    struct outq *out, enum reason *why) MUST_USE;
/* giver, after LOADED: it is not this worker's any more, but of who it was saved
 * for.  Its queue is emptied, and dead. */
void	client_moved(struct client **);
/* heir, after ABORT: the same. */
void	client_unload(struct client **);

/* --- what waits in a queue without a client ------------------------------- */

/* A queue of the host's (HTTP responses): its unsent bytes.  client_save()
 * does that for a client's own. */
bool	hub_move_queue_save(struct hub_move *, const struct outq *,
	    struct buf *) MUST_USE;
/* On a zeroed one.  false: bad, or no memory, it is dead. */
bool	hub_move_queue_load(struct hub_move *, struct state_in *,
	    struct outq *) MUST_USE;
/* One reference that is held elsewhere (outq_share()).  get: it holds its msg;
 * false: bad, or no memory. */
void	hub_move_ref_put(struct hub_move *, const struct out_ref *,
	    struct buf *);
bool	hub_move_ref_get(struct hub_move *, struct state_in *,
	    struct out_ref *) MUST_USE;

/* --- sessions that wait for their client ---------------------------------- */

/* So many: walks all of them.  Are there any? */
size_t	hub_parked(const struct hub *);
bool	hub_has_parked(const struct hub *);
/*
 * Those of one client are given together, as a family, and each of them names
 * it.  The first one that may move now; the next family's after it.  NULL:
 * there is none.
 */
struct recover *parked_first(struct hub *);
struct recover *parked_next(struct recover *);
/* Then they are frozen: nobody comes back to them until it is known whose they
 * are.  false: no memory. */
bool	parked_save(struct hub_move *, struct recover *, struct buf *)
	    MUST_USE;
void	parked_thaw(struct recover *);	/* giver: they stay */
/* Frozen.  NULL: bad, no memory, or a room of them is being healed here; or none
 * of them may wait here (*none). */
struct recover *parked_load(struct hub_move *, struct state_in *, bool *none)
	    MUST_USE;
void	parked_activate(struct recover *);	/* heir, after COMMIT */
void	parked_moved(struct recover **);	/* giver, after LOADED */
void	parked_unload(struct recover **);	/* heir, after ABORT */

#endif
