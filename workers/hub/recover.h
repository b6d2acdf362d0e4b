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
 * Nothing is lost, doubled or reordered per sender, or the client is given a
 * new session and so told that it was not recovered.
 */
#ifndef HUB_RECOVER_H
#define HUB_RECOVER_H

#include <sys/queue.h>

#include "hub/engine_int.h"
#include "hub/recover_budget.h"
#include "hub/queue/sentlog.h"
#include "hub/session/session.h"
#include "proto/bus.h"

#define RECOVER_PID_LEN	20
#define RECOVER_ASK_MS	1000	/* for an answer of the other workers */
#define RECOVER_MOVE_MS	2000	/* for the whole move */
#define RECOVER_OFFSET_MAX 1024	/* ours are shorter; but clients take any last
				 * string of an event for one */
#define RECOVER_REFS	1024	/* buckets of those who wait */

struct asking;

struct recover {		/* of a session that can be recovered */
	struct session	*session;
	struct recover	*next;		/* in its bucket */
	TAILQ_ENTRY(recover) link;	/* parked or moving, oldest first */
	bool		 parked;
	struct asking	*made;		/* whose alone it is; NULL: anybody's */
	uint64_t	 until_us;	/* parked: then it is over */
	struct recover_charge *charge;	/* parked: recover_budget.h */
	uint64_t	 start;		/* position of its first packet in log */
	struct sentlog	*log;		/* parked: what may not have arrived */
	enum wire	 wire;		/* of log and out */
	struct outq	 out;		/* parked: what came since */
	/* moving to another worker */
	uint16_t	 to;		/* its slot; 0: not moving */
	uint32_t	 ref;		/* its name for the move */
	bool		 joined;	/* want is known */
	uint64_t	 want[2], passed[2];
	uint64_t	 nlate;		/* envelopes forwarded */
	char		 pid[RECOVER_PID_LEN + 1];
};

struct recover_table {
	struct recover	**buckets;
	size_t		 nbuckets, count;
	TAILQ_HEAD(recover_list, recover) parked, moving;
	struct recover	*dead;		/* their queues were in this turn */
	TAILQ_HEAD(, asking) asking;
	LIST_HEAD(, asking) by_ref[RECOVER_REFS];
	struct recover_budget budget;
	uint32_t	 ref;		/* begins with our generation: an answer
					 * to a predecessor in this slot is
					 * not taken for one to us */
};
void	recover_init(struct hub *);
void	recover_fini(struct hub *);

/* A new session gets a pid; false: no memory (it is then not recoverable). */
bool	recover_give(struct session *) MUST_USE;
/* The session is being freed. */
void	recover_session_freed(struct session *);
/* The client is gone for a reason that allows coming back: its sessions are
 * parked (those without a pid stay). */
void	recover_park(struct engine *);

/*
 * CONNECT with this auth object.  RECOVERED: done, the reply is out;
 * ASKING: the reply comes later; NOT: make a new session.
 */
enum recover_result { RECOVER_NOT, RECOVER_DONE, RECOVER_ASKING };
enum recover_result recover_connect(struct engine *,
	    const struct conf_namespace *, struct slice auth,
	    struct principal *who);
/* Is a reply for this namespace still to come? */
bool	recover_asking(const struct engine *, const struct conf_namespace *);
/* The client has a new token: what it asks for, it asks as who, if it did as
 * this user. */
void	recover_identity(struct client *, const struct principal *old,
	    struct principal *who);
/* The engine goes. */
void	recover_cancel(struct engine *);

/* From the bus, each a kind; from is a worker. */
void	recover_bus_ask(struct hub *, const struct bus_envelope *);
void	recover_bus_none(struct hub *, const struct bus_envelope *);
void	recover_bus_state(struct hub *, const struct bus_envelope *);
void	recover_bus_joined(struct hub *, const struct bus_envelope *);
void	recover_bus_barrier(struct hub *, const struct bus_envelope *);
void	recover_bus_passed(struct hub *, const struct bus_envelope *);
void	recover_bus_late(struct hub *, const struct bus_envelope *);
void	recover_bus_done(struct hub *, const struct bus_envelope *);
/* The clock; a parked queue that has something new. */
void	recover_tick(struct hub *);
void	recover_queued(struct hub *, struct outq *);
/* After a turn: free what is dead. */
void	recover_bury(struct hub *);

/* --- between recover.c, recover_ask.c and recover_move.c ----------------- */

/* Who may be taken over: one that another worker has described, and that is
 * not whole before its DONE, is not found. */
struct recover *recover_find(struct hub *, struct slice pid);
/* A parked session with a pid, made of what another worker sent. */
struct recover *recover_make(struct hub *, struct asking *,
	    const struct conf_namespace *, struct principal *, enum wire,
	    struct slice sid, struct slice pid);
bool	recover_is_user(const struct session *, const struct principal *);
/*
 * May what a client with this offset (raw JSON string, or empty) missed be
 * told?  *skip: events of the log that it has seen.  Parks a live session.
 */
bool	recover_ready(struct recover *, struct slice offset, uint32_t *skip);
/* Packets, one record each: type ('t' text, 'b' binary, 's' sid, 'r' room, 'a'
 * room that the client asked for, 'l' room left, 'w' user watched), u32
 * length, bytes. */
void	recover_record(struct buf *, char type, struct slice);
bool	recover_next(struct slice *rest, char *type, struct slice *data);
/* What was missed, as records; the queue is emptied. */
void	recover_drain(struct recover *, uint32_t skip, struct buf *);
/* Records to a client, less texts that are also in `but` (may be NULL). */
void	recover_replay(struct engine *, const struct buf *,
	    const struct buf *but);
/* The session goes on with this client; the CONNECT reply. */
bool	recover_attach(struct engine *, struct recover *, struct principal *);

enum recover_result recover_ask(struct engine *,
	    const struct conf_namespace *, struct slice pid,
	    struct slice offset, struct principal *, struct slice auth);
/* LATE: what was queued, and that its rooms were changed, while it moves. What
 * cannot be told ends the move, and the session. */
void	recover_forward(struct recover *);
struct members_rooms;
void	recover_forward_rooms(struct recover *, const struct members_rooms *);
/* It is being freed: an asking that made it fails. */
void	recover_ask_forget(struct hub *, const struct recover *);
void	recover_ask_tick(struct hub *);
void	recover_ask_fini(struct hub *);
void	recover_move_tick(struct hub *);

#endif
