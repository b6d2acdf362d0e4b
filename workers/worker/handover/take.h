/*
 * The heir: takes connections, a batch at a time, from another worker, the
 * giver.  What it has loaded does nothing until the giver says COMMIT, or dies:
 * then it goes on here.  What can be taken is in a table (estate.h), so that
 * tests have fakes.  Called by handover.c.
 */
#ifndef WORKER_HANDOVER_TAKE_H
#define WORKER_HANDOVER_TAKE_H

#include "base/state.h"
#include "worker/handover/stand.h"
#include "worker/handover/wire.h"

struct take_item {
	uint8_t		 kind;		/* of estate.h */
	uint8_t		 nfds;
	void		*what;		/* NULL: it was not loaded */
};

struct take_calls {
	void	*arg;
	/* One of that kind with its n descriptors, which are taken, or closed;
	 * NULL: not.  It does nothing yet. */
	void	*(*load)(void *arg, unsigned kind, struct state_in *,
		    const int *fds, unsigned n);
	/* It is ours, and goes on.  inherited: the giver has died before it
	 * could say so. */
	void	(*activate)(void *arg, const struct take_item *,
		    bool inherited);
	void	(*unload)(void *arg, const struct take_item *);
	/* This worker may take some now. */
	bool	(*ready)(void *arg);
};

enum take_state {
	TAKE_IDLE,
	TAKE_ASKED,	/* PREPARE is here: a batch at the end of a turn */
	TAKE_DOUBT,	/* LOADED is out, but there is no word in time */
	TAKE_OVER	/* the giver has gone */
};

struct take {
	unsigned	 magic;
#define TAKE_MAGIC	0x7a6e7a6e
	const struct take_calls *up;
	struct stand	*stand;
	int		 sock;		/* owned */
	unsigned	 slot, giver;	/* ours, the giver's */
	enum take_state	 state;
	uint64_t	 batch;
	unsigned	 taken;
	bool		 owes_taken;	/* DOUBT: they are ours, but the socket
					 * was full */
	/* the batch */
	struct take_item items[WIRE_ITEMS_MAX];
	unsigned	 nitems;
	uint64_t	 bits;		/* of those that are loaded */
};

/* sock is ours, also when there is no memory (NULL). */
struct take *take_new(const struct take_calls *, struct stand *, int sock,
	    unsigned slot, unsigned giver) MUST_USE;
/* Those whose fate is open stay with the giver, which finds us gone. */
void	take_free(struct take **);
void	take_read(struct take *);	/* sock has something */
/* The end of a turn: what is due.  true: a batch was made or given up. */
bool	take_turn_end(struct take *);

#endif
