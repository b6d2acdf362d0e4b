/*
 * What comes of rooms with members here, in the order of its places: by the
 * channel, by answers to what was appended here, and, where something is
 * missing, by reading it.  See remote.h.
 */
#include "relay/store/remote_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "relay/store/number.h"
#include "relay/redis/reply.h"
#include "shm/counters.h"

/* --- what came too early --------------------------------------------------*/

static void
in_drop_early(struct remote_room *r, struct remote_early *e)
{
	TAILQ_REMOVE(&r->early, e, next);
	r->early_bytes -= e->n;
	free(e);
	if (TAILQ_EMPTY(&r->early))
		r->hole_ms = 0;
}

static void
in_no_early(struct remote_room *r)
{
	while (!TAILQ_EMPTY(&r->early))
		in_drop_early(r, TAILQ_FIRST(&r->early));
}

/* In its place; a second one of the same is dropped. */
static void
in_put_early(struct remote_room *r, struct slice frame, uint64_t place,
    const struct store_asker *ours, bool given)
{
	struct remote_early *e, *before;

	if (r->early_bytes + frame.n > REMOTE_AHEAD_BYTES) {
		r->missed = true;
		return;
	}
	TAILQ_FOREACH_REVERSE(before, &r->early, remote_earlies, next)
		if (before->place <= place)
			break;
	if (before != NULL && before->place == place)
		return;
	e = malloc(sizeof *e + frame.n);
	if (e == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		r->missed = true;
		return;
	}
	e->place = place;
	e->ours = ours != NULL;
	e->given = given;
	e->twice = r->journal && r->m->twice;
	if (ours != NULL)
		e->asker = *ours;
	e->n = (uint32_t)frame.n;
	memcpy(e->frame, frame.p, frame.n);
	if (before == NULL)
		TAILQ_INSERT_HEAD(&r->early, e, next);
	else
		TAILQ_INSERT_AFTER(&r->early, before, e, next);
	r->early_bytes += e->n;
	if (r->hole_ms == 0)
		r->hole_ms = remote_now(r->m);
	remote_work(r);
}

/* --- to the workers -------------------------------------------------------*/

static bool
in_is_next(const struct remote_room *r, struct slice epoch, uint64_t place)
{
	return (r->known && slice_eq(epoch, remote_epoch(r)) &&
	    place == r->top + 1);
}

/* What is in m->frame. */
static void
in_place(struct remote_room *r, const struct store_asker *from)
{
	struct remote *m = r->m;
	struct store_key k = remote_key(r);

	m->p.place(m->p.arg, &k, from, &m->frame);
}

/* It is at hand, but was read there: no worker has been given it, for all that is
 * known. */
static bool
in_is_new(const struct remote_room *r, uint64_t place)
{
	return (place <= r->fresh_top);
}

static void
in_give_early(struct remote_room *r, const struct remote_early *e)
{
	struct remote *m = r->m;

	if (e->given)
		return;
	buf_reset(&m->frame);
	buf_append(&m->frame, e->frame, e->n);
	m->twice = e->twice;
	if (!m->frame.oom) {
		remote_follow(r);
		in_place(r, e->ours ? &e->asker : NULL);
	}
	m->frame.oom = false;
}

void
remote_in_drain(struct remote_room *r)
{
	struct remote_early *e;

	while ((e = TAILQ_FIRST(&r->early)) != NULL && r->known &&
	    e->place <= r->top + 1) {
		if (e->place == r->top + 1) {
			remote_push(r, slice_of(e->frame, e->n), 0);
			in_give_early(r, e);
		} else if (in_is_new(r, e->place))
			in_give_early(r, e);
		in_drop_early(r, e);
	}
}

/* The room is in another epoch: it is looked at where it stands. */
static void
in_change(struct remote_room *r)
{
	in_no_early(r);
	r->missed = true;
	if (r->state == REMOTE_LIVE) {
		r->state = REMOTE_DEAF;
		r->ended = true;
	}
	remote_work(r);
}

bool
remote_in_accept(struct remote_room *r, struct slice frame, struct slice epoch, uint64_t place,
    const struct store_asker *ours, bool given)
{
	bool same = r->known && slice_eq(epoch, remote_epoch(r));

	if (in_is_next(r, epoch, place)) {
		remote_push(r, frame, 0);
		return (true);
	}
	if (same && place <= r->top)
		return (in_is_new(r, place));
	/* of a journal it may be one that is over: what follows is not known, and
	 * who then finds the other again would be told all of it once more */
	if (r->known && !same && place == 1 && !r->journal) {
		in_no_early(r);
		remote_stand(r, epoch, 0);
		remote_push(r, frame, 0);
		return (true);
	}
	if (r->known && !same) {
		in_change(r);
		/* a worker knows by its place what it has of a room, but not of a
		 * journal: that is read, from where its epoch begins */
		return (!r->journal);
	}
	in_put_early(r, frame, place, ours, given);
	return (false);
}

bool
remote_in_ours(struct remote_room *r, uint64_t place,
    const struct store_asker *asker, struct slice epoch)
{
	/* whoever is here has just come: the workers have places of their own */
	if (r->state == REMOTE_IDLE)
		return (true);
	if (!remote_in_accept(r, buf_unread(&r->m->frame), epoch, place, asker, false))
		return (false);
	remote_follow(r);
	return (true);
}

/* --- the channel ----------------------------------------------------------*/

static bool
in_is_ours(const struct remote *m, struct slice token)
{
	char own[64];

	(void)snprintf(own, sizeof own, "%016llx.%s.",
	    (unsigned long long)m->link.node_id, m->origin);
	return (slice_starts(token, slice_str(own)));
}

static void
in_hear(struct remote *m, const struct store_key *k, struct slice epoch,
    uint64_t place)
{
	struct remote_room *r = remote_find(m, k);
	struct store_bounds bounds;

	if (r == NULL || r->state == REMOTE_IDLE) {
		if (!m->p.any(m->p.arg, k))
			return;
		/* by this host's configuration, nothing is kept of it */
		if (!m->p.judge(m->p.arg, k, &bounds)) {
			m->p.place(m->p.arg, k, NULL, &m->frame);
			return;
		}
		remote_interest(m, k, true);
		r = remote_find(m, k);
		if (r == NULL)
			return;
	}
	if (remote_in_accept(r, buf_unread(&m->frame), epoch, place, NULL, false)) {
		remote_follow(r);
		in_place(r, NULL);
	}
	remote_in_drain(r);
}

bool
remote_hear(struct remote *m, struct slice payload,
    const struct store_key *journal)
{
	const struct remote_room *r = journal == NULL ? NULL :
	    remote_find(m, journal);
	struct remote_batch b;
	struct store_key k;
	struct slice entry;
	bool bad;

	CHECK_MAGIC(m, REMOTE_MAGIC);
	if (!remote_batch(payload, &b))
		return (false);
	if (in_is_ours(m, b.token) || (journal != NULL && r == NULL))
		return (true);
	while (remote_batch_next(&b, &entry, &bad)) {
		if (!remote_number(m, r, entry, b.epoch, b.place, true, NULL,
		    &k))
			return (false);
		if (journal != NULL)
			k = *journal;
		counter_add(COUNTER_store_heard, 1);
		in_hear(m, &k, b.epoch, b.place++);
	}
	return (!bad);
}

/* --- looking where it stands ----------------------------------------------*/

static void
in_ask(struct remote_room *r)
{
	struct store_read q = { .from = r->known ? BUS_HISTORY_AFTER :
	    BUS_HISTORY_LAST, .epoch = remote_epoch(r), .since = r->top,
		.limit = REMOTE_PAGE, .bytes = REMOTE_PAGE_BYTES };
	struct remote_ask *a = remote_ask_new(r, REMOTE_READ);

	/* if it cannot be asked now, it is with a later tick */
	r->state = REMOTE_DEAF;
	r->levels = false;
	remote_work(r);
	if (a == NULL)
		return;
	if (!r->known)
		q.epoch = slice_of(NULL, 0);
	a->verify = true;
	r->look_ms = remote_now(r->m);
	if (remote_ask_read(a, &q)) {
		r->missed = false;
		r->state = REMOTE_ASKED;
		counter_add(COUNTER_store_looks, 1);
	}
}

/* Who stands somewhere, and may have missed what came since, is to look. */
static void
in_tell(struct remote_room *r)
{
	struct store_key k = remote_key(r);

	/* of keys there are questions by who stands nowhere, or somewhere else */
	if (!r->journal && !remote_is_keyed(r) && r->told && !r->told_odd && r->told_top == r->top &&
	    slice_eq(slice_of(r->told_epoch, r->told_epoch_n),
	    remote_epoch(r)))
		return;
	r->m->p.stands(r->m->p.arg, &k, remote_epoch(r), r->top);
}

/* Entries that follow top: into what is at hand, and to the workers. */
static void
in_entries(struct remote_room *r, const struct remote_page *p, bool give)
{
	struct remote *m = r->m;
	uint64_t age_ms;
	struct slice entry;
	size_t i;

	for (i = 0; i < p->n; i++) {
		entry = remote_page_entry(p, i, &age_ms);
		if (p->start + i <= r->top)
			continue;	/* it has come meanwhile */
		if (!remote_number(m, r, entry, p->epoch, p->start + i, true,
		    NULL, NULL)) {
			/* what is none is nothing */
			remote_empty(r);
			r->top = p->start + i;
			continue;
		}
		remote_push(r, buf_unread(&m->frame), age_ms);
		if (give && r->twin)
			r->told_odd = true;	/* by the journal, or not at
						 * all */
		else if (give) {
			remote_follow(r);
			in_place(r, NULL);
			counter_add(COUNTER_store_fetched, 1);
		}
	}
}

static void
in_live(struct remote_room *r)
{
	r->told = r->told_odd = r->fresh = r->ended = false;
	r->look_ms = remote_now(r->m);
	r->state = remote_hears(r) ? REMOTE_LIVE : REMOTE_DEAF;
	remote_in_drain(r);
	if (r->missed)
		in_ask(r);
	else
		remote_read_ready(r);
}

/* A journal is in another epoch, and what there was of the one before, behind top,
 * cannot be had: nobody here has it. */
static void
in_cut(struct remote_room *r, const struct remote_page *p)
{
	struct store_key k = remote_key(r);

	if (r->journal && (!r->ended || p->base > r->top))
		r->m->p.stands(r->m->p.arg, &k, remote_epoch(r),
		    p->base > r->top ? p->base : r->top + 1);
}

/* Behind which place of an epoch that it is in now nothing was given here. */
static uint64_t
in_begin(struct remote_room *r, const struct remote_page *p)
{
	uint64_t from = p->base, top = r->top;

	if (!r->journal)
		return (from);
	if (r->left_epoch_n != 0 && slice_eq(p->epoch,
	    slice_of(r->left_epoch, r->left_epoch_n)) &&
	    from < r->left_top && r->left_top <= p->top)
		from = r->left_top;
	r->left_epoch_n = r->epoch_n;
	memcpy(r->left_epoch, r->epoch, sizeof r->left_epoch);
	r->left_top = top;
	return (from);
}

static void
in_settle(struct remote_room *r)
{
	r->levels = false;
	if (r->fresh || r->told_odd || r->journal)
		in_tell(r);
	in_live(r);
}

void
remote_in_page(struct remote_room *r, const struct remote_page *p)
{
	bool was = r->known, same = was && slice_eq(p->epoch, remote_epoch(r));

	if (r->state != REMOTE_ASKED)
		return;		/* nobody is here any more, or it is deaf */
	if (was && !same) {
		in_no_early(r);
		in_cut(r, p);
		remote_stand(r, p->epoch, in_begin(r, p));
		counter_add(COUNTER_store_anew, 1);
	} else if (!was || p->result != BUS_STORE_OK)
		remote_stand(r, p->epoch, p->n > 0 ? p->start - 1 : p->top);
	if (r->journal && was && (!same || p->result != BUS_STORE_OK))
		remote_miss_twins(r);	/* they were told of it by this */
	r->first = p->first != 0 ? p->first : p->top + 1;
	r->base = p->base;
	r->told_odd |= was && (!same || p->result != BUS_STORE_OK);
	r->fresh |= !was;
	if (same || !was)
		in_entries(r, p, same && p->result == BUS_STORE_OK);
	if (r->top < p->top) {
		in_ask(r);
		return;
	}
	if (r->top == p->top)
		r->finished = p->finished;
	if (r->fresh && !r->twin)
		r->fresh_top = r->top;
	if (r->twin)
		remote_note_level(r, p);
	if (!r->twin || remote_is_level(r))
		in_settle(r);
	remote_work(r);
}

void
remote_in_behind(struct remote_room *r)
{
	if (r->state != REMOTE_LIVE)
		return;
	r->state = REMOTE_DEAF;
	r->ended = true;
	in_ask(r);
	remote_work(r);
}

void
remote_in_deaf(struct remote_room *r)
{
	in_no_early(r);
	r->levels = r->ended = false;
	if (r->state != REMOTE_IDLE) {
		r->state = REMOTE_DEAF;
		remote_work(r);
	}
}

bool
remote_in_look(struct remote_room *r)
{
	uint64_t now_ms = remote_now(r->m);

	if (r->state == REMOTE_IDLE)
		return (false);
	if (r->levels && remote_is_level(r))
		in_settle(r);
	else if (r->levels && remote_look_odd(r))
		in_ask(r);
	if (r->state == REMOTE_LIVE && (r->missed || (r->hole_ms != 0 &&
	    now_ms - r->hole_ms > REMOTE_HOLE_MS)))
		r->state = REMOTE_DEAF;
	if (r->state == REMOTE_DEAF && remote_up(r->m) &&
	    (remote_hears(r) || now_ms - r->look_ms > REMOTE_DEAF_MS))
		in_ask(r);
	return (r->state != REMOTE_LIVE || !TAILQ_EMPTY(&r->early));
}

void
remote_interest(struct remote *m, const struct store_key *k, bool any)
{
	struct store_bounds bounds;
	struct remote_room *r = remote_find(m, k);

	CHECK_MAGIC(m, REMOTE_MAGIC);
	if (!any) {
		if (r == NULL)
			return;
		in_no_early(r);
		remote_empty(r);
		r->state = REMOTE_IDLE;
		r->known = r->told = r->told_odd = r->levels = false;
		return;
	}
	if (!m->p.judge(m->p.arg, k, &bounds))
		return;
	r = remote_get(m, k, &bounds);
	if (r == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return;
	}
	if (r->state != REMOTE_IDLE)
		return;
	remote_empty(r);
	r->known = false;
	r->state = REMOTE_DEAF;
	r->look_ms = remote_now(m);
	if (remote_hears(r))
		in_ask(r);
	remote_work(r);
}

void
remote_missed(struct remote *m, const struct store_key *k)
{
	struct remote_room *r;

	CHECK_MAGIC(m, REMOTE_MAGIC);
	m->links++;
	if (k != NULL) {
		r = remote_find(m, k);
		if (r != NULL)
			remote_in_deaf(r);
		return;
	}
	TAILQ_FOREACH(r, &m->used, used)
		remote_in_deaf(r);
}
