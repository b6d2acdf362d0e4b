/*
 * What both sides of the queues share: how they are laid out in memory, and
 * where one ends.  Private to out.c and out_take.c.
 */
#ifndef HUB_QUEUE_OUT_INT_H
#define HUB_QUEUE_OUT_INT_H

#include "hub/queue/out.h"

#define SCRATCH_CAP	(64u << 10)	/* direct messages of one turn */

struct batch {
	struct batch	*next;		/* used this turn, or free */
	struct msg	*m;
	struct outq	**waiting;	/* attached by the next message */
	uint32_t	 nwaiting, cap;
};

struct out_ring {
	struct out_ring	*next;		/* while it is free */
	uint32_t	 cap;		/* power of two */
	uint32_t	 head;
	struct out_ref	 v[];
};

/* i-th reference of the queue, 0 = head. */
static inline struct out_ref *
ref_at(const struct outq *q, uint32_t i)
{
	struct out_ring *r = q->more;

	if (i == 0)
		return ((struct out_ref *)(uintptr_t)&q->one);
	return (&r->v[(r->head + i - 1) & (r->cap - 1)]);
}

static inline void
drop_tail(struct outq *q)
{
	msg_unref(&ref_at(q, q->n - 1)->m);
	q->n--;
}

/* The tail stops growing with its batch. */
static inline void
close_tail(struct outq *q)
{
	struct out_ref *r = ref_at(q, q->n - 1);

	q->open = NULL;
	r->end = r->m->len;
	if (r->end == r->off)
		drop_tail(q);
	else
		q->bytes += r->end - r->off;
}

/* out_conflate.c: nothing waits beside it any more; both ends of the table. */
void	outq_late_forget(struct out *, struct outq *);
void	out_late_init(struct out *);
void	out_late_fini(struct out *);

/* Gives back q->more, which holds nothing any more. */
void	out_ring_free(struct out *, struct outq *);

#endif
