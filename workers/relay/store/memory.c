/*
 * What the engine is asked, and the bounds of all rooms; see memory.h.
 */
#include "relay/store/memory_int.h"

#include <sys/random.h>

#include <stdio.h>
#include <stdlib.h>

#include "relay/store/edit.h"
#include "relay/store/memory_keyed.h"
#include "relay/store/number.h"
#include "shm/counters.h"

#define MEMORY_STEP	64u	/* events dropped, rooms put out, by one append */
#define MEMORY_TURN	1024u	/* ... by the end of a turn */
#define MEMORY_LOOKS	64u	/* rooms judged by it */

/* --- bounds of all --------------------------------------------------------*/

/* Room for so much more: others go, while there are any. */
static void
memory_put_out(struct memory *m, const struct memory_room *keep, uint64_t more,
    unsigned *budget)
{
	struct memory_room *r;

	while (m->bytes + more > m->p.bytes && *budget > 0) {
		r = TAILQ_FIRST(&m->empty);
		if (r != NULL && r == keep)
			r = TAILQ_NEXT(r, used);
		if (r == NULL)
			r = TAILQ_FIRST(&m->full);
		if (r != NULL && r == keep)
			r = TAILQ_NEXT(r, used);
		if (r == NULL)
			return;
		--*budget;
		counter_add(COUNTER_store_evicted_rooms, r->n != 0);
		memory_end(r);
	}
}

/* --- what is asked --------------------------------------------------------*/

/* It is finished, and some of it is still there.  One of which nothing is, though it
 * is finished or had keys, begins anew: *r is NULL then. */
static bool
memory_is_over(struct memory_room **r)
{
	if (*r == NULL || (!(*r)->finished && (*r)->keyed == NULL))
		return (false);
	if (memory_beyond(*r) < (*r)->n)
		return ((*r)->finished);
	memory_end(*r);
	*r = NULL;
	return (false);
}

/* The frame that is to be kept instead of another one, and how much that makes
 * the room larger, is 0 where there is none. */
struct memory_edit {
	struct slice	 frame;
	uint64_t	 place, more;
};

/* Of what is there, and there is room for it. */
static enum bus_store
memory_may_edit(const struct memory_room *r, const struct store_append *a,
    const struct store_bounds *bounds, struct memory_edit *edit)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct bus_publish *p = &a->e->publish;
	enum bus_store result;
	uint64_t first;
	uint32_t was;

	edit->frame = p->instead;
	p->instead = slice_of(NULL, 0);
	if (!edit_read(edit->frame, &a->key, &e))
		return (BUS_STORE_UNAVAILABLE);
	if (r == NULL)
		return (BUS_STORE_EPOCH);
	first = r->top - r->n + 1;
	result = edit_result(&e, memory_epoch(r), first + memory_beyond(r),
	    r->top);
	if (result != BUS_STORE_OK)
		return (result);
	if (edit->frame.n + memory_event_cost() > bounds->bytes)
		return (BUS_STORE_TOO_LARGE);
	edit->place = p->edits = e.publish.kept;
	was = memory_at(r, (uint32_t)(edit->place - first))->n;
	edit->more = edit->frame.n > was ? edit->frame.n - was : 0;
	return (BUS_STORE_OK);
}

/* What is finished may be changed, by who knows it. */
static bool
memory_takes(struct memory_room **r, const struct store_append *a)
{
	return (!memory_is_over(r) || (edit_is(a) &&
	    (a->asker.flags & BUS_FINISH) != 0));
}

/* In one that stays nothing goes for the sake of what comes. */
static bool
memory_has_room(const struct memory_room *r, uint64_t cost)
{
	return (r->n - memory_trimmed(r) + 1 <= r->bounds.events &&
	    r->bytes + cost <= r->bounds.bytes);
}

/* What is in m->frame is the room's newest; and its key's, in which it has been found
 * to fit. */
static enum bus_store
memory_add(struct memory *m, struct memory_room *r,
    const struct store_append *a)
{
	const struct bus_publish *p = &a->e->publish;
	struct slice frame = buf_unread(&m->frame);
	uint64_t now_ms = memory_now(m);
	struct memory_key *k = NULL;
	enum bus_store result;

	if (p->key.n != 0 && a->bounds.keys != 0 &&
	    (k = memory_keyed_make(r, p, frame, now_ms, &result)) == NULL)
		return (result);
	if (!memory_push(r, frame, now_ms)) {
		memory_keyed_drop(k);
		return (BUS_STORE_UNAVAILABLE);
	}
	if (k != NULL)
		memory_keyed_put(r, k);
	else
		memory_keyed_pass(r);
	return (BUS_STORE_OK);
}

static enum bus_store
memory_keep(struct memory *m, const struct store_append *a,
    struct store_kept *kept)
{
	struct store_bounds bounds = a->bounds;
	struct memory_room *r = memory_find(m, &a->key);
	struct memory_edit edit = { .place = 0 };
	unsigned budget = MEMORY_STEP;
	struct number_place at;
	enum bus_store result;
	uint64_t cost;
	bool finished;

	memory_narrow(m, &a->key, &bounds);
	if (r != NULL)
		memory_bound(r, &bounds);
	if (!memory_takes(&r, a))
		return (BUS_STORE_FINISHED);
	if (edit_is(a) && (result = memory_may_edit(r, a, &bounds,
	    &edit)) != BUS_STORE_OK)
		return (result);
	if (r == NULL)
		r = memory_begin(m, &a->key, &bounds);
	if (r == NULL)
		return (BUS_STORE_UNAVAILABLE);
	kept->epoch = memory_epoch(r);
	if (bounds.keys != 0 && a->e->publish.key.n != 0 &&
	    memory_keyed_check(r, &a->e->publish, kept) != BUS_STORE_OK)
		return (BUS_STORE_CONFLICT);
	kept->kept = r->top + 1;
	kept->frame = &m->frame;
	at = (struct number_place){ kept->epoch, kept->kept };
	if (!number_frame(a, &at, NULL, &m->meta, &m->frame))
		return (BUS_STORE_UNAVAILABLE);
	cost = m->frame.wpos + memory_event_cost();
	if (m->frame.wpos > STORE_FRAME_MAX || cost > bounds.bytes)
		return (BUS_STORE_TOO_LARGE);
	cost += edit.more;
	if (bounds.stays && !memory_has_room(r, cost))
		return (BUS_STORE_TOO_LARGE);
	finished = r->finished;
	r->finished = false;	/* it goes on, for this one */
	memory_trim(r, 1, cost, &budget);
	memory_put_out(m, r, a->e->publish.key.n != 0 ? 2 * cost : cost,
	    &budget);
	if (bounds.stays && m->bytes + cost > m->p.bytes)
		result = BUS_STORE_TOO_LARGE;
	else if (edit.place != 0 &&
	    !memory_replace(r, edit.place, edit.frame))
		result = BUS_STORE_UNAVAILABLE;
	else
		result = memory_add(m, r, a);
	if (result != BUS_STORE_OK)
		r->finished = finished;
	return (result);
}

static void
memory_append(void *engine, const struct store_append *a)
{
	struct memory *m = engine;
	struct store_kept kept = { .asker = a->asker, .key = a->key };

	CHECK_MAGIC(m, MEMORY_MAGIC);
	kept.result = memory_keep(m, a, &kept);
	/* what was put out makes room for more than this one */
	if (!TAILQ_EMPTY(&m->gone))
		(void)memory_sweep(m, MEMORY_STEP);
	a->done(a->arg, &kept);
}

/* Who joins a room is told in which epoch it begins, unless something would have
 * to go for that.  NULL: it does not begin. */
static struct memory_room *
memory_foresee(struct memory *m, const struct store_read *q)
{
	struct store_bounds bounds = q->bounds;
	uint64_t cost = memory_room_cost() + q->key.nsp.n + q->key.room.n;
	unsigned budget = MEMORY_STEP;

	while (m->bytes + cost > m->p.bytes && !TAILQ_EMPTY(&m->empty) &&
	    budget-- > 0)
		memory_end(TAILQ_FIRST(&m->empty));
	if (m->bytes + cost > m->p.bytes)
		return (NULL);
	memory_narrow(m, &q->key, &bounds);
	return (memory_begin(m, &q->key, &bounds));
}

static struct memory_room *
memory_asked(struct memory *m, const struct store_read *q)
{
	struct memory_room *r = memory_find(m, &q->key);

	(void)memory_is_over(&r);
	if (r != NULL)
		memory_touch(r);
	else if (q->from == BUS_HISTORY_TOP || q->from == BUS_HISTORY_AFTER ||
	    q->from == BUS_HISTORY_STATE)
		r = memory_foresee(m, q);
	if (!TAILQ_EMPTY(&m->gone))
		(void)memory_sweep(m, MEMORY_STEP);
	return (r);
}

/* The newest that fit: of these the oldest. */
static uint32_t
memory_last(const struct memory_room *r, const struct store_read *q,
    uint32_t first)
{
	uint64_t bytes = 0;
	uint32_t i = r->n;

	while (i > first && r->n - i < q->limit) {
		bytes += memory_at(r, i - 1)->n;
		if (bytes > q->bytes && i < r->n)
			break;
		i--;
	}
	return (i);
}

/* From the i-th event on; true: there are more than may go. */
static bool
memory_copy(struct memory *m, const struct memory_room *r,
    const struct store_read *q, uint32_t i)
{
	const struct memory_event *e;
	uint64_t n;

	for (n = 0; i < r->n; i++, n++) {
		e = memory_at(r, i);
		if (n == q->limit || (n > 0 &&
		    m->page.wpos + e->n > q->bytes))
			return (true);
		buf_append(&m->page, e->frame, e->n);
		counter_add(COUNTER_store_read_events, 1);
	}
	return (false);
}

/* Where the answer begins; n: there is nothing in it. */
static uint32_t
memory_start(const struct memory_room *r, const struct store_read *q,
    uint32_t first, uint64_t *result)
{
	uint64_t place = r->top - r->n + 1 + first;

	switch (q->from) {
	case BUS_HISTORY_TOP:
		return (r->n);
	case BUS_HISTORY_LAST:
		return (memory_last(r, q, first));
	case BUS_HISTORY_FIRST:
		return (first);
	case BUS_HISTORY_STATE:
	case BUS_HISTORY_KEY:
		return (r->n);		/* memory_keyed.c's */
	case BUS_HISTORY_AFTER:
		break;
	}
	if (!slice_eq(q->epoch, memory_epoch(r)) || q->since > r->top) {
		*result = BUS_STORE_EPOCH;
		return (r->n);
	}
	if (q->since + 1 < place) {
		*result = BUS_STORE_GAP;
		return (first);
	}
	return (first + (uint32_t)(q->since + 1 - place));
}

static void
memory_look(struct memory *m, const struct store_read *q,
    struct store_page *out)
{
	struct memory_room *r = memory_asked(m, q);
	struct bus_page *p = &out->page;
	uint32_t first, start;

	buf_reset(&m->page);
	p->result = BUS_STORE_OK;
	if (r == NULL) {
		if (q->from == BUS_HISTORY_AFTER)
			p->result = BUS_STORE_EPOCH;
		return;
	}
	first = memory_beyond(r);
	p->epoch = memory_epoch(r);
	p->top = r->top;
	p->finished = r->finished;
	p->first = first < r->n ? r->top - r->n + 1 + first : 0;
	if (!memory_keyed_read(r, q, r->top - r->n + 1 + first, out)) {
		start = memory_start(r, q, first, &p->result);
		out->more = memory_copy(m, r, q, start);
	}
	p->frames = buf_unread(&m->page);
}

static void
memory_read(void *engine, const struct store_read *q)
{
	struct memory *m = engine;
	struct store_page out = { .asker = q->asker };

	CHECK_MAGIC(m, MEMORY_MAGIC);
	memory_look(m, q, &out);
	if (m->page.oom) {
		counter_add(COUNTER_memory_failures, 1);
		m->page.oom = false;
		out.page = (struct bus_page){
			.result = BUS_STORE_UNAVAILABLE };
		out.more = false;
	}
	q->done(q->arg, &out);
}

/* --- by and by ------------------------------------------------------------*/

static void
memory_conf(void *engine, uint64_t bytes)
{
	struct memory *m = engine;

	CHECK_MAGIC(m, MEMORY_MAGIC);
	m->p.bytes = bytes;
	m->look = TAILQ_FIRST(&m->all);
}

/* A room under another configuration. */
static void
memory_judge(struct memory *m, struct memory_room *r, unsigned *budget)
{
	struct store_key k = { memory_nsp(r), memory_name(r) };
	struct store_bounds bounds = r->bounds;

	if (!m->p.judge(m->p.arg, &k, &bounds)) {
		memory_end(r);
		return;
	}
	if (bounds.keys == 0 && r->keyed != NULL) {
		memory_end(r);		/* it is another room now */
		return;
	}
	memory_narrow(m, &k, &bounds);
	memory_bound(r, &bounds);
	memory_trim(r, 0, 0, budget);
}

static void
memory_turn(void *engine)
{
	struct memory *m = engine;
	unsigned budget = MEMORY_TURN, looks = MEMORY_LOOKS;
	struct memory_room *r;

	CHECK_MAGIC(m, MEMORY_MAGIC);
	while ((r = m->look) != NULL && looks-- > 0) {
		m->look = TAILQ_NEXT(r, all);
		memory_judge(m, r, &budget);
	}
	while ((r = TAILQ_FIRST(&m->due)) != NULL && budget > 0)
		memory_trim(r, 0, 0, &budget);
	memory_put_out(m, NULL, 0, &budget);
	if (!TAILQ_EMPTY(&m->gone))
		(void)memory_sweep(m, budget);
}

static bool
memory_busy(const void *engine)
{
	const struct memory *m = engine;

	return (m->look != NULL || !TAILQ_EMPTY(&m->due) ||
	    !TAILQ_EMPTY(&m->gone) || (m->bytes > m->p.bytes &&
	    !(TAILQ_EMPTY(&m->empty) && TAILQ_EMPTY(&m->full))));
}

/* --- birth and death ------------------------------------------------------*/

static uint64_t
memory_hash_of(const void *arg, const struct hashtab_link *l)
{
	const struct memory_room *r = (const void *)((const uint8_t *)l -
	    offsetof(struct memory_room, link));

	(void)arg;
	return (r->hash);
}

static void
memory_free(void *engine)
{
	struct memory *m = engine;

	CHECK_MAGIC(m, MEMORY_MAGIC);
	while (!TAILQ_EMPTY(&m->all))
		memory_end(TAILQ_FIRST(&m->all));
	while (!TAILQ_EMPTY(&m->gone))
		(void)memory_sweep(m, MEMORY_TURN);
	hashtab_fini(&m->table);
	buf_fini(&m->meta);
	buf_fini(&m->frame);
	buf_fini(&m->page);
	m->magic = 0;
	free(m);
}

static const struct store_engine memory_engine = {
	memory_append, memory_read, memory_conf, memory_turn, memory_busy,
	memory_save, memory_load, memory_free, memory_trim_to
};

struct store *
memory_new(const struct memory_params *p)
{
	struct memory *m = calloc(1, sizeof *m);
	uint64_t origin;

	if (m == NULL)
		return (NULL);
	if (getrandom(&m->key, sizeof m->key, 0) != (ssize_t)sizeof m->key ||
	    getrandom(&origin, sizeof origin, 0) != (ssize_t)sizeof origin) {
		free(m);
		return (NULL);
	}
	m->magic = MEMORY_MAGIC;
	m->p = *p;
	m->store = (struct store){ &memory_engine, m };
	(void)snprintf(m->origin, sizeof m->origin, "%012llx",
	    (unsigned long long)(origin & 0xffffffffffff));
	hashtab_init(&m->table, memory_hash_of, NULL);
	TAILQ_INIT(&m->empty);
	TAILQ_INIT(&m->full);
	TAILQ_INIT(&m->stay);
	TAILQ_INIT(&m->all);
	TAILQ_INIT(&m->due);
	TAILQ_INIT(&m->gone);
	buf_init(&m->meta);
	buf_init(&m->frame);
	buf_init(&m->page);
	memory_show(m);
	return (&m->store);
}
