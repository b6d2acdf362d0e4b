/*
 * The inside of keep.h, between keep.c (rooms), keep_journal.c (journals)
 * and keep_sessions.c (sessions that can be recovered from these).
 */
#ifndef STORE_KEEP_INT_H
#define STORE_KEEP_INT_H

#include "conf/conf.h"
#include "relay/local/exchange.h"
#include "relay/store/keep.h"
#include "relay/store/store.h"
#include "relay/store/waiting.h"
#include "shm/interest.h"

struct journal;
struct sessions;

struct keep {
	unsigned	 magic;
#define KEEP_MAGIC	0x6ee96ee9
	const struct conf *conf;
	struct exchange	*x;
	struct interest	*interest;
	struct store	*store;
	struct buf	 frame;		/* scratch: answers */
	struct waiting	 waiting;
	unsigned	 pages;		/* read in this turn */
	uint64_t	 page_bytes;
	struct journal	**journals;	/* by namespace; NULL: none yet */
	size_t		 njournals;
	struct buf	 entry;		/* scratch of keep_journal.c */
	struct sessions	*sessions;
};

/* To a worker that has asked; it may be gone by now.  False: it has no room for
 * it. */
bool	keep_answer(struct keep *, const struct store_asker *,
	    struct bus_envelope *);
/* BUS_KEPT; slots: who gets it. */
void	keep_say(struct keep *, const struct store_asker *, enum bus_store,
	    struct slice epoch, uint64_t kept, const uint64_t slots[2]);
void	keep_refuse(struct keep *, const struct store_asker *, enum bus_store);
/* b holds a frame for nobody: to these, as what that one has published. */
void	keep_route(struct keep *, const struct store_asker *, struct buf *b,
	    const uint64_t slots[2]);
/* What the room may keep; false: nothing. */
bool	keep_bounds(const struct keep *, const struct conf_namespace *,
	    struct slice room, struct store_bounds *);
void	keep_count_refused(enum bus_store);

#endif
