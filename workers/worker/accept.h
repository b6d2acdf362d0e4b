/*
 * New connections: this worker's listening sockets, the limit on connections,
 * and what to do when descriptors run out.
 */
#ifndef WORKER_ACCEPT_H
#define WORKER_ACCEPT_H

#include <stdint.h>

struct conn;
struct worker;

/* Watch the inherited listeners; fatal when that is impossible. */
void	accept_open(struct worker *);
/* Stop accepting for good: the sockets are closed here, the master's live. */
void	accept_close(struct worker *);
/* Now and then: listen again after a failure. */
void	accept_tick(struct worker *);
/* A connection comes from another worker: count it here. */
void	accept_passed(struct conn *);
/* A connection that was counted is over; node: of its address. */
void	accept_ended(struct worker *, uint32_t node);

#endif
