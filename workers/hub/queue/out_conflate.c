/*
 * What waits beside the queue of a slow receiver: the newest of each key; see
 * out.h.  Called by fanout.c, and by out_take.c when a socket has room again.
 */
#include "hub/queue/out_int.h"

#include <assert.h>
#include <stdlib.h>

#include "shm/counters.h"

#define CONFLATE_FIRST	16u	/* keys that one has room for at first */
#define CONFLATE_KEPT	64u	/* of those that are free */
#define CONFLATE_NONE	UINT16_MAX

static_assert(OUT_LATE_KEYS < CONFLATE_NONE &&
    (OUT_LATE_KEYS & (OUT_LATE_KEYS - 1)) == 0, "places are of 16 bits");

struct newest {
	uint64_t	 id;
	struct msg	*m;		/* one reference held; NULL: a hole */
	uint16_t	 next;		/* in its chain; CONFLATE_NONE */
};

/* One receiver's. */
struct late {
	struct late	*next;		/* while it is free */
	struct hashtab_link link;	/* out.late, by q */
	struct outq	*q;
	uint64_t	 bytes;
	uint32_t	 cap;		/* a power of two */
	uint32_t	 head, n;	/* ring of v: the oldest, how many */
	uint16_t	*chains;	/* cap of them, behind v */
	struct newest	 v[];
};

/* --- who has one ----------------------------------------------------------- */

static uint64_t
conflate_hash(const struct outq *q)
{
	uint64_t k = (uint64_t)(uintptr_t)q;

	k = (k ^ k >> 31) * UINT64_C(0x9e3779b97f4a7c15);
	return (k ^ k >> 29);
}

static uint64_t
conflate_hash_of(const void *arg, const struct hashtab_link *l)
{
	(void)arg;
	return (conflate_hash(container_of((struct hashtab_link *)(uintptr_t)l,
	    struct late, link)->q));
}

static struct late *
conflate_of(struct out *o, const struct outq *q)
{
	struct hashtab_link *l;
	struct late *t;

	MUST(q->late);
	for (l = hashtab_chain(&o->late, conflate_hash(q)); l != NULL;
	    l = l->next) {
		t = container_of(l, struct late, link);
		if (t->q == q)
			return (t);
	}
	MUST(l != NULL);	/* a queue that is late has one */
	return (NULL);
}

static struct late *
conflate_new(struct out *o, uint32_t cap)
{
	struct late *t = o->free_late;

	if (cap == CONFLATE_FIRST && t != NULL) {
		o->free_late = t->next;
		o->nfree_late--;
	} else {
		t = malloc(sizeof *t + cap * (sizeof t->v[0] +
		    sizeof t->chains[0]));
		if (t == NULL)
			return (NULL);
		t->cap = cap;
		t->chains = (uint16_t *)(void *)&t->v[cap];
	}
	t->head = t->n = 0;
	t->bytes = 0;
	memset(t->chains, 0xff, t->cap * sizeof t->chains[0]);
	return (t);
}

static void
conflate_free(struct out *o, struct late *t)
{
	if (t->cap == CONFLATE_FIRST && o->nfree_late < CONFLATE_KEPT) {
		t->next = o->free_late;
		o->free_late = t;
		o->nfree_late++;
	} else
		free(t);
}

/* t is q's, and was nobody's. */
static void
conflate_own(struct out *o, struct late *t, struct outq *q)
{
	t->q = q;
	hashtab_insert(&o->late, conflate_hash(q), &t->link);
	q->late = true;
	o->nlate++;
	counter_add(COUNTER_conflating, 1);
}

static void
conflate_disown(struct out *o, struct late *t)
{
	hashtab_remove(&o->late, conflate_hash(t->q), &t->link);
	t->q->late = false;
	o->nlate--;
	counter_sub(COUNTER_conflating, 1);
	conflate_free(o, t);
}

void
out_late_init(struct out *o)
{
	hashtab_init(&o->late, conflate_hash_of, NULL);
}

void
out_late_fini(struct out *o)
{
	struct late *t;

	MUST(o->nlate == 0);
	while ((t = o->free_late) != NULL) {
		o->free_late = t->next;
		free(t);
	}
	hashtab_fini(&o->late);
}

/* --- its keys --------------------------------------------------------------- */

static uint16_t *
conflate_chain(struct late *t, uint64_t id)
{
	return (&t->chains[id & (t->cap - 1)]);
}

static struct newest *
conflate_find(struct late *t, uint64_t id)
{
	uint16_t at;

	for (at = *conflate_chain(t, id); at != CONFLATE_NONE;
	    at = t->v[at].next)
		if (t->v[at].id == id)
			return (&t->v[at]);
	return (NULL);
}

/* There is room. */
static void
conflate_append(struct late *t, uint64_t id, struct msg *m)
{
	uint16_t at = (uint16_t)((t->head + t->n++) & (t->cap - 1));
	uint16_t *chain = conflate_chain(t, id);

	t->v[at] = (struct newest){ .id = id, .m = m, .next = *chain };
	*chain = at;
	t->bytes += m->len;
}

/* The oldest, out of the ring and its chain. */
static struct msg *
conflate_take(struct late *t)
{
	uint16_t at = (uint16_t)t->head;
	uint16_t *link = conflate_chain(t, t->v[at].id);

	while (*link != at)
		link = &t->v[*link].next;
	*link = t->v[at].next;
	t->head = (t->head + 1) & (t->cap - 1);
	t->n--;
	t->bytes -= t->v[at].m->len;
	return (t->v[at].m);
}

/* Twice the room, in the same order.  NULL: no memory, it is as it was. */
static struct late *
conflate_grow(struct out *o, struct late *t)
{
	struct late *more = conflate_new(o, t->cap * 2);
	struct outq *q = t->q;
	struct newest *e;

	if (more == NULL)
		return (NULL);
	while (t->n > 0) {
		e = &t->v[t->head];
		conflate_append(more, e->id, e->m);
		(void)conflate_take(t);
	}
	conflate_disown(o, t);
	conflate_own(o, more, q);
	return (more);
}

static void
conflate_drop_oldest(struct late *t)
{
	struct msg *m = conflate_take(t);

	msg_unref(&m);
	counter_add(COUNTER_dropped_keys, 1);
}

/* --- what others call ------------------------------------------------------- */

/* NULL: no memory. */
static struct late *
conflate_begin(struct out *o, struct outq *q)
{
	struct late *t = conflate_new(o, CONFLATE_FIRST);

	if (t != NULL)
		conflate_own(o, t, q);
	return (t);
}

static void
conflate_replace(struct late *t, struct newest *e, struct msg *m,
    uint64_t max_bytes)
{
	t->bytes += m->len;
	t->bytes -= e->m->len;
	msg_unref(&e->m);
	e->m = m;
	msg_ref(m, 1);
	counter_add(COUNTER_events_conflated, 1);
	while (t->n > 1 && t->bytes > max_bytes)
		conflate_drop_oldest(t);
}

enum outq_conflated
outq_conflate(struct out *o, struct outq *q, uint64_t id, struct msg *m,
    uint64_t max_bytes)
{
	struct late *t, *more;
	struct newest *e;

	if (q->dead || (!q->blocked && !outq_touch(o, q)))
		return (OUTQ_CONFLATED_NOT);
	t = q->late ? conflate_of(o, q) : conflate_begin(o, q);
	if (t == NULL)
		return (OUTQ_CONFLATED_NOT);
	e = conflate_find(t, id);
	if (e != NULL) {
		conflate_replace(t, e, m, max_bytes);
		return (OUTQ_CONFLATED_INSTEAD);
	}
	if (t->n == t->cap && t->cap < OUT_LATE_KEYS) {
		more = conflate_grow(o, t);
		t = more == NULL ? t : more;
	}
	while (t->n > 0 && (t->n == t->cap || t->bytes + m->len > max_bytes))
		conflate_drop_oldest(t);
	conflate_append(t, id, m);
	msg_ref(m, 1);
	return (OUTQ_CONFLATED_NEW);
}

void
outq_late_flush(struct out *o, struct outq *q)
{
	struct late *t;
	struct msg *m;

	if (!q->late)
		return;
	t = conflate_of(o, q);
	while (t->n > 0) {
		m = conflate_take(t);
		if (!out_push(o, q, m, 0, m->len) && !q->dead)
			counter_add(COUNTER_dropped_memory, 1);
		msg_unref(&m);
	}
	conflate_disown(o, t);
}

void
outq_late_forget(struct out *o, struct outq *q)
{
	struct late *t;
	struct msg *m;

	if (!q->late)
		return;
	t = conflate_of(o, q);
	while (t->n > 0) {
		m = conflate_take(t);
		msg_unref(&m);
	}
	conflate_disown(o, t);
}
