/*
 * Who has hung, and who only seems to; see watch.h.
 */
#include "master/watch.h"

/* On a host too busy to let anybody run, we do not look often either: as often
 * as half of the time would do. */
static bool
watch_was_looked_at(const struct watch *w)
{
	return (w->looks >= w->limit_us / 1000 / WATCH_TICK_MS / 2);
}

enum watch_verdict
watch_judge(const struct watch *w)
{
	if (w->state == 't')
		return (WATCH_TRACED);
	if (w->silent_us < w->limit_us || !watch_was_looked_at(w))
		return (WATCH_WAIT);
	if (w->state == 'R' && w->cpu_us != -1 &&
	    w->cpu_us == w->cpu_then_us)
		return (WATCH_STARVED);
	return (WATCH_HUNG);
}
