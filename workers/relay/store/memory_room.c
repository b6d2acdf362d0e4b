/*
 * One room and what is kept of it; see memory.h.
 */
#include "relay/store/memory_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "relay/store/memory_keyed.h"
#include "shm/counters.h"

#define MEMORY_RING	4u		/* places of the first ring */
#define MEMORY_EMPTY_MS	3600000u	/* so long a room without events is
					 * remembered */
/* With its pointer, and what the heap adds. */
#define MEMORY_EVENT_COST (sizeof(struct memory_event) + 3 * sizeof(void *))
#define MEMORY_ROOM_COST (sizeof(struct memory_room) + \
	    (MEMORY_RING + 4) * sizeof(void *))

size_t
memory_event_cost(void)
{
	return (MEMORY_EVENT_COST);
}

size_t
memory_room_cost(void)
{
	return (MEMORY_ROOM_COST);
}

uint64_t
memory_now(const struct memory *m)
{
	return (m->p.now_ms(m->p.arg));
}

/* --- gauges ---------------------------------------------------------------*/

void
memory_show(const struct memory *m)
{
	counter_set(COUNTER_store_rooms, m->nrooms);
	counter_set(COUNTER_store_events, m->events);
	counter_set(COUNTER_store_keys, m->nkeys);
	counter_set(COUNTER_store_bytes, m->bytes + m->gone_bytes);
}

/* --- the ring -------------------------------------------------------------*/

/* So many places, which suffice; false: no memory. */
static bool
memory_resize(struct memory_room *r, uint32_t cap)
{
	struct memory_event **v = reallocarray(NULL, cap, sizeof *v);
	uint32_t i;

	if (v == NULL)
		return (false);
	for (i = 0; i < r->n; i++)
		v[i] = memory_at(r, i);
	free(r->v);
	r->v = v;
	r->cap = cap;
	r->at = 0;
	return (true);
}

/* Bytes that were accounted for. */
static uint64_t
memory_drop(struct memory_room *r)
{
	struct memory_event *e = memory_at(r, 0);
	uint64_t bytes = e->n + MEMORY_EVENT_COST;

	free(e);
	r->at = (r->at + 1) & (r->cap - 1);
	r->n--;
	r->bytes -= bytes;
	if (r->cap > MEMORY_RING && r->n <= r->cap / 4)
		(void)memory_resize(r, r->cap / 2);
	return (bytes);
}

/* --- bounds ---------------------------------------------------------------*/

/* The one whose age counts: what is known of keys is kept with the newest. */
static const struct memory_event *
memory_eldest(const struct memory_room *r)
{
	return (memory_at(r, r->keyed != NULL ? r->n - 1 : 0));
}

static bool
memory_is_aged(const struct memory_room *r)
{
	return (r->bounds.keep_ms != 0 && memory_now(r->m) -
	    memory_eldest(r)->at_ms > r->bounds.keep_ms);
}

/* Kept for longer than it may be: as many. */
static uint32_t
memory_aged(const struct memory_room *r)
{
	uint64_t now_ms = memory_now(r->m);
	uint32_t low = 0, high = r->n, middle;

	if (r->bounds.keep_ms == 0)
		return (0);
	if (r->keyed != NULL)
		return (r->n > 0 && memory_is_aged(r) ? r->n : 0);
	while (low < high) {
		middle = low + (high - low) / 2;
		if (now_ms - memory_at(r, middle)->at_ms > r->bounds.keep_ms)
			low = middle + 1;
		else
			high = middle;
	}
	return (low);
}

uint32_t
memory_beyond(const struct memory_room *r)
{
	uint32_t aged = memory_aged(r), trimmed = memory_trimmed(r);
	uint64_t many = r->n > r->bounds.events && !r->bounds.stays ?
	    r->n - r->bounds.events : 0;

	if (trimmed > aged)
		aged = trimmed;
	return (many > aged ? (uint32_t)many : aged);
}

static void
memory_on_age(struct timer *t, struct mono now)
{
	struct memory_room *r = container_of(t, struct memory_room, age);

	(void)now;
	if (r->n == 0)
		memory_end(r);
	else if (!r->is_due) {
		r->is_due = true;
		TAILQ_INSERT_TAIL(&r->m->due, r, due);
	}
}

/* When something happens to it by itself. */
static void
memory_wait(struct memory_room *r)
{
	uint64_t at_ms;

	if (r->n != 0 && r->bounds.keep_ms == 0) {
		timer_stop(r->m->p.wheel, &r->age);
		return;
	}
	at_ms = r->n == 0 ? memory_now(r->m) + MEMORY_EMPTY_MS :
	    memory_eldest(r)->at_ms + r->bounds.keep_ms + 1;
	timer_start(r->m->p.wheel, &r->age, (struct mono){ at_ms * 1000 },
	    memory_on_age);
}

bool
memory_push(struct memory_room *r, struct slice frame, uint64_t at_ms)
{
	struct memory *m = r->m;
	struct memory_event *e;
	uint64_t slots[2];
	uint16_t flags;

	MUST(bus_frame(frame, slots, &flags) == (ssize_t)frame.n &&
	    (!r->finished || (flags & BUS_EDIT) != 0));
	if (r->n == r->cap &&
	    !memory_resize(r, r->cap == 0 ? MEMORY_RING : r->cap * 2))
		return (false);
	e = malloc(sizeof *e + frame.n);
	if (e == NULL)
		return (false);
	e->at_ms = at_ms;
	e->n = (uint32_t)frame.n;
	memcpy(e->frame, frame.p, frame.n);
	r->v[(r->at + r->n++) & (r->cap - 1)] = e;
	r->top++;
	r->finished |= (flags & BUS_FINISH) != 0;
	r->bytes += frame.n + MEMORY_EVENT_COST;
	m->bytes += frame.n + MEMORY_EVENT_COST;
	m->events++;
	if (r->n == 1) {
		TAILQ_REMOVE(&m->empty, r, used);
		TAILQ_INSERT_TAIL(memory_line(r), r, used);
		memory_wait(r);
	} else
		memory_touch(r);
	memory_show(m);
	return (true);
}

bool
memory_replace(struct memory_room *r, uint64_t place, struct slice frame)
{
	struct memory *m = r->m;
	struct memory_event *e, *was;
	uint32_t i;

	if (place > r->top || place <= r->top - r->n)
		return (true);
	i = (r->at + (uint32_t)(place - (r->top - r->n + 1))) & (r->cap - 1);
	was = r->v[i];
	e = malloc(sizeof *e + frame.n);
	if (e == NULL)
		return (false);
	e->at_ms = was->at_ms;
	e->n = (uint32_t)frame.n;
	memcpy(e->frame, frame.p, frame.n);
	r->v[i] = e;
	r->bytes = r->bytes - was->n + e->n;
	m->bytes = m->bytes - was->n + e->n;
	free(was);
	memory_show(m);
	return (true);
}

void
memory_trim(struct memory_room *r, uint64_t events, uint64_t bytes,
    unsigned *budget)
{
	struct memory *m = r->m;
	struct memory_rooms *line = memory_line(r);
	uint32_t before = r->n;
	bool aged, over, trimmed, was_due = r->is_due;

	if (was_due)
		TAILQ_REMOVE(&m->due, r, due);
	r->is_due = false;
	while (r->n > 0) {
		trimmed = memory_trimmed(r) > 0;
		over = !r->bounds.stays &&
		    (r->n + events > r->bounds.events ||
		    r->bytes + bytes > r->bounds.bytes) &&
		    (r->keyed == NULL || r->n + events > 1);
		aged = !over && memory_is_aged(r);
		if (!trimmed && !over && !aged)
			break;
		if (*budget == 0) {
			r->is_due = true;
			TAILQ_INSERT_TAIL(&m->due, r, due);
			break;
		}
		--*budget;
		counter_add(trimmed ? COUNTER_store_trimmed : aged ?
		    COUNTER_store_expired : COUNTER_store_displaced, 1);
		m->bytes -= memory_drop(r);
		m->events--;
	}
	if (r->n == before && !was_due)
		return;
	if (r->n == 0 && before != 0) {
		TAILQ_REMOVE(line, r, used);
		TAILQ_INSERT_TAIL(&m->empty, r, used);
	}
	if (r->n == 0 && (r->finished || (r->keyed != NULL && events == 0))) {
		memory_end(r);
		return;
	}
	memory_wait(r);
	memory_show(m);
}

void
memory_bound(struct memory_room *r, const struct store_bounds *bounds)
{
	uint64_t keep_ms = r->bounds.keep_ms;
	struct memory_rooms *line = memory_line(r);

	r->bounds = *bounds;
	if (line != memory_line(r)) {
		TAILQ_REMOVE(line, r, used);
		TAILQ_INSERT_TAIL(memory_line(r), r, used);
	}
	if (keep_ms != bounds->keep_ms && r->n != 0)
		memory_wait(r);
}

void
memory_narrow(const struct memory *m, const struct store_key *k,
    struct store_bounds *b)
{
	uint64_t room = MEMORY_ROOM_COST + k->nsp.n + k->room.n;
	uint64_t most = m->p.bytes > room ? m->p.bytes - room : 0;

	if (b->keys != 0)
		most /= 2;	/* its history, and its keys */
	if (b->bytes > most)
		b->bytes = most;
	if (b->keys_bytes > most)
		b->keys_bytes = most;
}

/* --- rooms ----------------------------------------------------------------*/

static uint64_t
memory_hash(const struct memory *m, const struct store_key *k)
{
	return (hash_bytes(&m->key, k->nsp) * 31 +
	    hash_bytes(&m->key, k->room));
}

struct memory_room *
memory_find(const struct memory *m, const struct store_key *k)
{
	uint64_t hash = memory_hash(m, k);
	struct hashtab_link *l;
	struct memory_room *r;

	for (l = hashtab_chain(&m->table, hash); l != NULL; l = l->next) {
		r = container_of(l, struct memory_room, link);
		if (r->hash == hash && slice_eq(memory_name(r), k->room) &&
		    slice_eq(memory_nsp(r), k->nsp))
			return (r);
	}
	return (NULL);
}

static uint64_t
memory_cost(const struct memory_room *r)
{
	return (r->bytes + MEMORY_ROOM_COST + r->nsp_n + r->name_n +
	    memory_keyed_bytes(r));
}

struct memory_room *
memory_begin(struct memory *m, const struct store_key *k,
    const struct store_bounds *bounds)
{
	struct memory_room *r = calloc(1, sizeof *r + k->nsp.n + k->room.n);
	int n;

	if (r == NULL)
		return (NULL);
	r->m = m;
	r->hash = memory_hash(m, k);
	r->bounds = *bounds;
	r->nsp_n = (uint16_t)k->nsp.n;
	r->name_n = (uint16_t)k->room.n;
	memcpy(r->text, k->nsp.p, k->nsp.n);
	memcpy(r->text + k->nsp.n, k->room.p, k->room.n);
	n = snprintf(r->epoch, sizeof r->epoch, "%sr%" PRIx64, m->origin,
	    ++m->begun);
	MUST(n > 0 && (size_t)n < sizeof r->epoch);
	r->epoch_n = (uint8_t)n;
	hashtab_insert(&m->table, r->hash, &r->link);
	TAILQ_INSERT_TAIL(&m->all, r, all);
	TAILQ_INSERT_TAIL(&m->empty, r, used);
	m->bytes += memory_cost(r);
	m->nrooms++;
	memory_wait(r);
	memory_show(m);
	return (r);
}

void
memory_touch(struct memory_room *r)
{
	TAILQ_REMOVE(memory_line(r), r, used);
	TAILQ_INSERT_TAIL(memory_line(r), r, used);
	if (r->n == 0)
		memory_wait(r);
}

void
memory_end(struct memory_room *r)
{
	struct memory *m = r->m;

	if (m->look == r)
		m->look = TAILQ_NEXT(r, all);
	if (r->is_due)
		TAILQ_REMOVE(&m->due, r, due);
	timer_stop(m->p.wheel, &r->age);
	hashtab_remove(&m->table, r->hash, &r->link);
	TAILQ_REMOVE(&m->all, r, all);
	TAILQ_REMOVE(memory_line(r), r, used);
	TAILQ_INSERT_TAIL(&m->gone, r, used);
	m->bytes -= memory_cost(r);
	m->gone_bytes += memory_cost(r);
	m->events -= r->n;
	m->nkeys -= memory_keyed_count(r);
	m->nrooms--;
	memory_show(m);
}

unsigned
memory_sweep(struct memory *m, unsigned budget)
{
	struct memory_room *r;

	while (budget > 0 && (r = TAILQ_FIRST(&m->gone)) != NULL) {
		for (; r->n > 0 && budget > 1; budget--)
			m->gone_bytes -= memory_drop(r);
		budget--;
		if (r->n > 0 || !memory_keyed_free(r, &budget))
			continue;
		TAILQ_REMOVE(&m->gone, r, used);
		m->gone_bytes -= memory_cost(r);
		free(r->v);
		free(r);
	}
	memory_show(m);
	return (budget);
}
