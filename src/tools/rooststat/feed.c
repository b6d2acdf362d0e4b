/*
 * Samples of the stats file.  Names in a sample point into the mapping, so
 * samples never outlive it.
 */
#include "tools/rooststat/feed.h"

#include <errno.h>
#include <stdlib.h>

#include "sys/plat.h"

int
feed_open(struct feed *f, const char *path)
{
	memset(f, 0, sizeof *f);
	f->path = path;
	f->stats = stats_open(path);
	return (f->stats != NULL ? 0 : -1);
}

static void
feed_drop(struct feed_sample *s)
{
	if (s->full)
		stats_snapshot_free(&s->snap);
	free(s->use);
	s->use = NULL;
	s->full = false;
}

/* What the processes of the sample take just now, as far as they live. */
static void
feed_use(struct feed_sample *s)
{
	const struct stats_row *row = s->snap.row;
	unsigned i;

	s->use = calloc(s->snap.nrows + 1, sizeof *s->use);
	for (i = 0; i < s->snap.nrows && s->use != NULL; i++)
		plat_process_use(row[i].state == STATS_SLOT_LIVE ?
		    (pid_t)row[i].pid : -1, &s->use[i]);
}

void
feed_close(struct feed *f)
{
	feed_drop(&f->prev);
	feed_drop(&f->cur);
	if (f->stats != NULL)
		stats_close(&f->stats);
}

/* Go over to another file: names of the old one point nowhere, and with
 * another start of the daemon nothing can be compared any more. */
static void
feed_switch(struct feed *f, struct stats *st, struct feed_sample *s,
    struct wall now)
{
	bool same = memcmp(s->snap.start_id, f->cur.snap.start_id,
	    sizeof s->snap.start_id) == 0;

	feed_drop(&f->prev);
	feed_drop(&f->cur);
	stats_close(&f->stats);
	f->stats = st;
	f->cur = *s;
	feed_use(&f->cur);
	if (same)
		return;	/* its file was removed, and made again */
	f->restarts++;
	f->restarted = now;
}

/*
 * What is at the path now.  True: another start, or the same with a file that
 * lives while ours does not, and the sample was taken.
 */
static bool
feed_reopen(struct feed *f, struct mono at, struct wall now)
{
	struct feed_sample s = { .at = at, .full = true };
	struct stats *st;

	st = stats_open(f->path);
	f->source.unlinked = st == NULL && errno == ENOENT;
	/* EAGAIN: it is being made */
	f->source.error = st != NULL || errno == ENOENT || errno == EAGAIN ?
	    0 : errno;
	if (st == NULL)
		return (false);
	if (!stats_snapshot(st, true, &s.snap)) {
		stats_close(&st);
		return (false);
	}
	if (memcmp(s.snap.start_id, f->cur.snap.start_id,
	    sizeof s.snap.start_id) == 0 &&
	    s.snap.heartbeat_ms <= f->cur.snap.heartbeat_ms) {
		stats_snapshot_free(&s.snap);
		stats_close(&st);
		return (false);
	}
	feed_switch(f, st, &s, now);
	return (true);
}

static void
feed_judge(struct feed *f, struct wall now)
{
	const struct stats_snapshot *s = &f->cur.snap;
	struct model_source *src = &f->source;

	src->silent_ms = now.ms > s->heartbeat_ms ?
	    now.ms - s->heartbeat_ms : 0;
	src->restarted = f->restarts > 0;
	src->restarted_ms = now.ms > f->restarted.ms ?
	    now.ms - f->restarted.ms : 0;
	src->use = f->cur.use;
	src->was = f->prev.use;
	src->process = plat_process_state((pid_t)s->master_pid);
	if (s->state == STATS_ENDED)
		src->daemon = DAEMON_ENDED;
	else if (src->silent_ms > MODEL_SILENT_MS)
		src->daemon = DAEMON_SILENT;
	else
		src->daemon = DAEMON_LIVE;
}

int
feed_sample(struct feed *f, struct mono at, struct wall now)
{
	struct feed_sample s = { .at = at, .full = true };

	if (f->cur.full) {
		f->source.unlinked = false;
		f->source.error = 0;
		if (stats_stale(f->stats, now) && feed_reopen(f, at, now)) {
			feed_judge(f, now);
			return (0);
		}
	}
	if (!stats_snapshot(f->stats, true, &s.snap))
		return (-1);
	feed_drop(&f->prev);
	f->prev = f->cur;
	f->cur = s;
	feed_use(&f->cur);
	feed_judge(f, now);
	return (0);
}

uint64_t
feed_elapsed_us(const struct feed *f)
{
	return (f->prev.full ? f->cur.at.us - f->prev.at.us : 0);
}
