/*
 * What other daemons say by a link that has just come to serve, while the one
 * before it is there yet: what that has yet to bring is older, and comes first.
 * See ledger.h for when, and links_wait.c for how long.
 */
#include "relay/bridge/hosts_int.h"

#include "base/state.h"
#include "conf/conf.h"
#include "relay/bridge/home.h"
#include "relay/bridge/ledger.h"
#include "relay/bridge/seal.h"
#include "relay/bridge/seen.h"
#include "shm/counters.h"

void
hosts_note(struct hosts *s, struct slice payload)
{
	struct hosts_head h;

	if (s->p.home->comes && seal_take(s->p.seal,
	    slice_str(s->p.home->conf->redis.prefix), &payload) &&
	    hosts_head(payload, &h) && h.node != s->p.home->node_id)
		seen_pass(s->p.home->ledger->seen, h.node, h.epoch, h.number);
}

bool
hosts_waits(struct hosts *s, const struct hosts_head *h)
{
	const struct home *home = s->p.home;
	struct ledger *l = home->ledger;

	if (!home->meets || s->releases)
		return (false);
	/* it has come to this link itself: what it said before goes by the
	 * other one alone */
	if (!l->holds && seen_is_ahead(l->seen, h->node, h->epoch))
		l->holds = l->marks = true;
	return (l->holds);
}

bool
hosts_hold(struct hosts *s, struct slice channel, struct slice payload)
{
	struct ledger *l = s->p.home->ledger;
	size_t at = s->held.wpos;

	state_put_slice(&s->held, channel);
	state_put_slice(&s->held, payload);
	l->full |= s->held.wpos > s->p.home->conf->bus_queue_bytes;
	if (!s->held.oom) {
		counter_add(COUNTER_far_waited, 1);
		return (true);
	}
	l->full = true;
	s->held.oom = false;
	s->held.wpos = at;
	counter_add(COUNTER_memory_failures, 1);
	return (false);
}

void
hosts_release(struct hosts *s, bool whole)
{
	struct state_in in;
	struct slice channel;
	struct buf held = s->held;

	CHECK_MAGIC(s, HOSTS_MAGIC);
	buf_init(&s->held);
	in = state_in(buf_unread(&held));
	s->releases = true;
	s->whole = whole;
	while (in.p != in.end && !in.bad) {
		channel = state_get_slice(&in);
		hosts_see(s, channel, state_get_slice(&in));
	}
	s->releases = s->whole = false;
	buf_fini(&held);
}
