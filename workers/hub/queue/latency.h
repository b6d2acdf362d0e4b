/*
 * How long messages take through this worker: from their arrival, here or at
 * another worker of the host, to the write at the end of the turn.  Those of
 * one turn mostly share a few arrivals, which are counted together.
 */
#ifndef HUB_QUEUE_LATENCY_H
#define HUB_QUEUE_LATENCY_H

#include "base/clock.h"

#define LATENCY_ROWS	16	/* arrivals of one turn told apart */

struct latency {
	unsigned	 nrows;
	struct {
		uint64_t	 since_us;
		uint32_t	 n;
	}		 rows[LATENCY_ROWS];
};

/* A message that arrived then is queued for clients. */
void	latency_queued(struct latency *, struct mono since);
/* What was queued is written now: counted as delivery_us. */
void	latency_written(struct latency *, struct mono now);

#endif
