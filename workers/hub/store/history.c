/*
 * Questions for what was kept; see history.h.  Called by enter.c, heal.c,
 * page.c and back ends' requests.
 */
#include "hub/store/history.h"

#include "hub/audience/room.h"
#include "hub/publish/post.h"
#include "hub/store/store_int.h"

static struct history_ask *
history_of(struct wait *w)
{
	return (w == NULL ? NULL : container_of(w, struct history_ask, wait));
}

bool
history_ask(struct hub *h, struct history_ask *a,
    const struct conf_namespace *ns, struct slice room,
    const struct history_part *part)
{
	struct waits *w = &h->store->asks;
	struct bus_envelope e;
	struct bus_history *q = bus_history(&e, part->from);
	uint32_t ref = waits_ref(w);

	if (ref == 0) {
		counter_add(COUNTER_history_asks_refused, 1);
		return (false);
	}
	q->nsp = slice_of(ns->name, ns->name_len);
	q->room = room;
	q->epoch = part->epoch;
	q->since = part->since;
	q->key = part->key;
	q->limit = part->limit;
	q->bytes = part->bytes == 0 || part->bytes > STORE_PAGE_BYTES ?
	    STORE_PAGE_BYTES : part->bytes;
	/* before any: all that happened in it is there */
	if (part->from == BUS_HISTORY_AFTER && part->epoch.n == 0)
		q->from = conf_room_keyed(ns, room) != NULL ?
		    BUS_HISTORY_STATE : BUS_HISTORY_FIRST;
	if (!post_to(h, 0, ref, &e))
		return (false);
	counter_add(COUNTER_history_asks, 1);
	waits_add(w, &a->wait, ref,
	    h->now.us + STORE_TIMEOUT_MS * UINT64_C(1000));
	return (true);
}

void
history_forget(struct hub *h, struct history_ask *a)
{
	waits_remove(&h->store->asks, &a->wait);
}

/* Not all of them may be this version's. */
void
store_bus_page(struct hub *h, const struct bus_envelope *e)
{
	struct history_ask *a = history_of(waits_find(&h->store->asks,
	    e->ref));

	if (a == NULL)
		return;		/* too late, or not ours */
	waits_remove(&h->store->asks, &a->wait);
	a->page(h, a, e->page.result == BUS_STORE_OK ||
	    e->page.result == BUS_STORE_GAP ||
	    e->page.result == BUS_STORE_EPOCH ? e : NULL);
}

void
history_tick(struct hub *h)
{
	struct history_ask *a;

	while ((a = history_of(waits_over(&h->store->asks,
	    h->now.us))) != NULL) {
		counter_add(COUNTER_history_asks_timed_out, 1);
		waits_remove(&h->store->asks, &a->wait);
		a->page(h, a, NULL);
	}
}

void
history_lost(struct hub *h)
{
	struct history_ask *a;

	while ((a = history_of(waits_first(&h->store->asks))) != NULL) {
		waits_remove(&h->store->asks, &a->wait);
		a->page(h, a, NULL);
	}
}

bool
history_next(struct slice *frames, struct bus_envelope *e)
{
	uint64_t slots[2];
	uint16_t flags;
	ssize_t n;

	while (frames->n != 0 && (n = bus_frame(*frames, slots, &flags)) > 0 &&
	    (size_t)n <= frames->n) {
		if (bus_decode(slice_of(frames->p, (size_t)n), e) == n &&
		    e->kind == BUS_PUBLISH && (e->flags & BUS_NUMBERED)) {
			*frames = slice_from(*frames, (size_t)n);
			return (true);
		}
		counter_add(COUNTER_bus_bad, 1);
		*frames = slice_from(*frames, (size_t)n);
	}
	return (false);
}

bool
history_has_gap(const struct bus_envelope *page)
{
	return (page->page.result != BUS_STORE_OK);
}

bool
history_lacks_first(const struct bus_envelope *page)
{
	return (page->page.top > 0 && page->page.first != 1);
}

bool
history_excepts(const struct session *s, const struct audience *a)
{
	size_t i;

	for (i = 0; i < a->nexcept; i++)
		if (slice_eq(a->except[i], session_sid(s)) ||
		    room_membership(s, ROOM_NAMED, a->except[i]) != NULL)
			return (true);
	return (false);
}
