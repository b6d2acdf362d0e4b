/*
 * Publications that have their place: to the members, in order, each once.
 * Called by hub.c with what comes from the relay; see store.h.
 */
#include "hub/store/store_int.h"

#include "base/slotset.h"
#include "hub/audience/room.h"
#include "hub/publish/publish.h"
#include "hub/store/heal.h"
#include "hub/store/keep.h"
#include "hub/store/place.h"
#include "proto/bus.h"

/* It goes to nobody here: now, or at all. */
static void
numbered_drop(struct hub *h, const struct bus_envelope *e)
{
	if (e->flags & BUS_WANT_COUNT)
		publish_answer_count(h, e, 0);
}

/* No event: the relay says where the room stands.  What its members have may
 * end before that. */
static void
numbered_stands(struct hub *h, const struct conf_namespace *ns, struct room *r,
    const struct bus_publish *b)
{
	const struct place *p = r->place;

	if (!place_had(r))
		return;
	if (slice_eq(place_epoch(p), b->epoch) && p->last >= b->kept)
		(void)place_set(h, r, b->epoch, p->last);
	else if (b->kept == 0)
		(void)place_set(h, r, b->epoch, 0);
	else
		heal_begin(h, ns, r, b->epoch);
}

bool
store_bus_publish(struct hub *h, const struct bus_envelope *e)
{
	const struct bus_publish *b = &e->publish;
	const struct conf_namespace *ns = conf_namespace_find(h->conf, b->nsp);
	struct room *r = NULL;

	if (ns != NULL && b->to.nrooms == 1)
		r = room_find(h, ns->index, ROOM_NAMED, b->to.rooms[0]);
	if (r == NULL) {
		numbered_drop(h, e);
		return (false);
	}
	if (heal_is_on(h, r)) {		/* it comes with what is missing */
		numbered_drop(h, e);
		return (false);
	}
	if (b->event.n == 0) {
		numbered_stands(h, ns, r, b);
		return (false);
	}
	switch (place_look(r, b->epoch, b->kept)) {
	case PLACE_NEXT:
		if ((e->flags & BUS_WANT_ANSWERS) == 0)
			publish_bus(h, e);
		if (place_set(h, r, b->epoch, b->kept))
			place_finish(r, (e->flags & BUS_FINISH) != 0);
		h->events->kept(h, r, b);
		return (true);
	case PLACE_BEFORE:
		counter_add(COUNTER_history_repeated, 1);
		numbered_drop(h, e);
		return (false);
	case PLACE_BEHIND:
		numbered_drop(h, e);
		heal_begin(h, ns, r, b->epoch);
		return (false);
	}
	return (false);
}

/* --- journals -------------------------------------------------------------- */

void
journal_mark(struct hub *h, const struct conf_namespace *ns,
    struct slice offset)
{
	struct journal_mark *m = &h->marks[ns->index];

	if (offset.n == 0 || offset.n > sizeof m->text)
		return;
	memcpy(m->text, offset.p, offset.n);
	m->n = (uint8_t)offset.n;
}

void
store_bus_mark(struct hub *h, const struct bus_envelope *e)
{
	const struct conf_namespace *ns;

	if (e->publish.offset.n == 0)
		return;
	ns = conf_namespace_find(h->conf, e->publish.nsp);
	if (ns != NULL && ns->journals)
		journal_mark(h, ns, e->publish.offset);
}

/* --- gaps ------------------------------------------------------------------ */

/* It concerns one room (gaps/gaps.h), whose place here is known. */
bool
store_bus_gap(struct hub *h, const struct bus_envelope *e)
{
	const struct bus_audience *to = &e->publish.to;
	const struct conf_namespace *ns;
	struct room *r;

	if (to->nrooms != 1 || to->nusers + to->nsids != 0 ||
	    !slice_eq(e->publish.event, SLICE("\"roost:gap\"")))
		return (false);
	ns = conf_namespace_find(h->conf, e->publish.nsp);
	if (ns == NULL || !conf_room_keeps(ns, to->rooms[0]))
		return (false);
	r = room_find(h, ns->index, ROOM_NAMED, to->rooms[0]);
	if (r == NULL || !place_had(r))
		return (false);
	heal_begin(h, ns, r, place_epoch(r->place));
	return (true);
}
