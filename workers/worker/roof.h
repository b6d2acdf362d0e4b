/*
 * The roof of a worker, between its files: worker.c (parts, hands, routes), ports.c
 * (what the hub asks of it), turn.c (what is done when).
 */
#ifndef WORKER_ROOF_H
#define WORKER_ROOF_H

#include "worker/worker.h"

struct hub_ports worker_ports(struct worker *);
/* What the loop calls around each wait. */
struct loop_hooks worker_hooks(struct worker *);
/* All that is to go in this turn goes; a hand-over may come behind it. */
void	worker_turn_end(struct worker *);
/* Every WORKER_TICK_MS. */
void	worker_tick(struct timer *, struct mono);

#endif
