/*
 * The watchdog: a child whose heartbeat stands still, and which has hung by the
 * judgement of watch.h, is reported with what is known from outside, killed, and
 * so replaced; see children.h.
 */
#include "master/children_int.h"

#include <inttypes.h>

#include "conf/conf.h"
#include "master/read/edition.h"
#include "master/reclaim.h"
#include "master/watch.h"
#include "shm/counters.h"
#include "shm/slots.h"
#include "shm/stats.h"
#include "sys/log.h"
#include "sys/plat.h"

/* Silent for so long it is killed: the next one is there in time. */
static uint64_t
watch_limit_us(const struct children *c)
{
	return (c->now.edition->conf->worker_timeout_ms * 1000 / 8 * 7);
}

/* Since its turn began, or when it could not show any. */
static uint64_t
watch_silent_us(const struct seat *s, struct mono now)
{
	const struct children *c = s->all->children;
	uint64_t seen = slot_heartbeat_us(c->p.segment, s->slot);

	if (seen < s->started.us)
		seen = s->started.us;
	if (seen < c->excused.us)
		seen = c->excused.us;
	if (seen < s->watched.us)
		seen = s->watched.us;
	return (now.us > seen ? now.us - seen : 0);
}

static void
watch_forgive(struct seat *s, struct mono now)
{
	s->watched = now;
	s->looks = 0;
	s->suspect = false;
}

static int64_t
watch_cpu_us(const struct seat *s)
{
	struct plat_use use;

	plat_process_use(s->pid, &use);
	return (use.cpu_us);
}

/* A debugger holds it: it is none of our business how long. */
static void
watch_traced(struct seat *s, struct mono now)
{
	if (!s->traced)
		log_info("child_traced role=%s slot=%u pid=%d",
		    s->role->title, s->slot, (int)s->pid);
	watch_forgive(s, now);
	s->traced = true;
}

static void
watch_starved(struct seat *s, const struct watch *w, struct mono now)
{
	log_warnx("child_starved role=%s slot=%u pid=%d silent_ms=%" PRIu64,
	    s->role->title, s->slot, (int)s->pid, w->silent_us / 1000);
	watch_forgive(s, now);
}

static void
watch_report(const struct seat *s, const struct watch *w)
{
	const struct children *c = s->all->children;
	int64_t cpu_us = w->cpu_us == -1 || w->cpu_then_us == -1 ? -1000 :
	    w->cpu_us - w->cpu_then_us;
	char note[128];

	if (!reclaim_note(c->p.segment, s->slot, note))
		note[0] = '\0';
	log_warnx("child_hangs role=%s slot=%u pid=%d silent_ms=%" PRIu64
	    " doing=\"%s\" state=%c cpu_ms=%" PRId64 " turns=%" PRIu64
	    " connections=%" PRIu64 " note=\"%s\"", s->role->title, s->slot,
	    (int)s->pid, w->silent_us / 1000,
	    slot_doing(c->p.segment, s->slot), w->state, cpu_us / 1000,
	    s->turns, stats_value(c->p.stats, s->slot,
	    COUNTER_connections_open), note);
}

static void
watch_hung(struct seat *s, const struct watch *w, struct mono now)
{
	watch_report(s, w);
	counter_add(COUNTER_children_hung, 1);
	children_kill_one(s, now);
}

/* Half of its time is over: from here on it is looked at closely. */
static void
watch_closely(struct seat *s, struct watch *w, struct mono now)
{
	if (!s->suspect)
		s->cpu_us = watch_cpu_us(s);
	s->suspect = s->stuck = true;
	w->cpu_then_us = s->cpu_us;
	w->state = plat_process_state(s->pid);
	w->cpu_us = w->silent_us < w->limit_us ? -1 : watch_cpu_us(s);
	switch (watch_judge(w)) {
	case WATCH_WAIT:
		break;
	case WATCH_TRACED:
		watch_traced(s, now);
		break;
	case WATCH_STARVED:
		watch_starved(s, w, now);
		break;
	case WATCH_HUNG:
		watch_hung(s, w, now);
		break;
	}
}

static bool
watch_beats(const struct seat *s, struct mono now)
{
	return (s->standing != SEAT_SERVING || (s->state == SEAT_READY &&
	    s->killed.us == 0 &&
	    watch_silent_us(s, now) < watch_limit_us(s->all->children) / 2));
}

bool
children_beat(const struct children *c, struct mono now, const char **role,
    unsigned *slot)
{
	const struct seat *s;

	CHECK_MAGIC(c, CHILDREN_MAGIC);
	for (s = c->seats->seat; s < c->seats->seat + c->seats->n; s++) {
		if (watch_beats(s, now))
			continue;
		*role = s->role->title;
		*slot = s->role->id == SLOT_RELAY ? 0 : s->worker + 1;
		return (false);
	}
	return (true);
}

void
children_watch(struct seat *s, struct mono now)
{
	struct children *c = s->all->children;
	uint64_t turns = slot_turns(c->p.segment, s->slot);
	struct watch w = { .limit_us = watch_limit_us(c) };

	if (turns != s->turns) {
		watch_forgive(s, (struct mono){ 0 });
		s->traced = s->stuck = false;
	}
	s->turns = turns;
	w.looks = ++s->looks;
	w.silent_us = watch_silent_us(s, now);
	if (s->killed.us == 0 && w.silent_us >= w.limit_us / 2)
		watch_closely(s, &w, now);
}
