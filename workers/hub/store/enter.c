/*
 * Joins that wait for what was kept; see enter.h.  Called by service.c.
 */
#include "hub/store/enter.h"

#include <stdlib.h>

#include "hub/audience/fanout.h"
#include "hub/audience/room.h"
#include "hub/audience/sids.h"
#include "hub/publish/publish.h"
#include "hub/session/client.h"
#include "hub/store/document.h"
#include "hub/store/heal.h"
#include "hub/store/history.h"
#include "hub/store/lag.h"
#include "hub/store/store_int.h"
#include "hub/store/waiter.h"

#define ENTER_MAX_MS	60000	/* for all pages, whatever the client reads */

struct enter {
	struct history_ask ask;
	struct waiter	 waiter;
	TAILQ_ENTRY(enter) slow;
	const struct conf_namespace *ns;
	struct room	*room;		/* held */
	enum refused	 (*may)(const struct session *, struct slice);
	struct since	 since;		/* told up to there */
	bool		 asked;		/* the client has named a place */
	bool		 missed;	/* something is not there any more */
	bool		 told;		/* ... as it has heard */
	bool		 appointed;	/* it has not asked for the room itself */
	bool		 keyed;		/* it is given what is there, wherever it
					 * was, */
	bool		 opens;		/* ... in that form */
	uint64_t	 keys;		/* so many, so far */
	bool		 behind;	/* another one of the client goes first */
	bool		 is_slow;
	uint64_t	 until_us;
	size_t		 raw_len;
	uint8_t		*raw;		/* the room as it was written, behind: */
	uint8_t		 bytes[];	/* the ack's */
};

/* --- the answer ------------------------------------------------------------ */

/* Who did not ask by an event of its own hears of it by one, which has no name
 * where nothing has. */
static bool
enter_hears(const struct session *s, bool appointed)
{
	return (s->wire == WIRE_SSE || (appointed && wire_has_names(s->wire)));
}

/* To a stream, with the place as its id. */
static void
enter_joined(struct session *s, const struct buf *b, const struct room *r,
    const struct since *at)
{
	struct publication p = { .event = SLICE("\"roost:joined\""),
		.nsp = slice_of(s->ns->name, s->ns->name_len),
		.args = buf_unread(b), .first = buf_unread(b) };

	if (b->oom) {
		counter_add(COUNTER_dropped_memory, 1);
		return;
	}
	if (at->given) {
		p.room = room_name(r);
		p.epoch = since_epoch(at);
		p.kept = at->offset;
	}
	(void)fanout_session(s->hub, s, &p);
}

/* Up to where the session has what the room keeps.  false: that is not known. */
static bool
enter_at(const struct session *s, const struct room *r, struct since *at)
{
	const struct membership *m = room_membership(s, ROOM_NAMED,
	    room_name(r));

	*at = (struct since){ .given = false };
	if (m != NULL && m->lags)
		*at = *lag_place(m);
	else if (place_known(s->hub, r) && !r->place->healing)
		since_set(at, place_epoch(r->place), r->place->last);
	return (at->given);
}

/* Where it stands, if that is known.  keys: of a document that it opens; or NULL. */
static void
enter_ack(struct session *s, const struct inbound *in, struct slice raw,
    const struct room *r, bool recovered, bool appointed,
    const uint64_t *keys)
{
	struct since at;
	bool known = enter_at(s, r, &at);
	struct buf b;

	buf_init(&b);
	if (keys != NULL) {
		document_ack(&b, raw, &at, *keys, recovered);
		refuse_or_ack(s, in, &b);
		buf_fini(&b);
		return;
	}
	buf_str(&b, "{\"room\":");
	buf_slice(&b, raw);
	if (known) {
		buf_str(&b, ",\"epoch\":\"");
		buf_slice(&b, since_epoch(&at));
		buf_str(&b, "\",\"offset\":");
		buf_u64(&b, at.offset);
		if (r->place != NULL && r->place->finished)
			buf_str(&b, ",\"finished\":true");
	}
	buf_str(&b, recovered ? ",\"recovered\":true}" :
	    ",\"recovered\":false}");
	if (enter_hears(s, appointed))
		enter_joined(s, &b, r, &at);
	else
		refuse_or_ack(s, in, &b);
	buf_fini(&b);
}

/* What was between the place that it has named and what comes next is not there
 * any more: a stream hears of it at once, for the ids that follow say nothing. */
static void
enter_tell_gap(struct session *s, struct enter *e, const struct since *from)
{
	struct buf b;

	if (!e->missed || !e->asked || e->told ||
	    !enter_hears(s, e->appointed))
		return;
	e->told = true;
	buf_init(&b);
	buf_str(&b, "{\"room\":");
	buf_slice(&b, slice_of(e->raw, e->raw_len));
	if (from->given) {
		buf_str(&b, ",\"epoch\":\"");
		buf_slice(&b, since_epoch(from));
		buf_str(&b, "\",\"offset\":");
		buf_u64(&b, from->offset);
	}
	buf_byte(&b, '}');
	session_emit_buf(s, SLICE("\"roost:gap\""), &b);
	buf_fini(&b);
}

static bool
enter_is_there(const struct hub *h, const struct room *r,
    const struct since *since)
{
	return (place_known(h, r) && !r->place->healing &&
	    (!since->given || (since->offset == r->place->last &&
	    slice_eq(since_epoch(since), place_epoch(r->place)))));
}

static bool
enter_has_room(const struct session *s, const struct inbound *in,
    unsigned waiting)
{
	if (s->nrooms + waiting < s->hub->conf->rooms_per_session)
		return (true);
	counter_add(COUNTER_joins_refused, 1);
	refuse((struct session *)(uintptr_t)s, in, REFUSED_LIMIT,
	    "in %u rooms already", s->nrooms + waiting);
	return (false);
}

/* It becomes a member. */
static bool
enter_now(struct session *s, const struct inbound *in, struct room *r,
    struct slice raw, bool recovered, bool appointed, const uint64_t *keys)
{
	if (!room_join(s->hub, s, ROOM_NAMED, room_name(r))) {
		refuse_memory(s, in);
		return (false);
	}
	room_membership(s, ROOM_NAMED, room_name(r))->asked = !appointed;
	enter_ack(s, in, raw, r, recovered, appointed, keys);
	return (true);
}

void
enter_again(struct session *s, const struct inbound *in,
    const struct enter_ask *a)
{
	const struct room *r = room_find(s->hub, s->ns->index, ROOM_NAMED,
	    a->name);
	const uint64_t none = 0;
	struct since at;

	enter_ack(s, in, a->raw, r, a->since.given && enter_at(s, r, &at) &&
	    a->since.offset == at.offset && slice_eq(since_epoch(&a->since),
	    since_epoch(&at)), false, a->opens ? &none : NULL);
}

/* --- those that wait ------------------------------------------------------- */

static struct enter *
enter_of(const struct waiter *w)
{
	return (container_of((struct waiter *)(uintptr_t)w, struct enter,
	    waiter));
}

static void
enter_drop(struct hub *h, struct enter *e)
{
	if (e->is_slow)
		TAILQ_REMOVE(&h->store->slow, e, slow);
	waiter_end(h, &e->waiter);
	room_release(h, &e->room);
	free(e);
}

static void
enter_wait_slow(struct hub *h, struct enter *e)
{
	e->is_slow = true;
	TAILQ_INSERT_TAIL(&h->store->slow, e, slow);
}

/* Those that are given what was kept; this client's, in turn or not.  NULL: none. */
static struct enter *
enter_given(const struct hub *h, uint32_t serial, bool behind)
{
	const struct waiter *w = NULL;
	struct enter *e;

	while ((w = waiter_of(h, serial, w)) != NULL)
		if (w->kind == WAITER_ENTER && (e = enter_of(w))->behind ==
		    behind && e->since.given)
			return (e);
	return (NULL);
}

static bool enter_ask_on(struct hub *, struct enter *);
static bool enter_is_slow(const struct session *);

/* All that one client is about to join would be more than may be queued for it: so
 * the next one begins when another has come to its end. */
static void
enter_next(struct hub *h, uint32_t serial)
{
	const struct session *s;
	struct enter *e;

	if (enter_given(h, serial, false) != NULL)
		return;
	while ((e = enter_given(h, serial, true)) != NULL) {
		e->behind = false;
		s = waiter_session(h, &e->waiter);
		if (s == NULL) {
			enter_drop(h, e);
			continue;
		}
		if (h->now.us > e->until_us || enter_is_slow(s) ||
		    !enter_ask_on(h, e))
			enter_wait_slow(h, e);	/* the tick goes on */
		return;
	}
}

static void
enter_free(struct hub *h, struct enter *e)
{
	uint32_t serial = e->waiter.serial;

	enter_drop(h, e);
	enter_next(h, serial);
}

static void
enter_count(const struct enter *e, bool all)
{
	if (e->asked)
		counter_add(all ? COUNTER_history_replays :
		    COUNTER_history_replays_partial, 1);
}

/* The session goes into the room, or what it was told is all. */
static void
enter_finish(struct hub *h, struct enter *e, struct session *s)
{
	struct inbound in = { .ack = e->waiter.ack };
	struct slice raw = slice_of(e->raw, e->raw_len);
	enum refused why;

	if (room_membership(s, ROOM_NAMED, room_name(e->room)) != NULL) {
		/* a back end was faster: what came since came to it, but
		 * not what was before */
		e->missed = true;
		enter_count(e, false);
		enter_tell_gap(s, e, &e->since);
		enter_ack(s, &in, raw, e->room, false, e->appointed,
		    e->opens ? &e->keys : NULL);
	} else if ((why = e->may(s, room_name(e->room))) != REFUSED_NONE) {
		counter_add(COUNTER_joins_refused, 1);
		refuse(s, &in, why, "you may not join this room");
	} else if (enter_has_room(s, &in, 0)) {
		enter_count(e, !e->missed);
		enter_tell_gap(s, e, &e->since);
		(void)enter_now(s, &in, e->room, raw, e->asked && !e->missed,
		    e->appointed, e->opens ? &e->keys : NULL);
	}
	enter_free(h, e);
}

/* There is no answer, or none in time. */
static void
enter_unheard(struct hub *h, struct enter *e, struct session *s)
{
	e->missed = true;
	counter_add(COUNTER_history_joins_unheard, 1);
	enter_finish(h, e, s);
}

static bool
enter_ask_on(struct hub *h, struct enter *e)
{
	struct history_part part = {
		.from = e->since.given ? BUS_HISTORY_AFTER :
		    e->keyed ? BUS_HISTORY_STATE : BUS_HISTORY_TOP,
		.epoch = since_epoch(&e->since), .since = e->since.offset,
		.limit = STORE_PAGE_EVENTS,
		.bytes = h->conf->send_queue_bytes / 4 };

	return (history_ask(h, &e->ask, e->ns, room_name(e->room), &part));
}

/* --- pages ----------------------------------------------------------------- */

static void
enter_replay(struct enter *e, struct session *s,
    const struct bus_envelope *page)
{
	static struct bus_envelope one;	/* large; one at a time */
	struct slice frames = page->page.frames, raw = { e->raw, e->raw_len };
	struct document_page d;
	struct publication p;
	struct audience a;
	bool whole = !e->since.given || history_has_gap(page);

	e->missed |= history_has_gap(page) || (e->since.given && !e->keyed &&
	    e->since.epoch_len == 0 && history_lacks_first(page));
	enter_tell_gap(s, e, &e->since);
	document_page_begin(&d, e->opens, raw, page->page.epoch, whole);
	while (history_next(&frames, &one)) {
		p = publish_received(&one);
		a = publish_receivers(&one);
		since_set(&e->since, one.publish.epoch, one.publish.kept);
		if (document_page_add(&d, &p))
			continue;
		if (!history_excepts(s, &a) &&
		    !fanout_session(s->hub, s, &p))
			e->missed = true;
	}
	e->keys += d.n;
	document_page_end(&d, s);
}

static bool
enter_is_slow(const struct session *s)
{
	return (outq_bytes(s->out) > s->hub->conf->send_queue_bytes / 4);
}

static void
enter_page(struct hub *h, struct history_ask *a, const struct bus_envelope *page)
{
	struct enter *e = container_of(a, struct enter, ask);
	struct session *s = waiter_session(h, &e->waiter);
	bool more;

	if (s == NULL) {
		enter_free(h, e);
		return;
	}
	if (page == NULL || h->now.us > e->until_us) {
		enter_unheard(h, e, s);
		return;
	}
	/* a back end was faster; or it may not be told this any more */
	if (room_membership(s, ROOM_NAMED, room_name(e->room)) != NULL ||
	    e->may(s, room_name(e->room)) != REFUSED_NONE) {
		enter_finish(h, e, s);
		return;
	}
	more = (page->flags & BUS_MORE) != 0;
	if (!more && !heal_is_level(h, e->ns, e->room, page)) {
		/* its answer is behind that to what the others miss */
		if (!enter_ask_on(h, e))
			enter_unheard(h, e, s);
		return;
	}
	enter_replay(e, s, page);
	if (!more) {
		if (place_set(h, e->room, page->page.epoch, page->page.top))
			place_finish(e->room, page->page.finished);
		enter_finish(h, e, s);
	} else if (enter_is_slow(s))
		enter_wait_slow(h, e);
	else if (!enter_ask_on(h, e))
		enter_unheard(h, e, s);
}

/* Those whose clients have read what they were told. */
void
enter_tick(struct hub *h)
{
	struct enter *e, *next;
	struct session *s;

	for (e = TAILQ_FIRST(&h->store->slow); e != NULL; e = next) {
		next = TAILQ_NEXT(e, slow);
		s = waiter_session(h, &e->waiter);
		if (s == NULL) {
			enter_free(h, e);
			continue;
		}
		if (h->now.us <= e->until_us && enter_is_slow(s))
			continue;
		TAILQ_REMOVE(&h->store->slow, e, slow);
		e->is_slow = false;
		if (h->now.us > e->until_us || !enter_ask_on(h, e))
			enter_unheard(h, e, s);
	}
}

/* --- asking ---------------------------------------------------------------- */

/* Joins of this session that wait; *same: one of them is for this room. */
static unsigned
enter_waiting(const struct session *s, struct slice name, bool *same)
{
	const struct waiter *w = NULL;
	const struct enter *e;
	unsigned n = 0;

	*same = false;
	while ((w = waiter_of(s->hub, s->client->serial, w)) != NULL) {
		if (w->kind != WAITER_ENTER || !slice_eq(session_sid(s),
		    slice_of(w->sid, sizeof w->sid)))
			continue;
		e = enter_of(w);
		*same |= slice_eq(room_name(e->room), name);
		n++;
	}
	return (n);
}

bool
enter_leave(struct session *s, struct slice name, const char *why)
{
	struct waiter *w = NULL;
	struct enter *e;

	while (s->client != NULL &&
	    (w = waiter_of(s->hub, s->client->serial, w)) != NULL) {
		if (w->kind != WAITER_ENTER || !slice_eq(session_sid(s),
		    slice_of(w->sid, sizeof w->sid)))
			continue;
		e = enter_of(w);
		if (!slice_eq(room_name(e->room), name))
			continue;
		if (!e->behind && !e->is_slow)
			history_forget(s->hub, &e->ask);
		refuse(s, &(struct inbound){ .ack = e->waiter.ack },
		    REFUSED_NOT_MEMBER, "%s", why);
		enter_free(s->hub, e);
		return (true);
	}
	return (false);
}

static struct enter *
enter_new(struct session *s, const struct inbound *in,
    const struct enter_ask *a, struct room *r)
{
	struct enter *e = calloc(1, sizeof *e + in->ack.raw.n + a->raw.n);

	if (e == NULL)
		return (NULL);
	e->ask.page = enter_page;
	e->ns = s->ns;
	e->room = r;
	e->may = a->may;
	e->appointed = a->appointed;
	e->opens = a->opens;
	e->keyed = conf_room_keyed(s->ns, a->name) != NULL;
	e->since = a->since;
	e->asked = a->since.given || a->lost;
	e->missed = a->lost;
	e->until_us = s->hub->now.us + ENTER_MAX_MS * UINT64_C(1000);
	e->raw = e->bytes + in->ack.raw.n;
	e->raw_len = a->raw.n;
	memcpy(e->raw, a->raw.p, a->raw.n);
	e->behind = e->since.given &&
	    enter_given(s->hub, s->client->serial, false) != NULL;
	waiter_begin(&e->waiter, WAITER_ENTER, s, &in->ack, e->bytes);
	return (e);
}

bool
enter_room(struct session *s, const struct inbound *in,
    const struct enter_ask *a)
{
	struct hub *h = s->hub;
	struct enter *e;
	struct room *r;
	unsigned waiting;
	const uint64_t none = 0;
	bool same, ok;

	waiting = enter_waiting(s, a->name, &same);
	if (same) {
		refuse(s, in, REFUSED_LIMIT,
		    "you are about to join this room");
		return (false);
	}
	if (!enter_has_room(s, in, waiting))
		return (false);
	r = room_hold(h, s->ns, a->name);
	if (r != NULL && !a->lost && enter_is_there(h, r, &a->since) &&
	    (a->since.given || conf_room_keyed(s->ns, a->name) == NULL)) {
		ok = enter_now(s, in, r, a->raw, a->since.given, a->appointed,
		    a->opens ? &none : NULL);
		room_release(h, &r);
		return (ok);
	}
	if (r == NULL || (e = enter_new(s, in, a, r)) == NULL) {
		if (r != NULL)
			room_release(h, &r);
		refuse_memory(s, in);
		return (false);
	}
	if (e->behind)
		;
	else if (e->since.given && enter_is_slow(s))
		enter_wait_slow(h, e);
	else if (!enter_ask_on(h, e))
		enter_unheard(h, e, s);
	return (true);
}
