/*
 * Gaps of this worker; see gap.h.  Called by hub.c for the stream and the
 * time.
 */
#include "hub/publish/gap.h"

#include "hub/hub_int.h"
#include "hub/publish/lost.h"
#include "hub/publish/post.h"
#include "hub/publish/publish.h"
#include "proto/bus.h"
#include "shm/slots.h"

#define GAP_MARGIN_MS	1000	/* what the relay got last it had not passed on */

/* --- what did not leave ---------------------------------------------------*/

/* To the workers, and hosts, that may have some of those concerned. */
static bool
gap_tell(struct hub *h, const struct gap *g)
{
	struct bus_envelope e;
	struct audience a;
	uint64_t bits[2];
	const struct conf_namespace *ns;

	if (!gaps_publication(g, &h->lost->words, &e))
		return (false);
	ns = conf_namespace_find(h->conf, g->nsp);
	if (ns == NULL)
		return (true);
	a = publish_receivers(&e);
	publish_workers(h, ns, &a, bits);
	if (conf_redis_on(&h->conf->redis))
		e.flags |= BUS_FAR;
	else if (slotset_empty(bits))
		return (true);
	if (!post_send(h, bits, 0, &e))
		return (false);		/* it is noted again, with this time */
	counter_add(COUNTER_gaps_told, 1);
	return (true);
}

void
gap_tick(struct hub *h)
{
	const struct gap *g;

	while ((g = gaps_first(&h->lost->out)) != NULL && gap_tell(h, g))
		gaps_drop_first(&h->lost->out);
}

/* --- what did not come ----------------------------------------------------*/

/* What is kept comes from the relay, this worker's own messages too. */
static bool
gap_keeps_any(const struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nnamespaces; i++)
		if (conf->namespaces[i].keeps)
			return (true);
	return (false);
}

/* Others there are whose messages the relay may have had. */
static bool
gap_has_others(const struct hub *h)
{
	return (conf_redis_on(&h->conf->redis) ||
	    segment_nslots(h->segment) > 3 || gap_keeps_any(h->conf));
}

/* When the relay last did something, if it said. */
static uint64_t
gap_relay_seen_ms(const struct hub *h)
{
	uint64_t seen = slot_heartbeat_us(h->segment, 0), ago = 0;

	if (seen != 0 && seen < h->now.us)
		ago = (h->now.us - seen) / 1000;
	return (h->wall.ms - ago - GAP_MARGIN_MS);
}

void
gap_lost(struct hub *h)
{
	if (h->lost->since_ms == 0 && gap_has_others(h))
		h->lost->since_ms = gap_relay_seen_ms(h);
}

/* To those here. */
static void
gap_tell_here(struct hub *h, struct gaps *all)
{
	struct bus_envelope e;
	struct publication p;
	struct audience a;
	const struct gap *g;

	for (; (g = gaps_first(all)) != NULL; gaps_drop_first(all)) {
		if (!gaps_publication(g, &h->lost->words, &e))
			continue;
		p = publish_received(&e);
		a = publish_receivers(&e);
		(void)fanout_audience(h, conf_namespace_find(h->conf, g->nsp),
		    &a, &p);
	}
}

void
gap_back(struct hub *h)
{
	struct gaps all;

	if (h->lost->since_ms == 0)
		return;
	gaps_init(&all, h->conf);
	gaps_note_all(&all, h->lost->since_ms, h->wall.ms);
	h->lost->since_ms = 0;
	gap_tell_here(h, &all);
	gaps_fini(&all);
}

void
gap_in_room(struct hub *h, const struct conf_namespace *ns, struct slice room,
    uint64_t from_ms)
{
	static struct bus_audience to;	/* large; one at a time */
	struct gaps one;

	to.rooms[0] = room;
	to.nrooms = 1;
	gaps_init(&one, h->conf);
	gaps_note(&one, slice_of(ns->name, ns->name_len), &to, from_ms,
	    h->wall.ms);
	gap_tell_here(h, &one);
	gaps_fini(&one);
}

void
gap_to_session(struct hub *h, struct session *s, struct slice room,
    uint64_t from_ms)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct gap g = { .kind = GAP_ROOM, .name = room, .from_ms = from_ms,
		.to_ms = h->wall.ms, .nsp = slice_of(s->ns->name,
		    s->ns->name_len) };
	struct publication p;

	if (!wire_has_names((enum wire)s->wire) ||
	    !gaps_publication(&g, &h->lost->words, &e))
		return;
	p = publish_received(&e);
	(void)fanout_session(h, s, &p);
}
