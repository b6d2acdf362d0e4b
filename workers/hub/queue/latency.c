/*
 * See latency.h.  Called by rule.c and publish.c, and by hub.c for the host.
 */
#include "hub/queue/latency.h"

#include "shm/counters.h"

void
latency_queued(struct latency *l, struct mono since)
{
	unsigned i = l->nrows;

	/* what came in order comes in order: the last row, or a new one */
	if (i > 0 && l->rows[i - 1].since_us == since.us) {
		l->rows[i - 1].n++;
		return;
	}
	/* no more rows: as late as the one before, which it nearly is */
	if (i == LATENCY_ROWS) {
		l->rows[i - 1].n++;
		return;
	}
	l->rows[i].since_us = since.us;
	l->rows[i].n = 1;
	l->nrows++;
}

void
latency_written(struct latency *l, struct mono now)
{
	uint64_t since;
	unsigned i;

	for (i = 0; i < l->nrows; i++) {
		since = l->rows[i].since_us;
		histogram_add_n(HISTOGRAM_delivery_us,
		    now.us > since ? now.us - since : 0, l->rows[i].n);
	}
	l->nrows = 0;
}
