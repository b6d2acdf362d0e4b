/*
 * Who goes on in the next turn of the loop, each once.  In the order in which
 * they came; but those whose turn came when the work of all was used up had
 * the least only (hub/work.h), and are the first of the next turn.  So under
 * load each is first as often as the others.  Memory only.
 */
#ifndef WORKER_NET_LATER_H
#define WORKER_NET_LATER_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>

#include "base/bug.h"

struct work;

struct later {			/* embed in who waits */
	STAILQ_ENTRY(later) link;
};

struct later_queue {
	STAILQ_HEAD(later_list, later) list;
};

struct later_queue *later_new(void) MUST_USE;	/* NULL: no memory */
void	later_free(struct later_queue **);
/* It must not be in the queue. */
void	later_add(struct later_queue *, struct later *);
void	later_walk_all(struct later_queue *, const struct work *,
	    void (*go)(struct later *));

static inline bool
later_empty(const struct later_queue *q)
{
	return (STAILQ_EMPTY(&q->list));
}

/* Each goes on, and is out of the queue when it does; who is added meanwhile
 * is left to the next walk.  work: of this turn, or NULL: no matter. */
static inline void
later_walk(struct later_queue *q, const struct work *work,
    void (*go)(struct later *))
{
	if (!later_empty(q))	/* most turns find nobody */
		later_walk_all(q, work, go);
}

#endif
