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

struct slice
home_offset(struct home *h, struct slice nsp, uint8_t out[OFFSET_MAX])
{
	const struct conf_namespace *ns;

	if (h->conf->recovery_window_ms == 0)
		return (slice_of(NULL, 0));
	ns = conf_namespace_find(h->conf, nsp);
	if (ns != NULL && ns->journals)
		return (slice_of(NULL, 0));
	return (offset_make(out, &h->origin,
	    HOME_OFFSET | ++h->ledger->offsets));
}

void
home_deliver(struct home *h, const uint64_t slots[2], struct bus_envelope *e)
{
	uint8_t offset[OFFSET_MAX];

	if (e->kind == BUS_PUBLISH)
		e->publish.offset = home_offset(h, e->publish.nsp, offset);
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
