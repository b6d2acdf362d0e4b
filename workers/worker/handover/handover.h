/*
 * Live connections go to another worker, or come from one, while their clients
 * notice nothing: the master says which workers, and this is the worker's part
 * in it.  Called by worker.c at the end of each turn, by control.c with what the
 * master says, and by leave.c, which ends what cannot be given away.
 */
#ifndef WORKER_HANDOVER_HANDOVER_H
#define WORKER_HANDOVER_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bug.h"

struct handover;
struct worker;

/* What those above do for it. */
struct handover_calls {
	/* Everything is written that can be, nothing is half done. */
	void	(*turn_end)(struct worker *);
	/* CONTROL_GIVEN. */
	void	(*given)(struct worker *, unsigned heir, size_t moved,
		    size_t failed, size_t left);
	/* HEIR_LEAVE: what is left goes within so many ms. */
	void	(*leave)(struct worker *, uint64_t ms);
};

/* CONTROL_HEIR */
struct handover_heir {
	unsigned	 slot;
	uint32_t	 share, flags;
	uint64_t	 ms;
};

struct handover *handover_new(struct worker *, const struct handover_calls *)
	    MUST_USE;				/* NULL: no memory */
void	handover_free(struct handover **);

/* Give connections to this worker; sock is ours.  It is told when that is done,
 * or when it cannot be. */
void	handover_give(struct handover *, const struct handover_heir *,
	    int sock);	/* -1: it was lost on its way */
/* Take those that this worker gives. */
void	handover_take(struct handover *, unsigned giver, int sock);

/* Before a frame of the relay is looked at: it may be of clients whose heir has
 * said that it has taken them, which is not read yet. */
void	handover_hear(struct handover *);
/* At the end of a turn, when all is written.  true: there is more to write. */
bool	handover_turn_end(struct handover *);
/* A batch is due at once: do not sleep. */
bool	handover_busy(const struct handover *);
/* Who may be given away still is not to be told to go yet, but with the
 * last. */
bool	handover_gives(const struct handover *);
/* Something that has no connection is still to be given away, or whose a batch
 * is is not known: do not go yet. */
bool	handover_waits(const struct handover *);
/* This worker stops: nothing is given or taken any more. */
void	handover_stop(struct handover *);

#endif
