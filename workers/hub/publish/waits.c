/*
 * The table of what waits for other workers; see waits.h.  Called by
 * pending.c, ask.c and recover_ask.c.
 */
#include "hub/publish/waits.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_MIN	64u

void
waits_init(struct waits *w, uint32_t max, uint32_t ref)
{
	*w = (struct waits){ .max = max, .last = ref };
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

struct wait *
waits_find(const struct waits *w, uint32_t ref)
{
	struct wait *x = w->size == 0 ? NULL : *waits_place(w, ref);

	return (x == NULL || x->ref != ref ? NULL : x);
}

struct wait *
waits_heard(const struct waits *w, uint32_t ref, unsigned slot)
{
	struct wait *x = waits_find(w, ref);

	return (x == NULL || !slotset_has(x->slots, slot) ? NULL : x);
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
