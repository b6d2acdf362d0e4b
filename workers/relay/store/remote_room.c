/*
 * Rooms whose history is in Redis, and what is at hand of them; see remote.h.
 */
#include "relay/store/remote_int.h"

#include <stdlib.h>

#include "shm/counters.h"

#define ROOM_RING	4u		/* places of the first ring */
#define ROOM_ROOMS	4096u		/* so many are remembered for nothing */
/* With its pointer, and what the heap adds. */
#define ROOM_EVENT_COST	(sizeof(struct remote_event) + 3 * sizeof(void *))

void
remote_show(const struct remote *m)
{
	counter_set(COUNTER_store_rooms, m->nrooms);
	counter_set(COUNTER_store_events, m->events);
	counter_set(COUNTER_store_bytes, m->bytes);
	counter_set(COUNTER_store_waiting, m->out_events);
	counter_set(COUNTER_store_waiting_bytes, m->out_bytes);
}

/* --- at hand --------------------------------------------------------------*/

static bool
room_resize(struct remote_room *r, uint32_t cap)
{
	struct remote_event **v = reallocarray(NULL, cap, sizeof *v);
	uint32_t i;

	if (v == NULL)
		return (false);
	for (i = 0; i < r->n; i++)
		v[i] = remote_at(r, i);
	free(r->v);
	r->v = v;
	r->cap = cap;
	r->at = 0;
	return (true);
}

static void
room_drop_first(struct remote_room *r)
{
	struct remote_event *e = remote_at(r, 0);
	uint64_t bytes = e->n + ROOM_EVENT_COST;

	free(e);
	r->at = (r->at + 1) & (r->cap - 1);
	if (--r->n == 0)
		TAILQ_REMOVE(&r->m->full, r, full);
	r->bytes -= bytes;
	r->m->bytes -= bytes;
	r->m->events--;
	if (r->cap > ROOM_RING && r->n <= r->cap / 4)
		(void)room_resize(r, r->cap / 2);
}

void
remote_empty(struct remote_room *r)
{
	while (r->n > 0)
		room_drop_first(r);
	free(r->v);
	r->v = NULL;
	r->cap = r->at = 0;
}

void
remote_stand(struct remote_room *r, struct slice epoch, uint64_t top)
{
	remote_empty(r);
	MUST(epoch.n < sizeof r->epoch);
	memcpy(r->epoch, epoch.p, epoch.n);
	r->epoch_n = (uint8_t)epoch.n;
	r->top = top;
	r->first = r->base = r->fresh_top = 0;
	r->finished = false;
	r->known = true;
}

static void
room_touch(struct remote_room *r)
{
	struct remote *m = r->m;

	TAILQ_REMOVE(&m->used, r, used);
	TAILQ_INSERT_TAIL(&m->used, r, used);
	if (r->n == 0)
		return;
	TAILQ_REMOVE(&m->full, r, full);
	TAILQ_INSERT_TAIL(&m->full, r, full);
}

/* Of all rooms: what is at hand of those used least lately goes first. */
static void
room_make_place(struct remote *m, uint64_t bytes)
{
	struct remote_room *old;

	while (bytes <= m->p.bounds.bytes &&
	    m->bytes + bytes > m->p.bounds.bytes &&
	    (old = TAILQ_FIRST(&m->full)) != NULL)
		room_drop_first(old);
}

/* What is at hand of what was changed, and what was before it. */
static void
room_forget_edited(struct remote_room *r, struct slice frame)
{
	static struct bus_envelope e;	/* large; one at a time */

	if (!bus_whole(frame, &e))
		return;
	while (r->n > 0 && r->top - r->n + 1 <= e.publish.edits)
		room_drop_first(r);
}

void
remote_push(struct remote_room *r, struct slice frame, uint64_t age_ms)
{
	struct remote *m = r->m;
	uint64_t bytes = frame.n + ROOM_EVENT_COST;
	uint64_t now_ms = remote_now(m);
	struct remote_event *e = NULL;
	uint64_t slots[2];
	uint16_t flags = 0;

	if (bus_frame(frame, slots, &flags) <= 0)
		flags = 0;
	if (unlikely((flags & BUS_EDIT) != 0) && !r->journal)
		room_forget_edited(r, frame);
	r->top++;
	room_touch(r);
	r->finished = !r->journal && (flags & BUS_FINISH) != 0;
	while (r->n > 0 && (r->n >= r->bounds.events ||
	    r->bytes + bytes > r->bounds.bytes))
		room_drop_first(r);
	room_make_place(m, bytes);
	if (m->bytes + bytes <= m->p.bounds.bytes && (r->n < r->cap ||
	    room_resize(r, r->cap == 0 ? ROOM_RING : r->cap * 2)))
		e = malloc(sizeof *e + frame.n);
	if (e == NULL) {	/* what was before it does not reach it */
		remote_empty(r);
		return;
	}
	e->at_ms = age_ms > now_ms ? 0 : now_ms - age_ms;
	e->n = (uint32_t)frame.n;
	memcpy(e->frame, frame.p, frame.n);
	if (r->n == 0)
		TAILQ_INSERT_TAIL(&m->full, r, full);
	r->v[(r->at + r->n++) & (r->cap - 1)] = e;
	r->bytes += bytes;
	m->bytes += bytes;
	m->events++;
}

void
remote_age(struct remote_room *r)
{
	uint64_t now_ms = remote_now(r->m);

	if (r->bounds.keep_ms == 0)
		return;
	/* what is known of keys is kept with the newest */
	if (r->n > 0 && remote_is_keyed(r) && now_ms -
	    remote_at(r, r->n - 1)->at_ms <= r->bounds.keep_ms)
		return;
	while (r->n > 0 && now_ms - remote_at(r, 0)->at_ms >
	    r->bounds.keep_ms) {
		if (r->first < r->top - r->n + 2)
			r->first = r->top - r->n + 2;
		room_drop_first(r);
		counter_add(COUNTER_store_expired, 1);
	}
}

void
remote_trimmed(struct remote_room *r, uint64_t place)
{
	if (r->first < place + 1)
		r->first = place + 1;
	while (r->n > 0 && r->top - r->n + 1 <= place)
		room_drop_first(r);
}

uint64_t
remote_first(const struct remote_room *r)
{
	uint64_t first = r->first == 0 ? 1 : r->first;

	if (r->top > r->bounds.events && first < r->top - r->bounds.events + 1)
		first = r->top - r->bounds.events + 1;
	return (first);
}

bool
remote_is_over(struct remote_room *r)
{
	if (r->ends && !STAILQ_EMPTY(&r->out))
		return (true);
	remote_age(r);
	return (r->known && r->finished && remote_first(r) <= r->top);
}

/* --- rooms ----------------------------------------------------------------*/

static uint64_t
room_hash_key(const struct remote *m, const struct store_key *k)
{
	return (hash_bytes(&m->key, k->nsp) * 31 +
	    hash_bytes(&m->key, k->room));
}

struct remote_room *
remote_find(const struct remote *m, const struct store_key *k)
{
	uint64_t hash = room_hash_key(m, k);
	struct hashtab_link *l;
	struct remote_room *r;

	for (l = hashtab_chain(&m->table, hash); l != NULL; l = l->next) {
		r = container_of(l, struct remote_room, link);
		if (r->hash == hash && slice_eq(remote_name(r), k->room) &&
		    slice_eq(remote_nsp(r), k->nsp))
			return (r);
	}
	return (NULL);
}

/* Rooms that nobody needs, beyond what is worth remembering. */
static void
room_forget_some(struct remote *m)
{
	struct remote_room *r = TAILQ_FIRST(&m->used), *next;
	unsigned looks = 8;

	for (; r != NULL && m->nrooms > ROOM_ROOMS && looks > 0; r = next) {
		next = TAILQ_NEXT(r, used);
		looks--;
		remote_drop(r);
	}
}

struct remote_room *
remote_get(struct remote *m, const struct store_key *k,
    const struct store_bounds *bounds)
{
	struct remote_room *r = remote_find(m, k);

	if (r != NULL) {
		r->bounds = *bounds;
		remote_pair(r);
		room_touch(r);
		return (r);
	}
	room_forget_some(m);
	r = calloc(1, sizeof *r + k->nsp.n + k->room.n);
	if (r == NULL)
		return (NULL);
	r->m = m;
	r->hash = room_hash_key(m, k);
	r->bounds = *bounds;
	r->nsp_n = (uint16_t)k->nsp.n;
	r->name_n = (uint16_t)k->room.n;
	r->journal = slice_eq(k->room, JOURNAL_ROOM);
	memcpy(r->text, k->nsp.p, k->nsp.n);
	memcpy(r->text + k->nsp.n, k->room.p, k->room.n);
	TAILQ_INIT(&r->early);
	STAILQ_INIT(&r->out);
	STAILQ_INIT(&r->reads);
	STAILQ_INIT(&r->held);
	hashtab_insert(&m->table, r->hash, &r->link);
	TAILQ_INSERT_TAIL(&m->used, r, used);
	TAILQ_INSERT_TAIL(&m->all, r, all);
	m->nrooms++;
	remote_pair(r);
	remote_show(m);
	return (r);
}

void
remote_end(struct remote_room *r)
{
	struct remote *m = r->m;
	struct remote_ask *a;

	TAILQ_FOREACH(a, &m->asks, next)
		if (a->room == r)
			a->room = NULL;
	remote_out_drop(r);
	remote_read_drop(r);
	remote_in_deaf(r);
	remote_empty(r);
	if (m->look == r)
		m->look = TAILQ_NEXT(r, all);
	if (r->works)
		TAILQ_REMOVE(&m->work, r, work);
	TAILQ_REMOVE(&m->used, r, used);
	TAILQ_REMOVE(&m->all, r, all);
	hashtab_remove(&m->table, r->hash, &r->link);
	m->nrooms--;
	free(r);
	remote_show(m);
}

void
remote_drop(struct remote_room *r)
{
	if (r->state == REMOTE_IDLE && STAILQ_EMPTY(&r->out) &&
	    STAILQ_EMPTY(&r->reads) && STAILQ_EMPTY(&r->held) && !r->reading && !r->sending &&
	    r->nready == 0)
		remote_end(r);
}

/* --- the clock ------------------------------------------------------------*/

#define ROOM_LOOKS	1024u	/* rooms looked at in one tick */

static void
room_on_tick(struct timer *t, struct mono now)
{
	struct remote *m = container_of(t, struct remote, tick);
	struct remote_room *r;
	unsigned n = ROOM_LOOKS;
	bool more;

	(void)now;
	while (n-- > 0 && (r = TAILQ_FIRST(&m->work)) != NULL) {
		TAILQ_REMOVE(&m->work, r, work);
		if (r->leaving && (STAILQ_EMPTY(&r->out) || !remote_up(m))) {
			r->works = false;
			remote_judge(m, r);
			continue;
		}
		more = remote_out_look(r);
		remote_pair(r);
		more |= remote_in_look(r);
		more |= remote_read_look(r);
		r->works = more;
		if (more)
			TAILQ_INSERT_TAIL(&m->work, r, work);
	}
	remote_show(m);
	remote_out_note(m);
	if (!TAILQ_EMPTY(&m->work))
		timer_start(m->p.wheel, t, (struct mono){
		    (remote_now(m) + REMOTE_TICK_MS) * 1000 }, room_on_tick);
}

void
remote_work(struct remote_room *r)
{
	struct remote *m = r->m;

	if (!r->works)
		TAILQ_INSERT_TAIL(&m->work, r, work);
	r->works = true;
	if (!m->tick.running)
		timer_start(m->p.wheel, &m->tick, (struct mono){
		    (remote_now(m) + REMOTE_TICK_MS) * 1000 }, room_on_tick);
}
