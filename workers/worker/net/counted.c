/*
 * Connections that are over are counted out; see counted.h.
 */
#include "worker/net/counted.h"

#include "shm/count.h"
#include "shm/counters.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

void
counted_ended(struct worker *w, uint32_t node)
{
	count_leave(w->count);
	count_leave_key(w->count, node);
}

void
counted_out(const struct conn *c)
{
	struct worker *w = c->w;

	if (!c->passage)
		counter_sub(COUNTER_connections_open, 1);
	if (c->refused)
		w->refusals--;
	if (c->guest)
		w->listeners[c->address_node].guests--;
	if (c->counted)
		counted_ended(w, c->address_node);
}
