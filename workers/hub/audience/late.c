/*
 * Receivers that do not keep up; see late.h.  Called by fanout.c.
 */
#include "hub/audience/late.h"

#include "hub/hub_int.h"
#include "hub/audience/room.h"

bool
late_is(const struct hub *h, const struct outq *q,
    const struct publication *p)
{
	return (q->blocked || outq_bytes(q) > h->volatile_bytes ||
	    unlikely(q->late && p->conflate.n != 0));
}

/* --- the newest ------------------------------------------------------------ */

/* One more part of what makes two publications news of one thing. */
static uint64_t
late_id_add(const struct hub *h, uint64_t id, uint64_t kind, struct slice s)
{
	struct hash_key key = { h->key.k0 ^ id, h->key.k1 + kind };

	return (hash_bytes(&key, s));
}

uint64_t
late_id(const struct hub *h, const struct publication *p)
{
	uint64_t id;

	if (likely(p->conflate.n == 0))
		return (0);
	id = late_id_add(h, 0, 0, p->nsp);
	id = late_id_add(h, id, 1, p->event);
	return (late_id_add(h, id, 2, p->conflate) | 1);
}

static uint64_t
late_id_names(const struct hub *h, uint64_t id, enum room_kind kind,
    const struct slice *names, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		id = late_id_add(h, id, 3 + (uint64_t)kind, names[i]);
	return (id);
}

uint64_t
late_id_audience(const struct hub *h, const struct publication *p,
    const struct audience *a)
{
	uint64_t id = late_id(h, p);

	if (likely(id == 0))
		return (0);
	id = late_id_names(h, id, ROOM_NAMED, a->rooms, a->nrooms);
	id = late_id_names(h, id, ROOM_USER, a->users, a->nusers);
	return (late_id_add(h, id, 2, slice_of(NULL, 0)) | 1);
}

uint64_t
late_id_room(const struct hub *h, const struct publication *p,
    const struct room *r)
{
	struct slice name = room_name(r);
	struct audience a = { .rooms = &name, .users = &name,
		.nrooms = room_kind(r) == ROOM_NAMED,
		.nusers = room_kind(r) == ROOM_USER };

	return (late_id_audience(h, p, &a));
}

bool
late_wait(struct hub *h, struct outq *q, uint64_t id, struct msg *m)
{
	if (m != NULL && !q->parked && outq_conflate(&h->out, q, id, m,
	    h->volatile_bytes) != OUTQ_CONFLATED_NOT)
		return (true);
	counter_add(COUNTER_dropped_volatile, 1);
	return (false);
}

/* --- who is left to read on in the store ----------------------------------- */

/* Its socket is full; or so much comes in one turn that this would end it if it
 * were. */
static bool
late_is_full(const struct hub *h, const struct outq *q)
{
	return (!q->parked && outq_bytes(q) > (q->blocked ? h->kept_bytes :
	    h->kept_bytes + h->kept_bytes / 4));
}

bool
late_reads_on(const struct hub *h, const struct member *v,
    const struct publication *p)
{
	return (v->ship->lags || (late_is_full(h, v->out) &&
	    h->events->lags(v->ship, p)));
}
