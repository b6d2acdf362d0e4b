/*
 * What parked sessions hold: for each its own bytes, and what is kept for it.
 *
 *	of the worker	bytes that are really held: a message that many wait
 *			for counts once, with all that it takes
 *	of one user	each of his sessions with all that waits for it
 *
 * Above a budget the oldest go, as they do when their window ends.  A user's
 * parked clients also count for limits.per_user, on all workers together, and
 * give way: one that is connected is never refused because of them.
 *
 * What is charged is looked at as a turn ends, when nothing that is kept
 * changes any more; there, too, sessions go.
 */
#ifndef HUB_RECOVER_RECOVER_BUDGET_H
#define HUB_RECOVER_RECOVER_BUDGET_H

#include <sys/queue.h>

#include "base/bug.h"
#include "base/hashtab.h"
#include "base/slice.h"

struct hub;
struct recover;
struct parked_user;

struct recover_charge {		/* of a parked session */
	struct recover	*r;		/* NULL: it is parked no more */
	struct recover_charge *changed_next;
	bool		 changed;	/* in the list of this turn */
	bool		 log;		/* its log is charged */
	uint32_t	 nkept;		/* references of its queue that are */
	uint32_t	 nships;	/* so many memberships, plus one, */
	uint64_t	 ships;		/* ... take this */
	uint64_t	 own;		/* ... and its own bytes */
	uint64_t	 all;		/* charged to its user */
	struct parked_user *user;	/* NULL: anonymous */
	TAILQ_ENTRY(recover_charge) link;	/* of the user, oldest first */
	uint32_t	 family;	/* sessions of one client; 0: none */
	uint32_t	 counted;	/* holds its place in per_user; 0: not */
};

struct recover_budget {
	uint64_t	 bytes;		/* held on this worker */
	struct recover_charge *changed;
	struct parked_user *look;	/* perhaps above a limit */
	struct hashtab	 users;		/* parked ones, by name */
};

void	budget_init(struct recover_budget *, const struct hub *);
/* It is being parked; family: the client's serial, or 0.  false: no memory. */
bool	budget_park(struct recover *, uint32_t family) MUST_USE;
/* What is kept for it has changed. */
void	budget_changed(struct recover *);
/* What it keeps is about to be taken, or dropped. */
void	budget_taken(struct recover *);
/* It is parked no more; moved_on: its client is somewhere else, or here. */
void	budget_unpark(struct recover *, bool moved_on);
/* The turn ends: charge, and discard what is too much. */
void	budget_turn_end(struct hub *);
void	budget_fini(struct hub *);

#endif
