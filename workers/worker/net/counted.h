/*
 * Where a connection is counted: in the host and for its address
 * (shm/count.h), of the guests of its listener, of those that are being told
 * that they are refused.  accept.c counts them in; whatever ends them counts
 * them out here.
 */
#ifndef WORKER_NET_COUNTED_H
#define WORKER_NET_COUNTED_H

#include <stdint.h>

struct conn;
struct worker;

/* A connection that was counted is over, or did not come about; node: of its
 * address. */
void	counted_ended(struct worker *, uint32_t node);
/* This connection is over, whatever it was counted as. */
void	counted_out(const struct conn *);

#endif
