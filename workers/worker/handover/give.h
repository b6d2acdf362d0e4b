/*
 * The giver: gives connections, a batch at a time, to another worker, the
 * heir.  It forgets one only when the heir has said that it has it; until then
 * it has it itself, and whatever goes wrong, goes on with it.  What can be given
 * is in a table (estate.h), so that tests have fakes.  Called by handover.c.
 */
#ifndef WORKER_HANDOVER_GIVE_H
#define WORKER_HANDOVER_GIVE_H

#include <stddef.h>

#include "worker/handover/stand.h"
#include "worker/handover/wire.h"

#define GIVE_PAUSE_MS	100u	/* before what could not be given is tried
				 * again */
#define GIVE_ASK_MS	1000u	/* for the heir's GO */
#define GIVE_MISSES	3u	/* so often nobody could go: those who are left
				 * may never */

struct give_item {
	uint8_t		 kind;		/* of estate.h */
	uint8_t		 nfds;
	void		*what;
};

enum give_any {
	GIVE_NONE,
	GIVE_SOME,
	GIVE_SOON,	/* none, but some may when they have settled */
	GIVE_LOOKING	/* not all were looked at */
};

struct give_calls {
	void	*arg;
	/* Can any be given now? */
	enum give_any (*any)(void *arg);
	/* A batch is put together. */
	void	(*begin)(void *arg);
	/* The next that can go, with nfds descriptors at most, not one that
	 * is in this batch; false: there is none. */
	bool	(*next)(void *arg, unsigned nfds, struct give_item *);
	/* Appended, with its descriptors (item->nfds).  false: no memory,
	 * nothing was appended.  Then it is frozen: nothing is written to it
	 * or read from it. */
	bool	(*save)(void *arg, const struct give_item *, struct buf *,
		    int *fds);
	void	(*thaw)(void *arg, const struct give_item *);
	void	(*moved)(void *arg, const struct give_item *);
	/* Not all that was saved has been loaded; of that: one. */
	void	(*failed)(void *arg);
	void	(*refused)(void *arg, const struct give_item *);
	/* Those that stay wait for counts of other workers: the end of that,
	 * soon. */
	void	(*settle)(void *arg);
	size_t	(*left)(void *arg);
};

enum give_state {
	GIVE_GREETING,	/* HELLO is awaited */
	GIVE_IDLE,
	GIVE_ASKED,	/* PREPARE is out */
	GIVE_GOING,	/* GO is here: a batch at the end of the turn */
	GIVE_DOUBT,	/* COMMIT is out, but TAKEN is not here in time */
	GIVE_OVER	/* the heir has gone, or there is none */
};

struct give {
	unsigned	 magic;
#define GIVE_MAGIC	0x61fe61fe
	const struct give_calls *up;
	struct stand	*stand;
	int		 sock;		/* owned */
	unsigned	 slot, heir;	/* ours, the heir's */
	enum give_state	 state;
	uint64_t	 batch;		/* number of the last one */
	uint64_t	 share;		/* of CONTROL_SHARE_ALL */
	size_t		 want;		/* so many are still to be given */
	unsigned	 moved, failed;
	unsigned	 misses;	/* ... one after the other */
	unsigned	 refusals;	/* batches of which nothing was taken,
					 * likewise */
	unsigned	 most;		/* items of a batch */
	struct mono	 next_at;	/* IDLE: not before; ASKED: patience */
	bool		 done;		/* all that can be given now is */
	bool		 soon;		/* asked for those that are to settle */
	bool		 lost;		/* OVER: the heir was there, and is gone */
	bool		 owes_abort;	/* the socket was full */
	uint64_t	 go_us;		/* GOING: the heir stands still since then;
					 * 0: it did not say */
	uint64_t	 committed;	/* DOUBT: those that may be the heir's */
	/* the batch */
	struct give_item items[WIRE_ITEMS_MAX];
	unsigned	 nitems;
	int		 fds[1 + WIRE_FDS_MAX];	/* [0] the state; not owned */
	unsigned	 nfds;
	struct buf	 bytes;
};

/* sock is ours, also when there is no memory (NULL).  generation makes the
 * batches' numbers unlike those of other workers. */
struct give *give_new(const struct give_calls *, struct stand *, int sock,
	    unsigned slot, uint32_t generation, unsigned heir, uint64_t share)
	    MUST_USE;
/* Those whose fate is open are the heir's, if it may have them. */
void	give_free(struct give **);
/* sock has something. */
void	give_read(struct give *);
/* The end of a turn: what is due.  true: a batch was made or given up. */
bool	give_turn_end(struct give *);
/* It waits for nothing but the end of its rest: no need to sleep. */
bool	give_is_eager(const struct give *);

#endif
