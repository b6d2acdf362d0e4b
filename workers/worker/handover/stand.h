/*
 * A worker stands still for a batch: it has sent all that it had to say, reads
 * its stream from the relay up to the mark (relay/local/cut.h), writes what
 * that has brought, and then looks at nothing but the socket to the other
 * worker, for a bounded time.  Giver and heir do the same, so that both are at
 * the same place in what all others have to say.  Called by give.c and take.c
 * at the end of a turn; what it asks of the worker is a table, so that tests
 * have fakes.
 */
#ifndef WORKER_HANDOVER_STAND_H
#define WORKER_HANDOVER_STAND_H

#include <stdbool.h>

#include "base/bug.h"
#include "base/clock.h"

/* So long one batch may hold up a worker, at the most; until the mark; and more
 * for the last words, COMMIT and TAKEN. */
#define STAND_MS	250u
#define STAND_MARK_MS	100u
#define STAND_WORD_MS	50u

enum stand_mark { STAND_UNMARKED, STAND_MARKED, STAND_REFUSED };
enum stand_pump { PUMP_ON, PUMP_SOCK, PUMP_LOST };

/* What the worker does for it. */
struct stand_calls {
	void	*arg;
	struct mono (*now)(void *arg);
	/* BUS_CUT, behind all that was said; then frames are read up to the
	 * mark, and what would make this worker publish is kept aside.  false:
	 * there is no relay, or no room. */
	bool	(*cut)(void *arg, unsigned giver, unsigned heir,
		    uint64_t batch);
	enum stand_mark (*marked)(void *arg);
	/* Wait until the stream (if bus), or sock (unless -1), has something,
	 * or until then, and move what the stream has.  PUMP_LOST: there is no
	 * stream any more; PUMP_SOCK: the other one has said something. */
	enum stand_pump (*pump)(void *arg, bool bus, int sock,
		    struct mono until);
	/* Everything is written that can be, nothing is half done. */
	void	(*turn_end)(void *arg);
	/* Go on with what came behind the mark, and what was kept aside. */
	void	(*release)(void *arg);
};

struct stand {
	const struct stand_calls *up;
	struct mono	 since;
	struct mono	 zero;		/* time runs from here: the heir's since,
					 * for both */
	struct mono	 rested;	/* the others have had as much by then */
};

void	stand_init(struct stand *, const struct stand_calls *);
/* From now on.  The giver's time runs since the heir stands still, in us, unless
 * it did not say when (0): it is over first, and no two have them. */
void	stand_begin(struct stand *, uint64_t heir_us);
/* The worker says that it is at the cut.  false: it cannot. */
bool	stand_cut(struct stand *, unsigned giver, unsigned heir,
	    uint64_t batch) MUST_USE;
enum stand_result {
	STAND_BEHIND,		/* the mark, and all is written */
	STAND_SOCK,		/* sock has something first */
	STAND_FAILED		/* no relay, no mark, or no time */
};
/* May go on after STAND_SOCK; sock -1: nobody. */
enum stand_result stand_mark(struct stand *, int sock) MUST_USE;
/* Until sock has something, or so long after the beginning; at once when there
 * is no such time left. */
void	stand_wait(struct stand *, int sock, unsigned ms);
/* So many ms of that are over. */
bool	stand_is_over(const struct stand *, unsigned ms);
void	stand_end(struct stand *);
/* All others have had as long as the last batch took. */
bool	stand_is_rested(const struct stand *);

#endif
