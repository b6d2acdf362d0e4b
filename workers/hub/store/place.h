/*
 * Where a room of this worker stands in its history: all up to there has been
 * given to its members, and nothing behind it.
 */
#ifndef HUB_STORE_PLACE_H
#define HUB_STORE_PLACE_H

#include "hub/model.h"

#define EPOCH_MAX	32	/* bytes of an epoch's name */

struct place {
	uint32_t	 era;		/* of the stream to the relay; another
					 * one: what came since then may not
					 * have come here */
	bool		 healing;	/* what is missing was asked for */
	bool		 finished;	/* nothing comes behind last */
	uint8_t		 epoch_len;
	char		 epoch[EPOCH_MAX];
	uint64_t	 last;
	/* the epoch before, which may be back: a server that is the master no more
	 * has it; and what the members had of it */
	uint8_t		 left_len;
	char		 left_epoch[EPOCH_MAX];
	uint64_t	 left_last;
};

static inline struct slice
place_epoch(const struct place *p)
{
	return (slice_of(p->epoch, p->epoch_len));
}

/* It is known; be there a hole behind it. */
bool	place_known(const struct hub *, const struct room *);
/* It is, or was when the stream to the relay was another one: what its members
 * have is known. */
bool	place_had(const struct room *);
/* What comes next has come there, or it is found out where it stands.  false: no
 * memory. */
bool	place_set(struct hub *, struct room *, struct slice epoch,
	    uint64_t last);
/* Where it stands nothing comes any more; or something may. */
void	place_finish(struct room *, bool finished);
/* What its members have is not known from now on. */
void	place_lose(struct room *);

enum place_is {
	PLACE_NEXT,		/* the next one, or where it stands is unknown */
	PLACE_BEFORE,		/* it was given before */
	PLACE_BEHIND		/* some are missing before it */
};
enum place_is place_look(const struct room *, struct slice epoch,
	    uint64_t kept);

/* What its members had of the epoch in which it was before; 0: it was in another. */
uint64_t place_left(const struct room *, struct slice epoch);

#endif
