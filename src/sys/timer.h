/*
 * A hashed timer wheel with coarse ticks: starting and stopping cost a few
 * stores whatever the number of timers, and nothing walks them all.  A timer
 * fires at its time or up to TIMER_TICK_MS later, never earlier.  One loop
 * each; memory only (the time is an argument).
 */
#ifndef SYS_TIMER_H
#define SYS_TIMER_H

#include <sys/queue.h>

#include <stdbool.h>

#include "base/bug.h"
#include "base/clock.h"

#define TIMER_TICK_MS	16
#define TIMER_SLOTS	4096	/* longer delays go round again */

struct timer;
typedef void timer_cb(struct timer *, struct mono now);

struct timer {			/* embed; zeroed to start; 40 bytes */
	LIST_ENTRY(timer) link;	/* linked while it runs */
	timer_cb	*on_fire;
	uint64_t	 tick;	/* fires when the wheel reaches it */
	bool		 running;
	uint32_t	 own;	/* of who embeds it; the wheel lets it be */
};

struct wheel {
	unsigned	 magic;
#define WHEEL_MAGIC	0x7a3ee1aa
	uint64_t	 tick;	/* done up to here */
	uint64_t	 count;	/* timers that run */
	LIST_HEAD(wheel_slot, timer) slots[TIMER_SLOTS];
};

void	wheel_init(struct wheel *, struct mono now);
/* (Re)start: fires once, at `at` or within a tick behind it. */
void	timer_start(struct wheel *, struct timer *, struct mono at, timer_cb *);
void	timer_stop(struct wheel *, struct timer *);	/* harmless when idle */
struct mono timer_at(const struct timer *);
/* Fire what is due; callbacks may start and stop any timer. */
void	wheel_advance(struct wheel *, struct mono now);
/* Milliseconds until advance has something to do (at most limit). */
int	wheel_wait_ms(const struct wheel *, struct mono now, int limit);

#endif
