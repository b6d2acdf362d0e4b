/*
 * The way to the workers of this host; see home.h.
 */
#include "relay/bridge/home.h"

#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/bridge/ledger.h"

/* Far from those of what the relay says itself, which begin at 1. */
#define HOME_OFFSET	(UINT64_C(1) << 62)

struct mono
home_now(const struct home *h)
{
	return (h->now(h->arg));
}

void
home_offset(struct home *h, struct bus_envelope *e)
{
	if (e->kind == BUS_PUBLISH && h->conf->recovery_window_ms != 0)
		e->publish.offset = offset_make(h->offset, &h->origin,
		    HOME_OFFSET | ++h->ledger->offsets);
}

void
home_deliver(struct home *h, const uint64_t slots[2], struct bus_envelope *e)
{
	home_offset(h, e);
	h->to_workers(h->arg, slots, e);
}

bool
home_takes(const struct home *h, struct slice channel, struct slice payload)
{
	return (!h->deaf && ledger_takes(h->ledger, h->comes, channel, payload,
	    home_now(h).us / 1000));
}

void
home_say(const struct home *h, enum home_trouble what, struct slice words)
{
	h->trouble(h->arg, what, words);
}
