/*
 * Entries that wait for a hook; see queue.h.  Called by courier.c.
 */
#include "relay/hooks/queue.h"

#include <stdlib.h>

#include "base/bug.h"

void
hook_queue_init(struct hook_queue *q)
{
	*q = (struct hook_queue){ .number = 0 };
	STAILQ_INIT(&q->list);
}

struct entry *
hook_queue_take(struct hook_queue *q)
{
	struct entry *e = STAILQ_FIRST(&q->list);

	if (e == NULL)
		return (NULL);
	STAILQ_REMOVE_HEAD(&q->list, next);
	MUST(q->n > 0 && q->bytes >= e->n);
	q->n--;
	q->bytes -= e->n;
	return (e);
}

void
hook_queue_fini(struct hook_queue *q)
{
	struct entry *e;

	while ((e = hook_queue_take(q)) != NULL)
		free(e);
}

bool
hook_queue_has_room(const struct hook_queue *q, const struct hook_bounds *most,
    size_t bytes)
{
	return (q->n < most->entries && q->bytes + bytes <= most->bytes);
}

void
hook_queue_restore(struct hook_queue *q, struct entry *e)
{
	STAILQ_INSERT_TAIL(&q->list, e, next);
	q->n++;
	q->bytes += e->n;
}

void
hook_queue_add(struct hook_queue *q, struct entry *e, uint64_t now_ms)
{
	e->epoch = q->epoch;
	e->number = ++q->number;
	e->since_ms = now_ms;
	hook_queue_restore(q, e);
}

void
hook_queue_skip(struct hook_queue *q)
{
	q->number++;
}

unsigned
hook_queue_share(const struct hook_queue *q, const struct hook_bounds *most)
{
	const struct entry *e, *first = STAILQ_FIRST(&q->list);
	size_t bytes = 0;
	unsigned n = 0;

	STAILQ_FOREACH(e, &q->list, next) {
		if (n == most->entries || e->epoch != first->epoch ||
		    (n > 0 && bytes + e->n > most->bytes))
			break;
		bytes += e->n;
		n++;
	}
	return (n);
}
