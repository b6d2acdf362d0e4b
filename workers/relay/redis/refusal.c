/*
 * Errors of Redis that pass; see refusal.h.
 */
#include "relay/redis/refusal.h"

#include <inttypes.h>

#include "shm/counters.h"
#include "sys/log.h"

bool
refusal_is(const struct reply *o)
{
	static const char *const words[] = { "BUSY", "CLUSTERDOWN", "LOADING",
		"MASTERDOWN", "MISCONF", "NOREPLICAS", "OOM", "TRYAGAIN" };
	size_t i;

	for (i = 0; i < nitems(words); i++)
		if (reply_is_error(o, slice_str(words[i])))
			return (true);
	return (false);
}

void
refusal_note(struct refusal *f, const struct reply *o, const char *name,
    struct mono now)
{
	char words[REPLY_WORDS];

	counter_add(COUNTER_redis_refusals, 1);
	f->last = now;
	if (f->on)
		return;
	f->on = true;
	f->since = now;
	counter_add(COUNTER_redis_refusing, 1);
	reply_words(o, words);
	log_warnx("redis_refuses url=%s said=\"%s\"", name, words);
}

void
refusal_beat(struct refusal *f, const char *name, struct mono now)
{
	if (!f->on || now.us - f->last.us < REFUSAL_OVER_MS * 1000)
		return;
	log_info("redis_takes_again url=%s after_ms=%" PRIu64, name,
	    (f->last.us - f->since.us) / 1000);
	refusal_end(f);
}

void
refusal_end(struct refusal *f)
{
	if (f->on)
		counter_sub(COUNTER_redis_refusing, 1);
	f->on = false;
}
