/*
 * The master's calls into shm/; see reclaim.h.
 */
#include "master/reclaim.h"

#include <inttypes.h>

#include "conf/conf.h"
#include "shm/counters.h"
#include "shm/presence.h"
#include "shm/segment.h"
#include "shm/slots.h"
#include "shm/slots_heirs.h"
#include "shm/stats.h"
#include "shm/sweep.h"
#include "sys/log.h"

bool
reclaim_note(const struct segment *seg, unsigned slot, char note[128])
{
	size_t i;

	if (!slot_panic(seg, slot, note))
		return (false);
	for (i = 0; note[i] != '\0'; i++) {
		/* its writer was not well */
		if (note[i] < ' ' || note[i] > '~')
			note[i] = '?';
		else if (note[i] == '"')
			note[i] = '\'';
	}
	return (true);
}

void
reclaim_child(struct segment *seg, struct sweep *sweep, struct stats *stats,
    unsigned slot, const char *title)
{
	uint64_t nodes = counter_get(COUNTER_shm_reclaimed), closed;
	struct mono begun = mono_now();
	char note[128];

	if (reclaim_note(seg, slot, note))
		log_warnx("panic role=%s slot=%u note=\"%s\"", title, slot, note);
	slot_dead(seg, slot);
	if (slot != 0)
		heirs_dead(seg, slot, slot_generation(seg, slot));
	stats_slot_dead(stats, slot);
	sweep_reclaim(sweep, slot);
	closed = stats_slot_free(stats, slot);
	nodes = counter_get(COUNTER_shm_reclaimed) - nodes;
	if (nodes + closed == 0)
		return;		/* it left nothing behind */
	/* those ended, and nobody else is left to tell of each */
	log_info("reclaimed role=%s slot=%u connections=%" PRIu64 " nodes=%"
	    PRIu64 " ms=%" PRIu64 " by=%s reason=%s", title, slot, closed,
	    nodes, (mono_now().us - begun.us) / 1000,
	    reason_by(REASON_worker_died),
	    reason_row(REASON_worker_died)->name);
}

void
reclaim_tally(const struct segment *seg, const struct conf *conf)
{
	static uint32_t users[COUNTERS_NS_MAX]; /* the master is one thread */
	unsigned i, n;

	n = conf->nnamespaces < COUNTERS_NS_MAX ?
	    (unsigned)conf->nnamespaces : COUNTERS_NS_MAX;
	presence_tally(seg, users, n);
	for (i = 0; i < n; i++)
		counter_ns_set(i, NS_users, users[i]);
}
