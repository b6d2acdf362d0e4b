/*
 * Connections that are over are counted out, those of others in; see counted.h.
 */
#include "worker/net/counted.h"

#include "hub/session/limit.h"
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
	else
		count_leave_key(w->count, c->address_node);
	if (c->counted)
		count_leave(w->count);
}

/* Of this address, too; false: there are limit already. */
static bool
counted_key_enter(struct conn *c, uint64_t key, uint32_t limit)
{
	return (key == 0 || c->w->conf->limit_per_address == 0 ||
	    count_enter_key(c->w->count, COUNT_ADDRESS,
	    slice_of(&key, sizeof key), limit, &c->address_node));
}

uint64_t
counted_key(const struct conn *c)
{
	uint64_t key = 0;
	struct slice s;

	if (c->address_node == 0)
		return (conn_is_proxied(c) ? 0 : limit_address(c->address));
	s = count_key(c->w->count, c->address_node);
	if (s.n == sizeof key)
		memcpy(&key, s.p, sizeof key);
	return (key);
}

void
counted_passed(struct conn *c, uint64_t key)
{
	/* it was let in once: nothing is refused now */
	c->counted = count_enter(c->w->count, UINT64_MAX);
	if (c->counted && !counted_key_enter(c, key, COUNT_KEY_MAX))
		c->address_node = 0;
}

bool
counted_asks(struct conn *c, uint64_t key)
{
	if (c->guest || c->refused)
		return (true);
	count_leave_key(c->w->count, c->address_node);
	c->address_node = 0;
	return (counted_key_enter(c, key, c->w->conf->limit_per_address));
}

void
counted_idle(struct conn *c)
{
	if (c->address_node == 0 || c->guest || !conn_is_proxied(c))
		return;
	count_leave_key(c->w->count, c->address_node);
	c->address_node = 0;
}
