/*
 * When thousands come or go at once: turns end before all of it is done, and
 * memory is given back behind them.  Called by worker.c; how many may come in a
 * second is http/handshakes.h's.
 */
#ifndef WORKER_CROWD_H
#define WORKER_CROWD_H

#include <stdbool.h>

struct worker;

/* loop_enough(); w: the worker.  So many have come, or go, that the others are
 * due. */
bool	crowd_is_enough(void *w);
/* Once a second. */
void	crowd_second(struct worker *);

#endif
