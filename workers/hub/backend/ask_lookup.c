/*
 * Questions about what is, which no client is asked: what is kept, who is there;
 * and those of a publication that is kept first; see ask.h.  Called by those that
 * look it up, with what they have found.
 */
#include "hub/backend/ask_int.h"

#include "hub/publish/pending.h"
#include "hub/store/keep.h"
#include "proto/bus.h"

/* --- the store is asked ----------------------------------------------------- */

struct ask *
ask_store(struct hub *h, void *asker)
{
	struct ask *a = ask_open(h, ASK_STORE_MS, 0);

	if (a == NULL)
		return (NULL);
	a->asker = asker;
	a->store = true;
	return (a);
}

void
ask_stored(struct hub *h, uint32_t ref, int status, const struct buf *body)
{
	struct ask *a = ask_of(waits_find(&h->asks->waits, ref));

	if (a == NULL || !a->store)
		return;		/* who has asked has gone */
	ask_tell(a, status, body);
	ask_drop(&a);
}

/* --- who is there ----------------------------------------------------------- */

struct ask *
ask_survey(struct hub *h, void *asker, struct survey *s)
{
	struct ask *a = ask_open(h, ASK_COUNT_MS, 0);

	if (a == NULL)
		return (NULL);
	a->asker = asker;
	a->survey = s;
	a->here = true;
	return (a);
}

void
ask_here(struct hub *h, uint32_t ref, uint16_t flags, struct slice elements)
{
	struct ask *a = ask_of(waits_find(&h->asks->waits, ref));

	if (a == NULL)
		return;		/* too late */
	ask_keep(a, elements);
	if (flags & BUS_TRUNCATED)
		a->truncated = true;
	if (flags & BUS_MORE)
		return;
	a->here = false;
	ask_settle(a);
}

/* --- kept first ------------------------------------------------------------- */

void
ask_waits_for_place(struct ask *a)
{
	CHECK_MAGIC(a, ASK_MAGIC);
	a->here = true;
	a->published = true;
}

uint32_t
ask_by_place(struct hub *h, uint32_t kept_ref)
{
	const struct waits *w = &h->asks->waits;
	const struct ask *a;
	uint32_t i;

	for (i = 0; i < w->n; i++) {
		a = ask_of(w->heap[i]);
		if (a->kept_ref == kept_ref && !a->branch)
			return (a->wait.ref);
	}
	return (0);
}

void
ask_kept(struct hub *h, uint32_t ref, const struct keep_told *t, bool far)
{
	struct ask *a = ask_of(waits_find(&h->asks->waits, ref));
	uint64_t reseated[2];

	if (a == NULL)
		return;		/* who has asked has gone */
	a->kept_ref = t->ref;
	a->kept = t->kept;
	a->epoch_len = (uint8_t)t->epoch.n;
	if (t->epoch.n != 0)
		memcpy(a->epoch, t->epoch.p, t->epoch.n);
	pending_asked(h, t->slots, reseated);
	waits_for(&a->wait, t->slots, reseated);
	a->wait.notes = true;
	a->here = false;
	if (far)
		a->lost = true;	/* other hosts' clients are not asked */
	ask_settle(a);
}

void
ask_unkept(struct hub *h, uint32_t ref, int status, const struct buf *body)
{
	struct ask *a = ask_of(waits_find(&h->asks->waits, ref));

	if (a == NULL)
		return;
	ask_tell(a, status, body);
	ask_drop(&a);
}
