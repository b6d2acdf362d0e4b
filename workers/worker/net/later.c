/*
 * The next turn's work in a fair order; see later.h.
 */
#include "worker/net/later.h"

#include <stdlib.h>

#include "hub/work.h"

struct later_queue *
later_new(void)
{
	struct later_queue *q;

	q = malloc(sizeof *q);
	if (q != NULL)
		STAILQ_INIT(&q->list);
	return (q);
}

void
later_free(struct later_queue **qp)
{
	free(*qp);
	*qp = NULL;
}

void
later_add(struct later_queue *q, struct later *l)
{
	STAILQ_INSERT_TAIL(&q->list, l, link);
}

/* There is no whole share left. */
static bool
later_used_up(const struct work *work)
{
	return (work != NULL && work->spent > WORK_TURN - WORK_SHARE);
}

void
later_walk_all(struct later_queue *q, const struct work *work,
    void (*go)(struct later *))
{
	struct later_list now = STAILQ_HEAD_INITIALIZER(now);
	struct later_list served = STAILQ_HEAD_INITIALIZER(served);
	struct later *l;
	bool whole;

	STAILQ_CONCAT(&now, &q->list);
	while ((l = STAILQ_FIRST(&now)) != NULL) {
		STAILQ_REMOVE_HEAD(&now, link);
		whole = !later_used_up(work);
		go(l);
		if (whole)
			STAILQ_CONCAT(&served, &q->list);
	}
	STAILQ_CONCAT(&q->list, &served);
}
