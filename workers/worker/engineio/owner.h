/*
 * Which worker has a session over polling: the one that its id names, or that
 * one's heir (shm/slots_heirs.h).  While the former gives its sessions away,
 * some are here and some there: it is asked first, and passes on what it does
 * not have any more.
 *
 *	anybody ──► who opened it, if it lives ──► its heir ──► that one's heir
 *	         └► else: who lives of its heirs ─────────────────────┘
 *
 * What came from a giver goes to heirs only, so no request goes in a circle.
 */
#ifndef WORKER_ENGINEIO_OWNER_H
#define WORKER_ENGINEIO_OWNER_H

#include "base/bug.h"
#include "shm/slots_heirs.h"

struct owner_way {
	unsigned	 slot;		/* who is asked next; not this worker */
	bool		 inherited;	/* ... as the heir of this one */
};

/*
 * The session that this worker (self) does not have, of which a request came
 * here; inherited: from a worker whose heir this one is.  false: nobody has
 * it.
 */
bool	owner_ask(const struct segment *, struct heirs_name self,
	    struct heirs_name owner, bool inherited, struct owner_way *)
	    MUST_USE;

#endif
