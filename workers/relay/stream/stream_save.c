/*
 * What waits for Redis to take it, for the relay that takes this one's place; see
 * stream.h.  Entries keep their numbers and their epoch, by which what was under
 * way is taken once; what comes behind them begins another one.
 *
 *	of each stream with entries: true, its name, these; false
 */
#include "relay/stream/stream_int.h"

#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "relay/stream/entry_state.h"
#include "shm/counters.h"
#include "sys/log.h"

#define SAVE_TAG	0x5782
#define SAVE_VERSION	1

void
stream_save(struct stream *s, struct buf *b)
{
	size_t before = b->wpos, at = state_open(b, SAVE_TAG, SAVE_VERSION),
	    used;
	bool any = false, cut = false;
	unsigned i;

	CHECK_MAGIC(s, STREAM_MAGIC);
	for (i = 0; i < s->nlanes; i++) {
		if (s->lanes[i].name == NULL || s->lanes[i].n == 0)
			continue;
		any = true;
		used = b->wpos - before;
		state_put_bool(b, true);
		state_put_slice(b, slice_str(s->lanes[i].name));
		cut |= entry_state_put_all(b, STAILQ_FIRST(&s->lanes[i].queue),
		    used < ENTRY_STATE_MAX ? ENTRY_STATE_MAX - used : 0);
	}
	state_put_bool(b, false);
	state_close(b, at);
	if (cut)
		log_warnx("events_cut why=\"more than can be left to another "
		    "relay waits\"");
	if (!any || b->oom)
		b->wpos = before;
	s->saved = any && !b->oom;
	if (b->oom)
		counter_add(COUNTER_memory_failures, 1);
	b->oom = false;
}

/* --- loaded -----------------------------------------------------------------*/

/* NULL: nobody writes it any more, or no memory. */
static struct lane *
stream_load_lane(struct stream *s, struct slice name)
{
	const struct slice prefix = SLICE(STREAM_LANE);
	struct lane *l = NULL;
	char text[300];
	size_t i;

	if (slice_eq(name, SLICE(STREAM_AWAY)))
		l = &s->lanes[s->nlanes - 1];
	for (i = 0; l == NULL && i < s->conf->nnamespaces; i++) {
		const struct conf_namespace *ns = &s->conf->namespaces[i];

		if (!ns->gone && slice_starts(name, prefix) &&
		    slice_eq(slice_from(name, prefix.n),
		    slice_str(ns->name + 1)))
			l = &s->lanes[ns->index];
	}
	if (l == NULL || l->name != NULL || name.n >= sizeof text)
		return (NULL);
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	return (stream_lane_new(s, l, text));
}

static void
stream_load_put(void *arg, struct entry *e)
{
	struct lane *l = arg;

	if (l != NULL)
		lane_restore(l, e);
	else {
		counter_add(COUNTER_backend_dropped, 1);
		free(e);
	}
}

static bool
stream_load_one(struct stream *s, struct state_in *in)
{
	struct slice name = state_get_slice(in);
	struct lane *l = in->bad ? NULL : stream_load_lane(s, name);
	bool cut, good = entry_state_get_all(in, stream_load_put, l, &cut);

	if (l == NULL)
		return (good);
	stream_mark(s, l, SLICE("begin"));
	if (cut)
		stream_mark(s, l, SLICE("lost"));
	return (good);
}

size_t
stream_saved(struct slice saved)
{
	return (state_behind(saved, SAVE_TAG));
}

void
stream_load(struct stream *s, struct slice saved)
{
	struct state_in in = state_in(saved), body;
	bool good;
	uint16_t version;

	if (saved.n == 0)
		return;
	good = state_section(&in, SAVE_TAG, &version, &body) &&
	    version == SAVE_VERSION;
	while (good && state_get_bool(&body))
		good = stream_load_one(s, &body);
	if (!good || !state_end(&body))
		log_warnx("events_not_read why=\"they are not understood\"");
}
