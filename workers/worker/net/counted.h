/*
 * Where a connection is counted: in the host and for its address
 * (shm/count.h), of the guests of its listener, of those that are being told
 * that they are refused.  accept.c counts them in, and those that come from
 * other workers are counted here; whatever ends them counts them out here.
 */
#ifndef WORKER_NET_COUNTED_H
#define WORKER_NET_COUNTED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"

struct conn;
struct worker;

/* A connection that was counted is over, or did not come about; node: of its
 * address. */
void	counted_ended(struct worker *, uint32_t node);
/* This connection is over, whatever it was counted as. */
void	counted_out(const struct conn *);
/* A connection comes from another worker, where it was counted, for this
 * address (limit_address()) too: it is here. */
void	counted_passed(struct conn *, uint64_t key);
/* ... which is this one's; 0: none. */
uint64_t counted_key(const struct conn *);
/* A trusted proxy's: it brings a request of this address, for which it is
 * counted until it is idle.  false: there are as many as there may be. */
bool	counted_asks(struct conn *, uint64_t key) MUST_USE;
/* It has no request now; one that is a client's own stays that. */
void	counted_idle(struct conn *);

#endif
