/*
 * How much one client may have done for it in one turn of the loop.  Input is
 * handled until its sender has had a share; the rest stands where it was read,
 * or is kept, and goes on in the next turn, when the others have been served.
 * So a turn is short whatever a client sends at once, and what is queued for
 * it in a turn is bounded as well.
 *
 * A unit is about a microsecond: a packet, a frame or a request is one, a
 * signature many, answers as many as their bytes.  Memory only; the hub counts,
 * its host begins and asks (hub.h has the one of a worker).
 */
#ifndef HUB_WORK_H
#define HUB_WORK_H

#include <stdbool.h>
#include <stdint.h>

#define WORK_SHARE	512u	/* units of one client in a turn */
#define WORK_TURN	8192u	/* of all; behind that each has ... */
#define WORK_LEAST	16u	/* ... only these */
#define WORK_SIGNATURE	128u	/* units for a token that is looked at */
#define WORK_BYTES	(64u << 10)	/* answers that make a share */
#define WORK_COMER	16u	/* units for a client, or session, that is new */
#define WORK_COMING	4096u	/* of all: a turn takes in no more */

struct work {
	uint32_t	 spent;		/* in this turn */
	uint32_t	 end;		/* of the share of the client in hand */
	uint32_t	 unit_bytes;	/* of answers, >= 1 */
	uint32_t	 coming;	/* units that new ones cost in this turn;
					 * of a share they are no part */
};

/* bytes: of answers that make a share, if that is less than WORK_BYTES. */
void	work_init(struct work *, uint64_t bytes);
void	work_turn(struct work *);
/* The input of another client. */
void	work_begin(struct work *);

static inline void
work_add(struct work *w, uint32_t units)
{
	w->spent += units;
}

/* Somebody is new; no part of a share. */
static inline void
work_come(struct work *w, uint32_t units)
{
	w->coming += units;
}

/* So many are new that the turn shall end, and the rest come in the next. */
static inline bool
work_crowded(const struct work *w)
{
	return (w->coming >= WORK_COMING);
}

/* So many bytes were queued for it. */
static inline void
work_answered(struct work *w, uint64_t bytes)
{
	work_add(w, (uint32_t)(bytes / w->unit_bytes));
}

/* It has had its share: the rest in the next turn. */
static inline bool
work_done(const struct work *w)
{
	return (w->spent >= w->end);
}

#endif
