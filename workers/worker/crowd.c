/*
 * Crowds; see crowd.h.
 */
#include "worker/crowd.h"

#include "hub/work.h"
#include "sys/plat.h"
#include "worker/engineio/polling.h"
#include "worker/sockjs/sockjs.h"
#include "worker/worker.h"

#define CROWD_PARTINGS	128	/* connections that end in a turn */
#define CROWD_LEFT	500	/* so many leave much behind */
#define CROWD_QUIET	20	/* a part of those before that counts as none */

/* To end a connection costs as much as to begin one, when the turn ends. */
bool
crowd_is_enough(void *arg)
{
	const struct worker *w = arg;

	return (w->npartings >= CROWD_PARTINGS || work_crowded(w->work));
}

/*
 * When most of a crowd has gone, what it had from the heap lies in pieces that
 * nobody else has a use for; so does what many handshakes at once took (of TLS,
 * as much as their connections do).  To give it back takes a while, so it waits
 * until next to nobody comes or goes.  How many did is forgotten by a quarter a
 * second: what always goes on is no crowd.
 */
void
crowd_second(struct worker *w)
{
	size_t n = w->nconns + polling_waiting(w->polling) +
	    sockjs_waiting(w->sockjs);
	bool quiet = n >= w->last_crowd, left;

	w->last_crowd = n;
	if (n > w->most_crowd)
		w->most_crowd = n;
	w->moved += w->moves - w->moved / 4;
	quiet = quiet && w->moves <= w->moved / CROWD_QUIET;
	w->moves = 0;
	left = w->most_crowd - n >= CROWD_LEFT && n <= w->most_crowd / 2;
	if (!quiet || (!left && w->moved < CROWD_LEFT))
		return;
	w->most_crowd = n;
	w->moved = 0;
	plat_give_back_memory();
}
