/*
 * Journals: all that sessions of a namespace may get, in one order, where these
 * sessions are recovered from the store (recovery = store).  One is kept as a
 * room of a name that no room has.  What is published there (BUS_JOURNAL) gets
 * its place, which its receivers see as its offset, and goes to all workers that
 * have some of its audience; where it is for a room that keeps a history it has
 * its place there, too.
 *
 * A client names one offset, that of what it has seen last, so all that it may get,
 * kept by a room or not, has to be in one order, which is the same for all; that is
 * the journal's.  Both places are given at once: in memory by one call behind the
 * other, in Redis by one script (remote.h).  So of one room they are in the same
 * order, and what is told again, of whatever kind, comes from the journal alone:
 * once, and in its order.  What follows in a room from a place there (room:join,
 * a worker that has a hole) comes from the room's history, with no place in the
 * journal: its offset says where the journal stands.
 *
 * Called by keep.c and keep_sessions.c.
 */
#ifndef STORE_KEEP_JOURNAL_H
#define STORE_KEEP_JOURNAL_H

#include "base/slotset.h"
#include "relay/store/keep_int.h"

#define JOURNAL_HOLES	32u	/* the two oldest become one */

/* Clients of that worker that have something from `lost' on, and nothing behind
 * `told', may have missed something without having been told. */
struct journal_hole {
	uint64_t	 lost, told;
	unsigned	 slot;
};

struct journal {		/* as far as it is known here */
	uint64_t	 top;		/* the newest place, */
	uint64_t	 top_ms;	/* known since then, unix */
	/* by slot, places of what was given to that worker: the first, the last;
	 * 0: nothing was */
	uint64_t	 first[ROLE_SLOTS_MAX], last[ROLE_SLOTS_MAX];
	uint64_t	 proven[ROLE_SLOTS_MAX];	/* that worker's clients have all
						 * up to there, so often told */
	uint32_t	 nproven[ROLE_SLOTS_MAX];
	/* by slot: what was lost first on its way to that worker, whose
	 * clients were not told so yet; 0: nothing */
	uint64_t	 lost[ROLE_SLOTS_MAX];
	uint64_t	 untold[SLOTSET_WORDS];
	uint64_t	 unwritten[SLOTSET_WORDS];	/* their sessions do not say
							 * so in Redis yet */
	struct journal_hole holes[JOURNAL_HOLES];	/* told, the oldest first */
	unsigned	 nholes;
	uint8_t		 epoch_n;	/* 0: it is not known */
	char		 epoch[STORE_EPOCH_MAX];
};

static inline struct slice
journal_epoch(const struct journal *j)
{
	return (slice_of(j->epoch, j->epoch_n));
}

/* What is kept of it; false: there is none. */
bool	journal_bounds(const struct conf *, const struct conf_namespace *,
	    struct store_bounds *);
/* BUS_JOURNAL. */
void	journal_take(struct keep *, struct bus_envelope *);
/* What has its place in Redis, for whoever is here; and where it stands there:
 * what is missing before that will not come, and is told of by roost:gap. */
void	journal_place_far(struct keep *, struct slice nsp,
	    const struct store_asker *from, struct buf *frame);
void	journal_stands_far(struct keep *, struct slice nsp, struct slice epoch,
	    uint64_t top);
/* The namespace's; NULL: it has none, or no memory. */
struct journal *journal_find(struct keep *, const struct conf_namespace *);
/* The same, if anybody has asked for it before. */
const struct journal *journal_known(const struct keep *,
	    const struct conf_namespace *);

/* An offset as text, quotes included; false: it is no place of this journal, as
 * far as its epoch goes. */
bool	journal_place(const struct journal *, struct slice offset,
	    uint64_t *place) MUST_USE;
/* It is a place, but not of this journal. */
bool	journal_is_other(const struct journal *, struct slice offset);
/*
 * The place from which on a worker's session that has just come to be among the
 * receivers of something gets it; offset: all up to there had come to the
 * worker by then.  Not later than it is, and not earlier than what is on its
 * way to the worker.
 */
uint64_t journal_stamp(const struct journal *, unsigned slot,
	    struct slice offset);

/* Who has all up to there does not know yet that it has missed something of what
 * is between these; keeps: or may have had some of that later, from what a room has
 * kept, and its offset does not say so. */
static inline bool
journal_hides(uint64_t lost, uint64_t told, uint64_t seen, bool keeps)
{
	return (seen <= told && (seen >= lost || keeps));
}

/* Who was at that worker and has all up to there knows if it has missed
 * something before, and what it has got of that. */
bool	journal_knows(const struct keep *, struct journal *, unsigned slot,
	    uint64_t seen, bool keeps);

/* What its clients may have missed so, the oldest first; what they are not told of
 * yet has told UINT64_MAX.  How many. */
size_t	journal_holes(const struct keep *, const struct journal *,
	    unsigned slot, struct journal_hole v[JOURNAL_HOLES + 1]);

void	journal_worker_gone(struct keep *, unsigned slot);
void	journals_free(struct keep *);

#endif
