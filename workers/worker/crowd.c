/*
 * Crowds; see crowd.h.
 */
#include "worker/crowd.h"

#include "hub/work.h"
#include "sys/plat.h"
#include "worker/engineio/polling.h"
#include "worker/worker.h"

#define CROWD_PARTINGS	128	/* connections that end in a turn */
#define CROWD_LEFT	500	/* so many leave much behind */

/* To end a connection costs as much as to begin one, when the turn ends. */
bool
crowd_is_enough(void *arg)
{
	const struct worker *w = arg;

	return (w->npartings >= CROWD_PARTINGS || work_crowded(w->work));
}

/*
 * When most of a crowd has gone, what it had from the heap lies in pieces that
 * nobody else has a use for.  To give them back takes a while, so it waits until
 * no more go.
 */
void
crowd_second(struct worker *w)
{
	size_t n = w->nconns + polling_waiting(w->polling);
	bool quiet = n >= w->last_crowd;

	w->last_crowd = n;
	if (n > w->most_crowd)
		w->most_crowd = n;
	if (!quiet || w->most_crowd - n < CROWD_LEFT || n > w->most_crowd / 2)
		return;
	w->most_crowd = n;
	plat_give_back_memory();
}
