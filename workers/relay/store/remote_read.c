/*
 * Questions for what is kept; see remote.h.  Where the room stands is known, and
 * what is asked for is at hand: the answer is made of that.  Else one question of
 * a room at a time goes to Redis, and many are answered by one.
 */
#include "relay/store/remote_int.h"

#include <stdlib.h>

#include "base/slotset.h"
#include "relay/redis/reply.h"
#include "shm/counters.h"

/* --- out of what is at hand -----------------------------------------------*/

/* So far back the newest that fit go: place of the oldest of them; 0: farther
 * than what is at hand. */
static uint64_t
read_last(const struct remote_room *r, const struct store_read *q)
{
	uint64_t bytes = 0;
	uint32_t i = r->n;

	while (i > 0 && r->n - i < q->limit) {
		bytes += remote_at(r, i - 1)->n;
		if (bytes > q->bytes && i < r->n)
			break;
		i--;
	}
	if (i == 0 && r->n < q->limit && r->top - r->n + 1 > remote_first(r))
		return (0);
	return (r->top - r->n + 1 + i);
}

/* Place of the first that the answer has; top + 1: none.  0: it is not at
 * hand. */
static uint64_t
read_start(const struct remote_room *r, const struct store_read *q,
    uint64_t *result)
{
	uint64_t first = remote_first(r), at;

	*result = BUS_STORE_OK;
	switch (q->from) {
	case BUS_HISTORY_TOP:
		return (r->top + 1);
	case BUS_HISTORY_LAST:
		return (read_last(r, q));
	case BUS_HISTORY_STATE:
	case BUS_HISTORY_KEY:
		return (0);
	case BUS_HISTORY_FIRST:
	case BUS_HISTORY_AFTER:
		break;
	}
	at = first;
	if (q->from == BUS_HISTORY_AFTER) {
		if (remote_is_keyed(r) && !remote_keyed_at_hand(r, q))
			return (0);
		if (!slice_eq(q->epoch, remote_epoch(r)) || q->since > r->top) {
			*result = BUS_STORE_EPOCH;
			return (r->top + 1);
		}
		if (q->since == 0 && r->base > 0) {
			*result = BUS_STORE_GAP;
			at = first > r->base ? first : r->base + 1;
		} else if (q->since + 1 < first)
			*result = BUS_STORE_GAP;
		else
			at = q->since + 1;
	}
	return (at > r->top || at >= r->top - r->n + 1 ? at : 0);
}

/* What is at hand is what there is, as far as can be known. */
static bool
read_knows(struct remote_room *r)
{
	return (r->known && (r->state == REMOTE_LIVE ||
	    (r->state == REMOTE_DEAF && !remote_up(r->m))));
}

/* Somebody here stands there now, and this host may hear of what follows only
 * later. */
static void
read_note_told(struct remote_room *r, const struct store_page *out)
{
	const struct bus_page *p = &out->page;

	if (r->state == REMOTE_LIVE || out->more ||
	    p->epoch.n >= sizeof r->told_epoch)
		return;
	if (r->told && !slice_eq(p->epoch, slice_of(r->told_epoch,
	    r->told_epoch_n)))
		r->told_odd = true;
	else if (!r->told || p->top < r->told_top) {
		r->told = true;
		r->told_top = p->top;
		r->told_epoch_n = (uint8_t)p->epoch.n;
		if (p->epoch.n != 0)
			memcpy(r->told_epoch, p->epoch.p, p->epoch.n);
	}
}

void
remote_read_say(struct remote_room *r, const struct store_read *q,
    struct store_page *out)
{
	struct remote *m = r->m;

	if (m->page.oom) {
		counter_add(COUNTER_memory_failures, 1);
		m->page.oom = false;
		out->page = (struct bus_page){
			.result = BUS_STORE_UNAVAILABLE };
		out->more = false;
	} else
		read_note_told(r, out);
	out->asker = q->asker;
	q->done(q->arg, out);
}

void
remote_read_refuse(const struct store_read *q)
{
	struct store_page no = { .asker = q->asker };

	no.page.result = BUS_STORE_UNAVAILABLE;
	q->done(q->arg, &no);
}

/* false: it is not at hand. */
static bool
read_at_hand(struct remote_room *r, const struct store_read *q)
{
	struct remote *m = r->m;
	struct store_page out = { .more = false };
	const struct remote_event *e;
	uint64_t at, n = 0, first;

	remote_age(r);
	at = read_start(r, q, &out.page.result);
	if (at == 0)
		return (false);
	buf_reset(&m->page);
	for (; at <= r->top; at++, n++) {
		e = remote_at(r, (uint32_t)(at - (r->top - r->n + 1)));
		out.more = n == q->limit || (n > 0 &&
		    m->page.wpos + e->n > q->bytes);
		if (out.more)
			break;
		buf_append(&m->page, e->frame, e->n);
	}
	counter_add(COUNTER_store_read_events, n);
	counter_add(COUNTER_store_read_at_hand, 1);
	first = remote_first(r);
	out.page.epoch = remote_epoch(r);
	out.page.top = r->top;
	out.page.first = first <= r->top ? first : 0;
	out.page.finished = r->finished && first <= r->top;
	out.page.frames = buf_unread(&m->page);
	remote_read_say(r, q, &out);
	return (true);
}

/* --- lines ----------------------------------------------------------------*/

void
remote_read_free(struct remote_read *d)
{
	d->room->m->nreads--;
	free(d->held);
	free(d);
}

static struct remote_read *
read_take(struct remote_room *r)
{
	struct remote_read *d = STAILQ_FIRST(&r->reads);

	STAILQ_REMOVE_HEAD(&r->reads, next);
	return (d);
}

static bool
read_wait(struct remote_room *r, const struct store_read *q)
{
	struct remote *m = r->m;
	struct remote_read *d = m->nreads >= REMOTE_READS ||
	    q->epoch.n > sizeof d->epoch ? NULL :
	    calloc(1, sizeof *d + q->of.n);

	if (d == NULL)
		return (false);
	d->room = r;
	d->q = *q;
	d->at_ms = remote_now(m);
	if (q->epoch.n != 0)
		memcpy(d->epoch, q->epoch.p, q->epoch.n);
	d->q.epoch = slice_of(d->epoch, q->epoch.n);
	if (q->of.n != 0)
		memcpy(d->of, q->of.p, q->of.n);
	d->q.of = slice_of(d->of, q->of.n);
	d->q.key = remote_key(r);
	STAILQ_INSERT_TAIL(&r->reads, d, next);
	m->nreads++;
	return (true);
}

void
remote_read_drop(struct remote_room *r)
{
	struct remote_read *d;

	STAILQ_CONCAT(&r->reads, &r->held);
	while (!STAILQ_EMPTY(&r->reads)) {
		d = read_take(r);
		remote_read_refuse(&d->q);
		remote_read_free(d);
	}
}

/* --- to Redis -------------------------------------------------------------*/

/* Many that wait are asking for about the same: the newest. */
static void
read_fetch(struct remote_room *r)
{
	struct remote_read *d = STAILQ_FIRST(&r->reads), *i;
	struct store_read last = { .from = BUS_HISTORY_LAST,
		.limit = REMOTE_PAGE, .bytes = REMOTE_PAGE_BYTES };
	struct remote_ask *a;

	if (r->reading || d == NULL)
		return;
	a = remote_ask_new(r, REMOTE_READ);
	if (a == NULL)
		return;
	/* the first is asked for as it is when that did not help it before */
	a->prime = r->state != REMOTE_LIVE && STAILQ_NEXT(d, next) != NULL &&
	    !d->primed && !remote_keyed_asks(r, &d->q);
	if (!a->prime && remote_keyed_asks(r, &d->q))
		a->script = REMOTE_KEYED_READ;
	STAILQ_FOREACH(i, &r->reads, next) {
		a->until++;
		i->primed |= a->prime;
	}
	r->reading = remote_ask_read(a, a->prime ? &last : &d->q);
	if (r->reading)
		counter_add(COUNTER_store_reads_redis, 1);
}

/* The relay itself has room. */
static bool
read_takes(const struct remote *m, unsigned slot)
{
	return (slot == 0 || m->p.takes(m->p.arg, slot));
}

static bool
read_is_same(const struct store_read *a, const struct store_read *b)
{
	return (a->from == b->from && a->since == b->since &&
	    a->limit == b->limit && a->bytes == b->bytes &&
	    slice_eq(a->of, b->of) &&
	    slice_eq(a->epoch, b->epoch));
}

/* What was kept there and cannot be read is as if it were not there any more. */
static bool
read_fill(struct remote_room *r, const struct remote_page *p,
    struct store_page *out)
{
	struct remote *m = r->m;
	uint64_t age_ms, result = p->result;
	size_t i;

	buf_reset(&m->page);
	for (i = 0; i < p->n; i++) {
		if (!remote_number(m, r, remote_page_entry(p, i, &age_ms),
		    p->epoch, p->start + i, true, NULL, NULL)) {
			if (result == BUS_STORE_OK)
				result = BUS_STORE_GAP;
			continue;
		}
		buf_slice(&m->page, buf_unread(&m->frame));
	}
	counter_add(COUNTER_store_read_events, p->n);
	out->page = (struct bus_page){ .result = result, .epoch = p->epoch,
		.top = p->top, .first = p->first,
		.finished = p->finished,
		.frames = buf_unread(&m->page) };
	out->more = p->more;
	/* the last one ends where what the workers were given ends */
	out->more |= r->journal && !read_knows(r);
	return (!m->page.oom);
}

/* Workers have been given all up to top, and nothing behind it; a page may have
 * been read before that, or after.  It is to end there, or say that there is more.
 * false: it has nothing to say. */
static bool
read_level(struct remote_room *r, struct remote_page *p,
    enum bus_history_from from)
{
	if (from == BUS_HISTORY_LAST || !read_knows(r) ||
	    !slice_eq(p->epoch, remote_epoch(r)))
		return (true);
	if (p->n == 0 && p->top < r->top)
		return (false);
	while (p->n > 0 && p->start + p->n - 1 > r->top)
		p->n--;
	p->more = p->n > 0 && p->start + p->n - 1 < r->top;
	p->top = r->top;
	p->finished = r->finished;
	if (p->first > p->top)
		p->first = 0;
	return (true);
}

/* For the first that waits, and those that ask the same; who cannot be given it
 * now asks again. */
static void
read_give(struct remote_room *r, struct remote_page *p, uint64_t until)
{
	struct remote *m = r->m;
	struct remote_read *d = STAILQ_FIRST(&r->reads);
	struct remote_reads left = STAILQ_HEAD_INITIALIZER(left);
	struct store_page out;
	struct remote_read first;

	if (d == NULL || !read_level(r, p, d->q.from))
		return;
	first = *d;
	first.q.epoch = slice_of(first.epoch, d->q.epoch.n);
	(void)read_fill(r, p, &out);
	for (; until > 0 && !STAILQ_EMPTY(&r->reads); until--) {
		d = read_take(r);
		if (!read_is_same(&d->q, &first.q) ||
		    !read_takes(m, d->q.asker.slot)) {
			STAILQ_INSERT_TAIL(&left, d, next);
			continue;
		}
		remote_read_say(r, &d->q, &out);
		remote_read_free(d);
	}
	STAILQ_CONCAT(&left, &r->reads);
	STAILQ_CONCAT(&r->reads, &left);
}

/* Those that asked before it was read are answered by the newest, if that is
 * enough for them. */
static void
read_prime(struct remote_room *r, const struct remote_page *p, uint64_t until)
{
	struct remote *m = r->m;
	struct remote_reads left = STAILQ_HEAD_INITIALIZER(left);
	struct remote_read *d;
	uint64_t age_ms;
	size_t i;

	if (r->state != REMOTE_IDLE)
		return;		/* another look at it is on its way */
	remote_stand(r, p->epoch, p->n > 0 ? p->start - 1 : p->top);
	r->first = p->first != 0 ? p->first : p->top + 1;
	r->base = p->base;
	for (i = 0; i < p->n; i++)
		if (remote_number(m, r, remote_page_entry(p, i, &age_ms),
		    p->epoch, p->start + i, true, NULL, NULL))
			remote_push(r, buf_unread(&m->frame), age_ms);
		else {
			remote_empty(r);
			r->top = p->start + i;
		}
	r->finished = p->finished;
	for (; until > 0 && !STAILQ_EMPTY(&r->reads); until--) {
		d = read_take(r);
		if (read_takes(m, d->q.asker.slot) &&
		    read_at_hand(r, &d->q))
			remote_read_free(d);
		else
			STAILQ_INSERT_TAIL(&left, d, next);
	}
	STAILQ_CONCAT(&left, &r->reads);
	STAILQ_CONCAT(&r->reads, &left);
	/* it is not heard: a moment later this is old */
	remote_empty(r);
	r->known = false;
}

/* The first, which has asked for it, hears that it cannot be had. */
static void
read_failed(struct remote_room *r)
{
	struct remote_read *d;

	counter_add(COUNTER_store_reads_failed, 1);
	if (STAILQ_EMPTY(&r->reads))
		return;
	d = read_take(r);
	remote_read_refuse(&d->q);
	remote_read_free(d);
}

static void
read_answered(struct remote_ask *a, const struct reply *o)
{
	struct remote_room *r = a->room;
	struct remote_page page;
	uint64_t until = a->until;
	bool prime = a->prime, verify = a->verify, good;
	bool keyed = a->script == REMOTE_KEYED_READ;

	remote_ask_free(a);
	good = o != NULL && (keyed ? remote_page_keyed(o, &page) :
	    remote_page(o, &page));
	if (good)
		r->checked = r->m->links;
	if (verify) {
		if (good)
			remote_in_page(r, &page);
		else if (r->state == REMOTE_ASKED)
			remote_in_deaf(r);	/* it is tried again */
		return;
	}
	r->reading = false;
	if (!good)
		read_failed(r);
	else if (keyed)
		remote_keyed_give(r, &page);
	else if (prime)
		read_prime(r, &page, until);
	else
		read_give(r, &page, until);
	if (!STAILQ_EMPTY(&r->reads))
		remote_work(r);
}

void
remote_read_answer(struct remote_ask *a, const struct reply *o)
{
	struct remote_room *r = a->room;
	struct remote_read *d = STAILQ_FIRST(&r->reads);
	struct store_read q = { .from = BUS_HISTORY_LAST,
		.limit = REMOTE_PAGE, .bytes = REMOTE_PAGE_BYTES };

	if (o == NULL || !reply_is_error(o, SLICE("NOSCRIPT")) || a->whole) {
		read_answered(a, o);
		return;
	}
	a->whole = true;
	if (a->verify && r->known) {
		q.from = BUS_HISTORY_AFTER;
		q.epoch = remote_epoch(r);
		q.since = r->top;
	} else if (!a->verify && !a->prime) {
		if (d == NULL) {
			remote_ask_free(a);
			r->reading = false;
			return;
		}
		q = d->q;
	}
	if (remote_ask_read(a, &q))
		return;
	/* the link is gone: with the next tick */
	r->reading = false;
	if (r->state == REMOTE_ASKED)
		remote_in_deaf(r);
	remote_work(r);
}

/* --- what is asked --------------------------------------------------------*/

/* It is not about to be known by itself. */
static bool
read_may_fetch(struct remote_room *r)
{
	return (remote_up(r->m) && (r->state == REMOTE_IDLE ||
	    r->state == REMOTE_LIVE || !remote_hears(r)));
}

/* Its client comes from a host that has heard more. */
static bool
read_is_ahead(const struct remote_room *r, const struct store_read *q)
{
	return (r->journal && r->known && q->from == BUS_HISTORY_AFTER &&
	    q->since > r->top && slice_eq(q->epoch, remote_epoch(r)));
}

void
remote_read(void *engine, const struct store_read *q)
{
	struct remote *m = engine;
	struct remote_room *r;

	CHECK_MAGIC(m, REMOTE_MAGIC);
	r = remote_get(m, &q->key, &q->bounds);
	if (r != NULL && read_is_ahead(r, q))
		remote_in_behind(r);
	/* who is about to be in it is told by the journal what follows */
	if (r != NULL && r->twin && r->state == REMOTE_IDLE &&
	    m->p.any(m->p.arg, &q->key))
		remote_interest(m, &q->key, true);
	if (r != NULL && read_knows(r) && read_at_hand(r, q))
		return;
	if (r == NULL || m->link.redis == NULL || !remote_up(m) ||
	    (r->journal && !remote_hears(r)) ||
	    !read_wait(r, q)) {
		counter_add(COUNTER_store_reads_failed, 1);
		remote_read_refuse(q);
		return;
	}
	if (read_may_fetch(r))
		read_fetch(r);
	remote_work(r);
}

bool
remote_read_look(struct remote_room *r)
{
	uint64_t now_ms = remote_now(r->m);
	struct remote_read *d;

	remote_keyed_look(r);
	while ((d = STAILQ_FIRST(&r->reads)) != NULL &&
	    (now_ms - d->at_ms > REMOTE_READ_MS || !remote_up(r->m))) {
		(void)read_take(r);
		counter_add(COUNTER_store_reads_failed, 1);
		remote_read_refuse(&d->q);
		remote_read_free(d);
	}
	if (d != NULL && read_may_fetch(r))
		read_fetch(r);
	return (!STAILQ_EMPTY(&r->reads) || !STAILQ_EMPTY(&r->held));
}

/* --- those that can be answered now ---------------------------------------*/

void
remote_read_ready(struct remote_room *r)
{
	struct remote *m = r->m;
	struct remote_reads left = STAILQ_HEAD_INITIALIZER(left);
	struct remote_read *d;

	while (!STAILQ_EMPTY(&r->reads)) {
		d = read_take(r);
		if (d->q.asker.slot == 0) {	/* the relay's own */
			if (read_knows(r) && read_at_hand(r, &d->q))
				remote_read_free(d);
			else
				STAILQ_INSERT_TAIL(&left, d, next);
			continue;
		}
		STAILQ_INSERT_TAIL(&m->ready[d->q.asker.slot], d, next);
		slotset_add(m->ready_slots, d->q.asker.slot);
		r->nready++;
	}
	STAILQ_CONCAT(&r->reads, &left);
}

static void
read_serve(struct remote *m, unsigned slot)
{
	struct remote_read *d = STAILQ_FIRST(&m->ready[slot]);
	struct remote_room *r = d->room;

	STAILQ_REMOVE_HEAD(&m->ready[slot], next);
	if (STAILQ_EMPTY(&m->ready[slot]))
		slotset_drop(m->ready_slots, slot);
	r->nready--;
	if (read_knows(r) && read_at_hand(r, &d->q)) {
		remote_read_free(d);
		return;
	}
	STAILQ_INSERT_TAIL(&r->reads, d, next);
	if (read_may_fetch(r))
		read_fetch(r);
	remote_work(r);
}

/* The next in turn; 0: none. */
static unsigned
read_next_slot(const struct remote *m)
{
	uint64_t left[2] = { m->ready_slots[0], m->ready_slots[1] };
	unsigned slot, first = 0;

	while ((slot = slotset_take(left)) != 0) {
		if (!m->p.takes(m->p.arg, slot))
			continue;
		if (first == 0)
			first = slot;
		if (slot > m->last)
			return (slot);
	}
	return (first);
}

void
remote_read_turn(struct remote *m)
{
	unsigned slot;

	while ((slot = read_next_slot(m)) != 0) {
		m->last = slot;
		read_serve(m, slot);
	}
}

bool
remote_read_busy(const struct remote *m)
{
	return (read_next_slot(m) != 0);
}

void
remote_worker_gone(struct remote *m, unsigned slot)
{
	struct remote_read *d;

	CHECK_MAGIC(m, REMOTE_MAGIC);
	while ((d = STAILQ_FIRST(&m->ready[slot])) != NULL) {
		STAILQ_REMOVE_HEAD(&m->ready[slot], next);
		d->room->nready--;
		remote_read_free(d);
	}
	slotset_drop(m->ready_slots, slot);
}
