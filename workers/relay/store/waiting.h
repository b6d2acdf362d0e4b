/*
 * Questions about histories that cannot be answered now: their worker has
 * enough to read, or the turn has done enough.  Bounded; each worker has its
 * own line, so that one that does not read holds up nobody else.  Memory only.
 */
#ifndef STORE_WAITING_H
#define STORE_WAITING_H

#include <sys/queue.h>

#include "base/slotset.h"
#include "proto/bus.h"
#include "role.h"

#define WAITING_BYTES	(1u << 20)	/* of the questions of one worker */

struct waiting_question;
STAILQ_HEAD(waiting_line, waiting_question);

struct waiting {
	struct waiting_line lines[ROLE_SLOTS_MAX];	/* by slot */
	uint64_t	 bytes[ROLE_SLOTS_MAX];
	uint64_t	 slots[SLOTSET_WORDS];	/* that have a line */
	unsigned	 last;		/* was served last */
};

void	waiting_init(struct waiting *);
void	waiting_fini(struct waiting *);
/* A question's frame, at the end of its worker's line.  False: the line is too
 * long, or there is no memory. */
bool	waiting_add(struct waiting *, unsigned slot, struct slice frame)
	    MUST_USE;
/* The first of that line, until it is dropped; it is not empty. */
struct slice waiting_first(const struct waiting *, unsigned slot);
void	waiting_drop_first(struct waiting *, unsigned slot);
/* That worker, or its stream, is gone. */
void	waiting_forget(struct waiting *, unsigned slot);
/* Of these the next that has a line, in turn; 0: none has. */
unsigned waiting_next(struct waiting *, const uint64_t ready[SLOTSET_WORDS]);

static inline bool
waiting_has(const struct waiting *w, unsigned slot)
{
	return (slotset_has(w->slots, slot));
}

#endif
