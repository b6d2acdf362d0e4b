/*
 * Has a child hung that stands still?  The judgement alone, of what was seen
 * from outside; who looks, and acts, is children_watch.c.  Pure.
 */
#ifndef MASTER_WATCH_H
#define MASTER_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#define WATCH_TICK_MS	100	/* between two looks */

struct watch {
	uint64_t	 limit_us;	/* who is silent for so long has hung */
	uint64_t	 silent_us;	/* since its turn began */
	unsigned	 looks;		/* of ours, that found it so */
	char		 state;		/* of the process, as in ps(1) */
	int64_t		 cpu_us;	/* it has used; -1: not known */
	int64_t		 cpu_then_us;	/* ... when half of the limit was over */
};

enum watch_verdict {
	WATCH_WAIT,	/* not yet */
	WATCH_TRACED,	/* a debugger holds it */
	WATCH_STARVED,	/* it would run, and is not let */
	WATCH_HUNG
};

enum watch_verdict watch_judge(const struct watch *);

#endif
