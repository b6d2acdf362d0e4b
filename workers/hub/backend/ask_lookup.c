/*
 * Questions about what is, which no client is asked: what is kept, who is there;
 * see ask.h.  Called by those that look it up, with what they have found.
 */
#include "hub/backend/ask_int.h"

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
