/*
 * Rooms that keep the newest of each key, in Redis: what is asked of them; see
 * remote.h, and remote_keyed_script.c.  Of a page that Redis has made when it was
 * ahead of what the workers here were given the last places come to them yet: it
 * waits until they have.  One that was made before is followed by what came since.
 */
#include "relay/store/remote_int.h"

#include <stdlib.h>

#include "shm/counters.h"

struct remote_held {		/* a page as it is sent */
	struct bus_page	 page;		/* epoch: below; frames: behind */
	bool		 more;
	char		 epoch[STORE_EPOCH_MAX];
	uint8_t		 frames[];
};

bool
remote_keyed_is_asked(const struct bus_publish *p)
{
	return (p->key.n != 0 &&
	    (p->keyed & (KEYED_BASE | KEYED_VERSION)) != 0);
}

bool
remote_keyed_asks(const struct remote_room *r, const struct store_read *q)
{
	return (q->from == BUS_HISTORY_STATE || q->from == BUS_HISTORY_KEY ||
	    (q->from == BUS_HISTORY_AFTER && remote_is_keyed(r)));
}

bool
remote_keyed_at_hand(const struct remote_room *r, const struct store_read *q)
{
	return (slice_eq(q->epoch, remote_epoch(r)) && q->since <= r->top &&
	    q->since + 1 >= remote_first(r) &&
	    (q->since != 0 || r->base == 0));
}

/* --- pages ----------------------------------------------------------------*/

/* Where the workers are is known, and the page is of the same epoch. */
static bool
keyed_is_level(const struct remote_room *r, struct slice epoch)
{
	return (r->known && r->state == REMOTE_LIVE &&
	    slice_eq(epoch, remote_epoch(r)));
}

static bool
keyed_is_ahead(const struct remote_room *r, struct slice epoch, uint64_t top)
{
	return (keyed_is_level(r, epoch) && top > r->top);
}

/* false: no memory.  What cannot be read is as if it were not there any more. */
static bool
keyed_fill(struct remote_room *r, const struct remote_page *p)
{
	struct remote *m = r->m;
	uint64_t place;
	struct slice entry;
	size_t i;

	buf_reset(&m->page);
	for (i = 0; i < p->n; i++) {
		entry = remote_page_entry(p, i, &place);
		if (remote_number(m, r, entry, p->epoch, place, true, NULL,
		    NULL))
			buf_slice(&m->page, buf_unread(&m->frame));
	}
	counter_add(COUNTER_store_read_events, p->n);
	counter_add(COUNTER_store_state_reads, 1);
	return (!m->page.oom);
}

static void
keyed_say(struct remote_room *r, const struct store_read *q,
    const struct bus_page *page, bool more)
{
	struct store_page out = { .page = *page, .more = more };

	/* of one key it is said how it is, wherever the workers are */
	if (q->from != BUS_HISTORY_KEY && keyed_is_level(r, page->epoch))
		out.more |= page->top < r->top;
	remote_read_say(r, q, &out);
}

/* false: no memory. */
static bool
keyed_hold(struct remote_room *r, struct remote_read *d,
    const struct bus_page *page, bool more)
{
	struct remote_held *h = calloc(1, sizeof *h + page->frames.n);

	if (h == NULL)
		return (false);
	h->page = *page;
	h->more = more;
	memcpy(h->epoch, page->epoch.p, page->epoch.n);
	h->page.epoch = slice_of(h->epoch, page->epoch.n);
	if (page->frames.n != 0)
		memcpy(h->frames, page->frames.p, page->frames.n);
	h->page.frames = slice_of(h->frames, page->frames.n);
	d->held = h;
	STAILQ_INSERT_TAIL(&r->held, d, next);
	remote_work(r);
	return (true);
}

void
remote_keyed_give(struct remote_room *r, const struct remote_page *p)
{
	struct remote_read *d = STAILQ_FIRST(&r->reads);
	struct bus_page page;
	bool good;

	if (d == NULL)
		return;
	STAILQ_REMOVE_HEAD(&r->reads, next);
	good = keyed_fill(r, p);
	r->m->page.oom = false;
	page = (struct bus_page){ .result = p->result, .epoch = p->epoch,
		.top = p->top, .first = p->first, .finished = p->finished,
		.frames = buf_unread(&r->m->page) };
	if (good && d->q.from != BUS_HISTORY_KEY &&
	    keyed_is_ahead(r, p->epoch, p->top)) {
		good = keyed_hold(r, d, &page, p->more);
		if (good)
			return;
	}
	if (good)
		keyed_say(r, &d->q, &page, p->more);
	else {
		counter_add(COUNTER_memory_failures, 1);
		remote_read_refuse(&d->q);
	}
	remote_read_free(d);
}

void
remote_keyed_look(struct remote_room *r)
{
	struct remote_reads left = STAILQ_HEAD_INITIALIZER(left);
	uint64_t now_ms = remote_now(r->m);
	struct remote_read *d;

	while ((d = STAILQ_FIRST(&r->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&r->held, next);
		if (!keyed_is_ahead(r, d->held->page.epoch,
		    d->held->page.top))
			keyed_say(r, &d->q, &d->held->page, d->held->more);
		else if (now_ms - d->at_ms > REMOTE_READ_MS) {
			counter_add(COUNTER_store_reads_failed, 1);
			remote_read_refuse(&d->q);
		} else {
			STAILQ_INSERT_TAIL(&left, d, next);
			continue;
		}
		remote_read_free(d);
	}
	STAILQ_CONCAT(&r->held, &left);
}
