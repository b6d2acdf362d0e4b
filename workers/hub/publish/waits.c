/*
 * The table of what waits for other workers; see waits.h.  Called by
 * pending.c, ask.c and recover_ask.c.
 */
#include "hub/publish/waits.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_MIN	64u

void
waits_init(struct waits *w, uint32_t max, uint32_t generation)
{
	*w = (struct waits){ .max = max, .last = generation << 16 };
}

void
waits_fini(struct waits *w)
{
	MUST(w->n == 0);
	free(w->by_ref);
	free(w->heap);
	*w = (struct waits){ .size = 0 };
}

/* --- by ref --------------------------------------------------------------- */

static struct wait **
waits_place(const struct waits *w, uint32_t ref)
{
	return (&w->by_ref[ref & (w->size - 1)]);
}

/* Refs whose places differ have places that differ in a larger table. */
static bool
waits_grow(struct waits *w)
{
	uint32_t i, n = w->size == 0 ? SIZE_MIN : w->size * 2;
	struct wait **by_ref = calloc(n, sizeof(struct wait *)), **heap;

	heap = reallocarray(w->heap, n, sizeof(struct wait *));
	if (heap != NULL)
		w->heap = heap;
	if (by_ref == NULL || heap == NULL) {
		free(by_ref);
		return (false);
	}
	free(w->by_ref);
	w->by_ref = by_ref;
	w->size = n;
	for (i = 0; i < w->n; i++)
		*waits_place(w, w->heap[i]->ref) = w->heap[i];
	return (true);
}

uint32_t
waits_ref(struct waits *w)
{
	if (w->n == w->max)
		return (0);
	if (w->n >= w->size / 2 && !waits_grow(w))
		return (0);
	do
		w->last++;
	while (w->last == 0 || *waits_place(w, w->last) != NULL);
	return (w->last);
}

void
waits_pass(struct waits *w, uint32_t ref)
{
	if ((int32_t)(ref - w->last) > 0)
		w->last = ref;
}

struct wait *
waits_find(const struct waits *w, uint32_t ref)
{
	struct wait *x = w->size == 0 ? NULL : *waits_place(w, ref);

	return (x == NULL || x->ref != ref ? NULL : x);
}

void
waits_for(struct wait *x, const uint64_t slots[2], const uint64_t reseated[2])
{
	slotset_copy(x->slots, slots);
	slotset_copy(x->named, slots);
	slotset_copy(x->reseated, reseated);
	slotset_clear(x->lost);
}

void
waits_join(struct wait *x, const uint64_t slots[2],
    const uint64_t reseated[2])
{
	slotset_join(x->slots, slots);
	slotset_join(x->reseated, reseated);
}

/* Once: those who did not get it are waited for no more, those who did are,
 * unless they have answered. */
static void
waits_had(struct wait *x, const uint64_t had[2], const uint64_t reseated[2])
{
	uint64_t gone, heirs;
	size_t i;

	for (i = 0; i < SLOTSET_WORDS; i++) {
		gone = x->named[i] & ~had[i];
		heirs = had[i] & ~x->named[i];
		x->missed |= (heirs & x->lost[i]) != 0;
		heirs &= ~x->lost[i];
		x->slots[i] = (x->slots[i] & ~gone) | heirs;
		x->reseated[i] |= heirs & reseated[i];
	}
	slotset_clear(x->named);
}

struct wait *
waits_heard(const struct waits *w, uint32_t ref, unsigned slot,
    const uint64_t had[2], const uint64_t reseated[2])
{
	struct wait *x = waits_find(w, ref);

	if (x != NULL && !slotset_empty(had) && !slotset_empty(x->named))
		waits_had(x, had, reseated);
	return (x == NULL || !slotset_has(x->slots, slot) ? NULL : x);
}

/* Does it wait for one of these?  Not any more. */
static bool
waits_lose(struct wait *x, const uint64_t slots[2])
{
	bool waits = false;
	uint64_t gone;
	size_t i;

	for (i = 0; i < SLOTSET_WORDS; i++) {
		gone = x->slots[i] & slots[i] & ~x->reseated[i];
		waits |= gone != 0;
		x->slots[i] &= ~gone;
		if (x->notes)
			x->lost[i] |= slots[i] & ~x->reseated[i];
	}
	return (waits);
}

struct wait *
waits_gone(struct waits *w, const uint64_t slots[2])
{
	uint32_t i;
	size_t k;

	for (i = 0; i < w->n; i++)
		if (waits_lose(w->heap[i], slots))
			return (w->heap[i]);
	/* who goes from there now is one that they wait for */
	for (i = 0; i < w->n; i++)
		for (k = 0; k < SLOTSET_WORDS; k++)
			w->heap[i]->reseated[k] &= ~slots[k];
	return (NULL);
}

/* --- by time -------------------------------------------------------------- */

/* Of two that end together the one that began first. */
static bool
waits_before(const struct wait *a, const struct wait *b)
{
	if (a->until_us != b->until_us)
		return (a->until_us < b->until_us);
	return ((int32_t)(a->ref - b->ref) < 0);
}

static void
waits_set(struct waits *w, uint32_t i, struct wait *x)
{
	w->heap[i] = x;
	x->at = i;
}

/* It, or what takes its place, goes where it belongs. */
static void
waits_sift(struct waits *w, uint32_t i, struct wait *x)
{
	uint32_t child;

	for (; i > 0 && waits_before(x, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		waits_set(w, i, w->heap[(i - 1) / 2]);
	while ((child = 2 * i + 1) < w->n) {
		if (child + 1 < w->n &&
		    waits_before(w->heap[child + 1], w->heap[child]))
			child++;
		if (!waits_before(w->heap[child], x))
			break;
		waits_set(w, i, w->heap[child]);
		i = child;
	}
	waits_set(w, i, x);
}

void
waits_add(struct waits *w, struct wait *x, uint32_t ref, uint64_t until_us)
{
	MUST(ref != 0 && w->n < w->size && *waits_place(w, ref) == NULL);
	x->ref = ref;
	x->until_us = until_us;
	*waits_place(w, ref) = x;
	waits_sift(w, w->n++, x);
}

void
waits_until(struct waits *w, struct wait *x, uint64_t until_us)
{
	MUST(w->heap[x->at] == x);
	x->until_us = until_us;
	waits_sift(w, x->at, x);
}

void
waits_remove(struct waits *w, struct wait *x)
{
	struct wait *last = w->heap[--w->n];

	MUST(w->heap[x->at] == x && *waits_place(w, x->ref) == x);
	*waits_place(w, x->ref) = NULL;
	if (last != x)
		waits_sift(w, x->at, last);
	x->ref = 0;
}
