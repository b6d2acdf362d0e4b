/*
 * Places of rooms; see place.h.  Called by the other files here.
 */
#include "hub/store/place.h"

#include <stdlib.h>

#include "hub/store/store_int.h"

bool
place_known(const struct hub *h, const struct room *r)
{
	return (r->place != NULL && r->place->era == h->store->era);
}

static void
place_leave(struct place *p, struct slice epoch)
{
	if (p->epoch_len == 0 || slice_eq(place_epoch(p), epoch))
		return;
	memcpy(p->left_epoch, p->epoch, p->epoch_len);
	p->left_len = p->epoch_len;
	p->left_last = p->last;
}

uint64_t
place_left(const struct room *r, struct slice epoch)
{
	const struct place *p = r->place;

	return (p != NULL && p->left_len != 0 && slice_eq(epoch,
	    slice_of(p->left_epoch, p->left_len)) ? p->left_last : 0);
}

bool
place_set(struct hub *h, struct room *r, struct slice epoch, uint64_t last)
{
	struct place *p = r->place;

	if (epoch.n > EPOCH_MAX)
		return (false);
	if (p == NULL && (p = r->place = calloc(1, sizeof *p)) == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	place_leave(p, epoch);
	p->era = h->store->era;
	p->finished = p->finished && p->last == last &&
	    slice_eq(place_epoch(p), epoch);
	if (epoch.n != 0)
		memcpy(p->epoch, epoch.p, epoch.n);
	p->epoch_len = (uint8_t)epoch.n;
	p->last = last;
	return (true);
}

void
place_finish(struct room *r, bool finished)
{
	if (r->place != NULL)
		r->place->finished = finished;
}

bool
place_had(const struct room *r)
{
	return (r->place != NULL && r->place->era != 0);
}

void
place_lose(struct room *r)
{
	if (r->place != NULL)
		r->place->era = 0;
}

enum place_is
place_look(const struct room *r, struct slice epoch, uint64_t kept)
{
	const struct place *p = r->place;

	if (!place_had(r))
		return (PLACE_NEXT);
	if (!slice_eq(place_epoch(p), epoch))
		return (kept <= 1 ? PLACE_NEXT : PLACE_BEHIND);
	if (kept <= p->last)
		return (PLACE_BEFORE);
	return (kept == p->last + 1 ? PLACE_NEXT : PLACE_BEHIND);
}
