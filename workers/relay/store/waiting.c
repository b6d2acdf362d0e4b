/*
 * Lines of questions; see waiting.h.  Called by keep.c.
 */
#include "relay/store/waiting.h"

#include <stdlib.h>

struct waiting_question {
	STAILQ_ENTRY(waiting_question) next;
	size_t		 n;
	uint8_t		 frame[];
};

void
waiting_init(struct waiting *w)
{
	unsigned slot;

	memset(w, 0, sizeof *w);
	for (slot = 0; slot < ROLE_SLOTS_MAX; slot++)
		STAILQ_INIT(&w->lines[slot]);
}

void
waiting_fini(struct waiting *w)
{
	unsigned slot;

	for (slot = 0; slot < ROLE_SLOTS_MAX; slot++)
		waiting_forget(w, slot);
}

bool
waiting_add(struct waiting *w, unsigned slot, struct slice frame)
{
	struct waiting_question *q;

	if (w->bytes[slot] + sizeof *q + frame.n > WAITING_BYTES)
		return (false);
	q = malloc(sizeof *q + frame.n);
	if (q == NULL)
		return (false);
	q->n = frame.n;
	memcpy(q->frame, frame.p, frame.n);
	STAILQ_INSERT_TAIL(&w->lines[slot], q, next);
	w->bytes[slot] += sizeof *q + q->n;
	slotset_add(w->slots, slot);
	return (true);
}

struct slice
waiting_first(const struct waiting *w, unsigned slot)
{
	const struct waiting_question *q = STAILQ_FIRST(&w->lines[slot]);

	return (slice_of(q->frame, q->n));
}

void
waiting_drop_first(struct waiting *w, unsigned slot)
{
	struct waiting_question *q = STAILQ_FIRST(&w->lines[slot]);

	STAILQ_REMOVE_HEAD(&w->lines[slot], next);
	w->bytes[slot] -= sizeof *q + q->n;
	free(q);
	if (STAILQ_EMPTY(&w->lines[slot]))
		slotset_drop(w->slots, slot);
}

void
waiting_forget(struct waiting *w, unsigned slot)
{
	while (!STAILQ_EMPTY(&w->lines[slot]))
		waiting_drop_first(w, slot);
}

unsigned
waiting_next(struct waiting *w, const uint64_t ready[SLOTSET_WORDS])
{
	uint64_t left[SLOTSET_WORDS] = { w->slots[0] & ready[0],
		w->slots[1] & ready[1] };
	unsigned slot, first = 0;

	while ((slot = slotset_take(left)) != 0) {
		if (first == 0)
			first = slot;
		if (slot > w->last) {
			first = slot;
			break;
		}
	}
	w->last = first;
	return (first);
}
