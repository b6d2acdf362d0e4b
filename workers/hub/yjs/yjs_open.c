/*
 * All of its log to a client that comes; see yjs_int.h.  Page by page, as it
 * reads; behind the last one it is a member, and gets what comes.  Who cannot
 * be given all of it is closed: it comes back.
 */
#include "hub/yjs/yjs_int.h"

#include "hub/audience/fanout.h"
#include "hub/audience/room.h"
#include "hub/publish/publish.h"
#include "hub/store/heal.h"
#include "hub/store/place.h"

#define OPEN_MAX_US	UINT64_C(120000000)	/* whatever the client reads */
#define OPEN_PAGE_EVENTS 1000u

static void
open_fail(struct yjs *y, enum reason why)
{
	counter_add(COUNTER_yjs_unheard, 1);
	client_close(&y->client, why);
}

static bool
open_is_slow(const struct yjs *y)
{
	const struct client *c = &y->client;

	return (outq_bytes(c->out) > c->hub->conf->send_queue_bytes / 4);
}

static void
open_wait(struct yjs *y)
{
	y->is_slow = true;
	TAILQ_INSERT_TAIL(&y->client.hub->yjs->slow, y, slow);
}

static void
open_ask(struct yjs *y)
{
	struct hub *h = y->client.hub;
	struct history_part part = { .from = BUS_HISTORY_AFTER,
		.epoch = since_epoch(&y->since), .since = y->since.offset,
		.limit = OPEN_PAGE_EVENTS,
		.bytes = h->conf->send_queue_bytes / 4 };

	y->asking = history_ask(h, &y->ask, y->doc->ns, ydoc_name(y->doc),
	    &part);
	if (!y->asking)
		open_fail(y, REASON_document_unavailable);
}

static void
open_go_on(struct yjs *y)
{
	if (open_is_slow(y))
		open_wait(y);
	else
		open_ask(y);
}

/* It is read in this epoch.  false: it was in another one, and is to begin. */
static bool
open_is_in(struct yjs *y, struct slice epoch)
{
	bool begins = y->since.epoch_len == 0;

	if (slice_eq(since_epoch(&y->since), epoch))
		return (true);
	since_set(&y->since, begins ? epoch : slice_of(NULL, 0), 0);
	y->log = (struct ylog){ .entries = 0 };
	return (begins);
}

/* false: it is closed. */
static bool
open_give(struct yjs *y, const struct bus_envelope *page)
{
	static struct bus_envelope one;	/* large; one at a time */
	struct slice frames = page->page.frames;
	struct session *s = y->client.sessions;
	struct publication p;
	struct audience a;

	while (history_next(&frames, &one)) {
		p = publish_received(&one);
		a = publish_receivers(&one);
		if (!history_excepts(s, &a) &&
		    !fanout_session(s->hub, s, &p)) {
			open_fail(y, REASON_memory);
			return (false);
		}
		ydoc_see(y->doc, &y->log, &one.publish, !y->doc->known);
		since_set(&y->since, one.publish.epoch, one.publish.kept);
	}
	return (true);
}

/* The room of this worker stands where the page ends. */
static void
open_done(struct yjs *y, const struct bus_envelope *page)
{
	struct ydoc *d = y->doc;
	struct hub *h = d->hub;

	if (!place_set(h, d->room, page->page.epoch, page->page.top) ||
	    !room_join(h, y->client.sessions, ROOM_NAMED, ydoc_name(d))) {
		open_fail(y, REASON_memory);
		return;
	}
	d->known = true;
	d->last = page->page.top;
	d->log = y->log;
	y->live = true;
	counter_add(COUNTER_yjs_opened, 1);
	ycompact_seen(d, y);
	if (y->stepped)
		yjs_answer(y);
	yaware_give(y);
}

static void
open_page(struct hub *h, struct history_ask *a, const struct bus_envelope *page)
{
	struct yjs *y = container_of(a, struct yjs, ask);
	struct ydoc *d = y->doc;

	y->asking = false;
	if (y->client.closing)
		return;
	if (page == NULL || h->now.us > y->until_us) {
		open_fail(y, REASON_document_unavailable);
		return;
	}
	if (d->known && !ydoc_is_in(d, page->page.epoch, page->page.top))
		ydoc_anew(d);
	ydoc_begin(d, page->page.epoch);
	if (!open_is_in(y, page->page.epoch)) {
		open_ask(y);
		return;
	}
	if (!open_give(y, page))
		return;
	if (page->flags & BUS_MORE) {
		open_go_on(y);
		return;
	}
	if (!heal_is_level(h, d->ns, d->room, page)) {
		open_wait(y);		/* others get what they miss first */
		return;
	}
	open_done(y, page);
}

void
yjs_open_begin(struct yjs *y)
{
	struct hub *h = y->client.hub;

	y->ask.page = open_page;
	y->until_us = h->now.us + OPEN_MAX_US;
	since_set(&y->since, slice_of(NULL, 0), 0);
	open_ask(y);
}

void
yjs_open_later(struct yjs *y)
{
	y->starts = true;
	y->until_us = y->client.hub->now.us + OPEN_MAX_US;
	open_wait(y);
}

void
yjs_open_tick(struct hub *h)
{
	struct yjs *y, *next;

	for (y = TAILQ_FIRST(&h->yjs->slow); y != NULL; y = next) {
		next = TAILQ_NEXT(y, slow);
		if (!y->lost && open_is_slow(y) && h->now.us <= y->until_us)
			continue;
		TAILQ_REMOVE(&h->yjs->slow, y, slow);
		y->is_slow = false;
		if (y->client.closing)
			continue;
		if (y->lost)
			client_close(&y->client, REASON_document_anew);
		else if (h->now.us > y->until_us)
			open_fail(y, REASON_slow_consumer);
		else if (y->starts) {
			y->starts = false;
			yjs_open_begin(y);
		} else
			open_ask(y);
	}
}

void
yjs_open_end(struct yjs *y)
{
	struct hub *h = y->client.hub;

	if (y->asking)
		history_forget(h, &y->ask);
	if (y->is_slow)
		TAILQ_REMOVE(&h->yjs->slow, y, slow);
	y->asking = y->is_slow = false;
}
