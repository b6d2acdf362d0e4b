/*
 * Entries that were given up; see dead.h.  Called by hooks.c and its like.
 */
#include "relay/hooks/dead.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "shm/counters.h"

void
dead_init(struct dead *d)
{
	*d = (struct dead){ .id = 0 };
	TAILQ_INIT(&d->boxes);
}

struct dead_box *
dead_find(const struct dead *d, struct slice hook)
{
	struct dead_box *b;

	TAILQ_FOREACH(b, &d->boxes, next)
		if (slice_eq(slice_str(b->hook), hook))
			return (b);
	return (NULL);
}

/* NULL: no memory, or too many. */
static struct dead_box *
dead_box(struct dead *d, const char *hook)
{
	struct dead_box *b = dead_find(d, slice_str(hook));

	if (b != NULL || d->nboxes == DEAD_BOXES)
		return (b);
	b = calloc(1, sizeof *b);
	if (b == NULL || (b->hook = strdup(hook)) == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		free(b);
		return (NULL);
	}
	TAILQ_INIT(&b->letters);
	TAILQ_INSERT_TAIL(&d->boxes, b, next);
	d->nboxes++;
	return (b);
}

struct entry *
dead_take(struct dead_box *b, struct dead_letter *l)
{
	struct entry *e = l->entry;

	MUST(b->n > 0 && b->bytes >= e->n + DEAD_COST);
	TAILQ_REMOVE(&b->letters, l, next);
	b->n--;
	b->bytes -= e->n + DEAD_COST;
	free(l->nsp);
	free(l);
	return (e);
}

void
dead_narrow(struct dead_box *b, const struct dead_bounds *most)
{
	while (b->n > most->letters || b->bytes > most->bytes) {
		free(dead_take(b, TAILQ_FIRST(&b->letters)));
		counter_add(COUNTER_hook_dead_displaced, 1);
	}
}

/* NULL: no memory; the entry is the caller's still. */
static struct dead_letter *
dead_put(struct dead_box *b, const struct dead_what *w, uint64_t id,
    struct entry *e)
{
	struct dead_letter *l = calloc(1, sizeof *l);

	if (l == NULL || (l->nsp = strdup(w->nsp)) == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		free(l);
		return (NULL);
	}
	l->id = id;
	l->at_ms = w->at_ms;
	(void)snprintf(l->why, sizeof l->why, "%s", w->why);
	l->entry = e;
	TAILQ_INSERT_TAIL(&b->letters, l, next);
	b->n++;
	b->bytes += e->n + DEAD_COST;
	return (l);
}

void
dead_add(struct dead *d, const struct dead_what *w,
    const struct dead_bounds *most, struct entry *e)
{
	struct dead_box *b = dead_box(d, w->hook);

	d->id++;
	e->asker.ref = 0;
	if (b == NULL || dead_put(b, w, d->id, e) == NULL) {
		free(e);
		counter_add(COUNTER_hook_dead_displaced, 1);
		return;
	}
	dead_narrow(b, most);
}

bool
dead_restore(struct dead *d, const struct dead_what *w, uint64_t id,
    struct entry *e)
{
	struct dead_box *b = id > d->id ? NULL : dead_box(d, w->hook);
	const struct dead_letter *last = b == NULL ? NULL :
	    TAILQ_LAST(&b->letters, dead_letters);

	if (b != NULL && (last == NULL || last->id < id) &&
	    dead_put(b, w, id, e) != NULL)
		return (true);
	free(e);
	return (false);
}

struct dead_letter *
dead_from(const struct dead_box *b, uint64_t id)
{
	struct dead_letter *l;

	TAILQ_FOREACH(l, &b->letters, next)
		if (l->id >= id)
			return (l);
	return (NULL);
}

unsigned
dead_count(const struct dead *d)
{
	const struct dead_box *b;
	unsigned n = 0;

	TAILQ_FOREACH(b, &d->boxes, next)
		n += b->n;
	return (n);
}

void
dead_fini(struct dead *d)
{
	struct dead_box *b;

	while ((b = TAILQ_FIRST(&d->boxes)) != NULL) {
		while (!TAILQ_EMPTY(&b->letters))
			free(dead_take(b, TAILQ_FIRST(&b->letters)));
		TAILQ_REMOVE(&d->boxes, b, next);
		free(b->hook);
		free(b);
	}
	d->nboxes = 0;
}
