/*
 * Connection state recovery (Socket.IO): a client that was cut off comes back
 * within the window, says who it was (pid) and what it saw last (offset), and
 * goes on as the same session: same sid, same rooms, what it missed first.
 *
 *	live ──cut──► parked: in its rooms, events wait in a queue of its own
 *	  ▲              │ comes back here              │ to another worker B
 *	  └── resumed ◄──┘                              ▼
 *	                     B asks all; the holder A sends STATE, goes on
 *	                     forwarding (LATE); B joins the rooms (JOINED), asks
 *	                     the others to pass a word to A (BARRIER, PASSED):
 *	                     all that was routed to A alone is then through;
 *	                     A says DONE, B resumes.
 *
 * Where there is a journal (recovery = store) nothing is parked: the store has the
 * session, and all that it may get, in an order; a worker to which its client
 * comes takes it from there (recover_store.c).
 *
 * Nothing is lost, doubled or reordered per sender, or the client is given a
 * new session and so told that it was not recovered.
 */
#ifndef HUB_RECOVER_RECOVER_H
#define HUB_RECOVER_RECOVER_H

#include <sys/queue.h>

#include "hub/session/session.h"

#define RECOVER_PID_LEN	20

struct bus_envelope;
struct recover_table;
struct sentlog;

struct comeback {		/* what it keeps in a client */
	struct sentlog	*log;		/* what was sent; NULL: it cannot come
					 * back */
	LIST_HEAD(, asking) asks;	/* CONNECTs that wait for an answer */
};

/* NULL: no memory */
struct recover_table *recover_table_new(const struct hub *) MUST_USE;
void	recover_table_free(struct hub *);

/* --- sessions ------------------------------------------------------------- */

/* A new session gets a pid; false: no memory (it is then not recoverable). */
bool	recover_give(struct session *) MUST_USE;
/* What its client asks for it by; empty: it cannot be recovered. */
struct slice recover_pid(const struct session *);
/* The session is being freed. */
void	recover_session_freed(struct session *);
/* One more connection of this user. */
void	recover_user_came(struct hub *, const struct principal *);
/* Another worker is taking it over, and will count it. */
bool	recover_is_moving(const struct session *);
/* ... and is told that its rooms were changed.  What cannot be told ends the
 * move, and the session. */
void	recover_forward_rooms(struct session *, const struct slice *join,
	    size_t njoin, const struct slice *leave, size_t nleave);
/*
 * The client has another queue, whose end is at `to`.  From s on, in order of
 * joining: whose first packet would have been at pos begins there.  Returns the
 * first one that begins later.
 */
struct session *recover_begin_at(struct session *, uint64_t pos, uint64_t to);

/*
 * To another worker, with its client.  load: what was saved of this session
 * (NULL: it is not here, and what was saved is read over), which is kept if its
 * client can come back.  false: bad, or no memory.
 */
struct state_in;
void	recover_save(const struct session *, struct buf *);
bool	recover_load(struct session *, bool keep, struct state_in *) MUST_USE;

/* recover_family.c: the parked sessions of one client, to another worker; each
 * of them names all.  How many parked ones there are. */
struct book;
size_t	recover_parked(const struct hub *);	/* walks all of them */
bool	recover_has_parked(const struct hub *);	/* is there any? */
struct recover *recover_family_first(struct hub *);
struct recover *recover_family_next(struct recover *);
bool	recover_family_save(struct recover *, struct book *, struct buf *)
	    MUST_USE;
/* NULL: bad, or no memory; or none of them may wait here. */
struct recover *recover_family_load(struct hub *, struct book *,
	    struct state_in *, bool *none) MUST_USE;
/* Frozen, as they are when they are loaded: they may be another's. */
void	recover_family_freeze(struct recover *);
void	recover_family_thaw(struct recover *);
/* They are gone from here; they were frozen. */
void	recover_family_give(struct recover **);

/* --- clients -------------------------------------------------------------- */

/* The client is gone for a reason that allows coming back: its sessions are
 * parked (those without a pid stay). */
void	recover_park(struct client *, enum reason);
/*
 * CONNECT with this auth object.  RECOVERED: done, the reply is out;
 * ASKING: the reply comes later; NOT: make a new session.
 */
enum recover_result { RECOVER_NOT, RECOVER_DONE, RECOVER_ASKING };
enum recover_result recover_connect(struct client *,
	    const struct conf_namespace *, struct slice auth,
	    struct principal *who);
/* Is a reply for this namespace still to come?  For how many? */
bool	recover_asking(const struct comeback *, const struct conf_namespace *);
unsigned recover_asked(const struct comeback *);
/* The client has a new token: what it asks for, it asks as who, if it did as
 * this user. */
void	recover_identity(struct client *, const struct principal *old,
	    struct principal *who);
/* The client goes. */
void	recover_cancel(struct client *);

/* --- the roof ------------------------------------------------------------- */

/* From the bus, each a kind; from is a worker. */
void	recover_bus_ask(struct hub *, const struct bus_envelope *);
void	recover_bus_none(struct hub *, const struct bus_envelope *);
void	recover_bus_state(struct hub *, const struct bus_envelope *);
void	recover_bus_joined(struct hub *, const struct bus_envelope *);
void	recover_bus_barrier(struct hub *, const struct bus_envelope *);
void	recover_bus_passed(struct hub *, const struct bus_envelope *);
void	recover_bus_late(struct hub *, const struct bus_envelope *);
void	recover_bus_done(struct hub *, const struct bus_envelope *);
void	recover_bus_taken(struct hub *, const struct bus_envelope *);
void	recover_bus_over(struct hub *, const struct bus_envelope *);
/* The store was away, and may be another one. */
void	recover_lose(struct hub *);
/* What is about to be told of sessions is told; those of this client are another
 * worker's from now on. */
void	recover_say(struct hub *);
void	recover_given(const struct client *);
/* A session has entered a room, is about to leave it. */
void	recover_room_entered(struct session *, struct membership *);
void	recover_room_left(struct session *, struct membership *);
/* It watches a user's presence, or no more. */
void	recover_watches(struct session *, struct slice user, bool);
/* The clock; a parked queue that has something new. */
void	recover_tick(struct hub *);
void	recover_queued(struct hub *, struct outq *);
/* A turn ends: what parked sessions hold is charged, what is too much goes, and
 * what is dead is freed. */
void	recover_turn_end(struct hub *);

#endif
