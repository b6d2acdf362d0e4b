/*
 * Of two links that are heard, the one that serves waits for what the other one,
 * which goes, has yet to bring: each brings what a host has said in its order,
 * but not both from the same moment on.  See links.h.  Called by links.c.
 *
 * It is waited for when this host has just begun to take what the new one brings,
 * and when another host is heard there for the first time; until a mark has come
 * back by the old one, and what the new one had brought before it was taken; not
 * for ever, nor for more than a queue holds.  What has not come by then is stale.
 */
#include "relay/links_int.h"

#include "relay/bridge/seen.h"
#include "relay/far.h"
#include "shm/counters.h"
#include "sys/loop.h"

#define LINKS_WAIT_MS	3000

void
links_meet(struct links *l, bool both)
{
	far_meet(l->now, both);
	if (both)
		l->ledger.holds = l->ledger.marks = true;
	else
		seen_forget(l->ledger.seen);
}

void
links_part(struct links *l)
{
	bool whole = l->ledger.holds && !l->ledger.full &&
	    !far_brings(l->last) && seen_is_level(l->ledger.seen);

	if (!l->ledger.holds)
		return;
	l->ledger.holds = l->ledger.marks = l->ledger.full = false;
	if (!whole)
		counter_add(COUNTER_far_unwaited, 1);
	seen_cut(l->ledger.seen);
	far_release(l->now, whole);
}

void
links_wait(struct links *l)
{
	struct mono now = loop_now(l->loop);
	bool begins = l->ledger.marks;

	if (!l->ledger.holds)
		return;
	if (begins) {
		l->ledger.marks = false;
		far_mark(l->last);
		l->waits = now;
	}
	if (!l->ledger.full && now.us < mono_add_ms(l->waits,
	    LINKS_WAIT_MS).us && far_is_ready(l->last) &&
	    (far_brings(l->last) || !seen_is_level(l->ledger.seen)))
		return;
	links_part(l);
}
