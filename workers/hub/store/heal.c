/*
 * Healing of rooms; see heal.h.  Called by numbered.c and enter.c.
 */
#include "hub/store/heal.h"

#include <stdlib.h>

#include "hub/audience/fanout.h"
#include "hub/audience/room.h"
#include "hub/publish/gap.h"
#include "hub/publish/publish.h"
#include "hub/store/history.h"
#include "hub/store/place.h"
#include "hub/store/store_int.h"

#define HEAL_WAIT_MS	1000	/* for members that read slowly, a page */

struct heal {
	struct history_ask ask;
	TAILQ_ENTRY(heal) slow;
	bool		 is_slow;
	uint64_t	 until_us;	/* slow: then it goes on */
	const struct conf_namespace *ns;
	struct room	*room;		/* held */
	uint64_t	 since_ms;	/* unix */
	bool		 lost;		/* not all is there any more */
};

bool
heal_is_on(const struct hub *h, const struct room *r)
{
	return (h->store->healing != 0 && r->place != NULL &&
	    r->place->healing);
}

bool
heal_concerns(const struct session *s)
{
	const struct membership *m;

	if (s->hub->store->healing == 0 || !s->ns->keeps)
		return (false);
	for (m = s->memberships; m != NULL; m = m->next)
		if (heal_is_on(s->hub, m->room))
			return (true);
	return (false);
}

/* Its members are told that something is missing before they get what is behind
 * that: who asks for it by itself still knows from where. */
static void
heal_lose(struct hub *h, struct heal *l)
{
	l->lost = true;
	gap_in_room(h, l->ns, room_name(l->room), l->since_ms);
}

static void
heal_end(struct hub *h, struct heal *l)
{
	l->room->place->healing = false;
	h->store->healing--;
	counter_add(l->lost ? COUNTER_history_unhealed :
	    COUNTER_history_healed, 1);
	if (l->is_slow)
		TAILQ_REMOVE(&h->store->heals, l, slow);
	h->events->kept(h, l->room, NULL);
	room_release(h, &l->room);
	free(l);
}

static void
heal_fail(struct hub *h, struct heal *l)
{
	place_lose(l->room);
	heal_lose(h, l);
	heal_end(h, l);
}

static void
heal_give(struct hub *h, struct heal *l, const struct bus_envelope *page)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct slice frames = page->page.frames;
	struct publication p;
	struct audience a;

	while (history_next(&frames, &e)) {
		p = publish_received(&e);
		a = publish_receivers(&e);
		(void)fanout_audience(h, l->ns, &a, &p);
		(void)place_set(h, l->room, e.publish.epoch, e.publish.kept);
	}
}

static bool
heal_ask(struct hub *h, struct heal *l)
{
	const struct place *p = l->room->place;
	struct history_part part = { .from = BUS_HISTORY_AFTER,
		.epoch = place_epoch(p), .since = p->last,
		.limit = STORE_PAGE_EVENTS,
		.bytes = h->conf->send_queue_bytes / 4 };

	return (history_ask(h, &l->ask, l->ns, room_name(l->room), &part));
}

/* They have not read yet what they were given. */
static bool
heal_is_slow(const struct hub *h, const struct heal *l)
{
	return (room_queued(l->room) > h->conf->send_queue_bytes / 4);
}

/* What is missing comes faster than it was said: not faster than members read,
 * unless that takes long. */
static void
heal_go_on(struct hub *h, struct heal *l)
{
	if (heal_is_slow(h, l)) {
		l->is_slow = true;
		l->until_us = h->now.us + HEAL_WAIT_MS * UINT64_C(1000);
		TAILQ_INSERT_TAIL(&h->store->heals, l, slow);
	} else if (!heal_ask(h, l))
		heal_fail(h, l);
}

static void
heal_page(struct hub *h, struct history_ask *a, const struct bus_envelope *e)
{
	struct heal *l = container_of(a, struct heal, ask);

	if (e == NULL) {
		heal_fail(h, l);
		return;
	}
	if (history_has_gap(e))
		heal_lose(h, l);
	heal_give(h, l, e);
	if (e->flags & BUS_MORE) {
		heal_go_on(h, l);
		return;
	}
	(void)place_set(h, l->room, e->page.epoch, e->page.top);
	place_finish(l->room, e->page.finished);
	heal_end(h, l);
}

void
heal_tick(struct hub *h)
{
	struct heal *l, *next;

	for (l = TAILQ_FIRST(&h->store->heals); l != NULL; l = next) {
		next = TAILQ_NEXT(l, slow);
		if (heal_is_slow(h, l) && h->now.us < l->until_us)
			continue;
		TAILQ_REMOVE(&h->store->heals, l, slow);
		l->is_slow = false;
		if (!heal_ask(h, l))
			heal_fail(h, l);
	}
}

void
heal_lost(struct hub *h)
{
	struct heal *l;

	while ((l = TAILQ_FIRST(&h->store->heals)) != NULL)
		heal_fail(h, l);
}

void
heal_begin(struct hub *h, const struct conf_namespace *ns, struct room *r,
    struct slice epoch)
{
	struct heal *l;

	if (heal_is_on(h, r))
		return;
	if ((l = calloc(1, sizeof *l)) == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		place_lose(r);
		gap_in_room(h, ns, room_name(r), h->wall.ms);
		return;
	}
	/* of another epoch they have nothing, unless they were in it before */
	if (!slice_eq(place_epoch(r->place), epoch))
		(void)place_set(h, r, epoch, place_left(r, epoch));
	l->ask.page = heal_page;
	l->ns = ns;
	l->since_ms = h->wall.ms;
	l->room = r;
	r->holds++;
	r->place->healing = true;
	h->store->healing++;
	counter_add(COUNTER_history_holes, 1);
	if (!heal_ask(h, l))
		heal_fail(h, l);
}

bool
heal_is_level(struct hub *h, const struct conf_namespace *ns, struct room *r,
    const struct bus_envelope *page)
{
	const struct place *p = r->place;
	bool same;

	if (heal_is_on(h, r))
		return (false);
	if (!place_had(r))
		return (true);
	same = slice_eq(place_epoch(p), page->page.epoch);
	if (same ? p->last >= page->page.top : page->page.top == 0)
		return (true);
	heal_begin(h, ns, r, page->page.epoch);
	return (!heal_is_on(h, r));
}
