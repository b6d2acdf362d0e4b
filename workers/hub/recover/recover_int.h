/*
 * The inside of recovery, between its files: recover.c (who is parked, and
 * comes back here), recover_missed.c (what was missed), recover_ask.c and
 * recover_move.c (from one worker to another), recover_store.c and recover_tell.c
 * (from the store, and to it), recover_budget.c (what it may take).
 */
#ifndef HUB_RECOVER_RECOVER_INT_H
#define HUB_RECOVER_RECOVER_INT_H

#include <sys/queue.h>

#include "hub/hub_int.h"
#include "hub/queue/sentlog.h"
#include "hub/recover/recover.h"
#include "hub/recover/recover_budget.h"
#include "hub/publish/waits.h"
#include "hub/queue/sentlog.h"
#include "hub/session/client.h"
#include "hub/store/history.h"
#include "hub/store/since.h"
#include "proto/bus.h"

#define RECOVER_ASK_MS	1000	/* for an answer of the other workers */
#define RECOVER_MOVE_MS	2000	/* for the whole move */
#define RECOVER_OFFSET_MAX 1024	/* ours are shorter; but clients take any last
				 * string of an event for one */
#define RECOVER_ASKS_MAX (1u << 18)	/* that wait for other workers */

struct asking;

struct recover {		/* of a session that can be recovered */
	struct session	*session;
	struct hashtab_link by_pid;
	struct recover	*next;		/* of the dead */
	TAILQ_ENTRY(recover) link;	/* parked or moving, oldest first */
	bool		 parked;
	bool		 frozen;	/* parked: may be another worker's */
	struct recover	*kin;		/* ... and the next one of its family */
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
	/* recover_tell.c */
	struct recover	*told_next;	/* of those that have changed in this
					 * turn */
	struct buf	 changes;	/* what the store is still to be told */
	bool		 changed;
	bool		 stored;	/* the store has it, and must be told */
	char		 pid[RECOVER_PID_LEN + 1];
};

struct was_in;

struct asking {			/* B: one CONNECT that waits */
	struct wait	 wait;		/* for whoever may have it */
	struct client	*client;
	LIST_ENTRY(asking) client_link;
	const struct conf_namespace *ns;
	struct principal *who;
	struct recover	*made;		/* STATE came */
	uint64_t	 nlate;		/* LATE came so often */
	struct buf	 state, late;	/* records; stored: late: frames */
	struct buf	 auth;		/* of CONNECT, for a new session */
	/* of the store: recover_store.c */
	bool		 stored;
	bool		 paging;	/* page is asked */
	struct history_ask page;	/* of the journal */
	struct since	 since;		/* what is in late is up to there */
	struct was_in	*rooms;		/* it was in, by name; */
	size_t		 nrooms, nmissed;
	char		 pid[RECOVER_PID_LEN];
};

struct recover_table {		/* of a worker */
	struct hashtab	 pids;
	TAILQ_HEAD(recover_list, recover) parked, moving;
	struct recover	*dead;		/* their queues were in this turn */
	/* recover_tell.c */
	struct recover	*changed;
	bool		 again;		/* the store may have lost those that it
					 * has: they are told of, from here: */
	size_t		 again_at;
	uint64_t	 proven_us;	/* the marks were taken then */
	struct journal_mark *proven;	/* by namespace; NULL: none was */
	struct waits	 asks;		/* other workers, for a session */
	struct recover_budget budget;
};

/* NULL: on this kind nobody comes back. */
static inline struct comeback *
recover_comeback(struct client *c)
{
	return (c->kind->comeback == NULL ? NULL : c->kind->comeback(c));
}

/* --- recover.c ------------------------------------------------------------ */

/* Who may be taken over: one that another worker has described, and that is
 * not whole before its DONE, is not found. */
struct recover *recover_find(struct hub *, struct slice pid);
struct recover *recover_find_any(struct hub *, struct slice pid);
/* The session can be recovered by this pid.  NULL: no memory. */
struct recover *recover_add(struct session *, struct slice pid);
/* Its client is gone; with this log (NULL: none).  false: no memory, it is
 * gone. */
bool	recover_park_one(struct recover *, struct sentlog *,
	    uint32_t family);
/* A parked session with a pid, made of what another worker sent. */
struct recover *recover_make(struct hub *, struct asking *,
	    const struct conf_namespace *, struct principal *, enum wire,
	    struct slice sid, struct slice pid);
/* The session goes on with this client; the CONNECT reply. */
bool	recover_attach(struct client *, struct recover *, struct principal *);

/* Is it this user's?  NULL: nobody's. */
bool	recover_is_of(const struct session *, const struct slice *user);
/* May its client be told what it missed?  As recover_knows(); parks a live
 * session. */
bool	recover_ready(struct recover *, struct slice offset, uint32_t *skip);
/* It ends here. */
void	recover_discard(struct recover *);

/* --- recover_missed.c ----------------------------------------------------- */

/*
 * May what a client with this offset (raw JSON string, or empty) missed be
 * told?  *skip: events of the log that it has seen.
 */
bool	recover_knows(const struct recover *, struct slice offset,
	    uint32_t *skip) MUST_USE;
/* Packets, one record each: type ('t' text, 'b' binary, 's' sid, 'r' room, 'a'
 * room that the client asked for, 'l' room left, 'w' user watched, 'p' status
 * of its presence), u32 length, bytes. */
void	recover_record(struct buf *, char type, struct slice);
bool	recover_next(struct slice *rest, char *type, struct slice *data);
/* What was missed, as records; the queue is emptied. */
void	recover_drain(struct recover *, uint32_t skip, struct buf *);
/* Records to a client, less texts that are also in `but` (may be NULL). */
void	recover_replay(struct client *, const struct buf *,
	    const struct buf *but);
/* --- recover_ask.c, recover_move.c ---------------------------------------- */

enum recover_result recover_ask(struct client *,
	    const struct conf_namespace *, struct slice pid,
	    struct slice offset, struct principal *, struct slice auth);
struct asking *recover_asking_new(struct client *,
	    const struct conf_namespace *, struct slice pid,
	    struct principal *, struct slice auth) MUST_USE;
/* It waits, by that ref; it does not yet, and goes. */
void	recover_asking_add(struct hub *, struct asking *, uint32_t ref);
void	recover_asking_drop(struct asking *);
struct asking *recover_asking_find(struct hub *, uint32_t ref);
/* Its client has what it asked for; or is given a new session. */
void	recover_asking_free(struct hub *, struct asking *);
void	recover_asking_give_up(struct hub *, struct asking *);
/* One record of what it is in; false: bad, or no memory. */
bool	recover_asking_enter(struct hub *, struct session *, char type,
	    struct slice name);
/* As who it is now? */
bool	recover_asking_may_have(const struct hub *, const struct asking *);
/* LATE: what was queued while it moves.  What cannot be told ends the move, and
 * the session. */
void	recover_forward(struct recover *);
/* It is being freed: an asking that made it fails. */
void	recover_ask_forget(struct hub *, const struct recover *);
void	recover_ask_tick(struct hub *);
void	recover_ask_fini(struct hub *);
void	recover_move_tick(struct hub *);

/* --- recover_store.c ------------------------------------------------------ */

enum recover_result recover_store_ask(struct client *,
	    const struct conf_namespace *, struct slice pid,
	    struct slice offset, struct principal *, struct slice auth);

/* --- recover_tell.c ------------------------------------------------------- */

/* Of a session of a namespace that has a journal: the store hears that it has
 * begun, again if it had and may be forgotten; that its client is gone and may
 * come back; that it is over.  Of others nothing is told. */
void	tell_begun(struct recover *, bool again);
void	tell_away(struct recover *);
void	tell_ended(struct recover *);
/* It was another worker's, in that slot, to which the journal had come so far. */
void	tell_here(struct recover *, unsigned giver, struct slice mark);
/* Where the journal stands here; empty: it is not known. */
struct slice tell_mark(const struct session *);
/* Some of those that the store may have forgotten; and now and then, up to where
 * all that are here are known to have got what is in the journal. */
void	tell_tick(struct hub *);
/* Of one that is not known here. */
void	tell_away_of(struct hub *, struct slice nsp, struct slice pid);
/* The turn ends: rooms. */
void	tell_turn_end(struct hub *);

#endif
