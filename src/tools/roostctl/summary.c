/*
 * A summary; see summary.h.  rooststat has the rest.
 */
#include "tools/roostctl/summary.h"

#include <bsd/stdlib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "conf/redis_state.h"
#include "shm/stats.h"

#define SUMMARY_MEMORY	"roostd-stats"

static const char *const summary_tasks[] = {
	[BOARD_RELOAD] = "reload", [BOARD_RESIZE] = "resize",
	[BOARD_UPGRADE] = "upgrade", [BOARD_REBALANCE] = "rebalance",
};

static struct board_copy summary_board;	/* large; one a process */

static unsigned
summary_number(const char *name)
{
	struct slice v;
	const char *bad;
	char text[16];
	unsigned n;

	if (!board_fact(&summary_board, name, &v) || v.n >= sizeof text)
		return (0);
	(void)snprintf(text, sizeof text, "%.*s", (int)v.n,
	    (const char *)v.p);
	n = (unsigned)strtonum(text, 0, 1000000, &bad);
	return (bad == NULL ? n : 0);
}

unsigned
summary_workers(struct daemon *d)
{
	if (find_board(d, &summary_board) == -1)
		return (0);
	return (summary_number("workers"));
}

static void
summary_row(const char *name, const char *fact)
{
	struct slice v;

	if (board_fact(&summary_board, fact, &v))
		(void)printf("%-14s %.*s\n", name, (int)v.n,
		    (const char *)v.p);
}

/* All facts of a name, in one row. */
static void
summary_listens(void)
{
	const char *line = summary_board.facts, *end;
	size_t left = summary_board.facts_n;
	bool first = true;

	while (left > 0 && (end = memchr(line, '\n', left)) != NULL) {
		if (strncmp(line, "listen=", 7) == 0) {
			(void)printf("%-14s %.*s\n", first ? "listening on" :
			    "", (int)(end - line) - 7, line + 7);
			first = false;
		}
		left -= (size_t)(end - line) + 1;
		line = end + 1;
	}
}

static void
summary_when(char out[32], uint64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL ||
	    strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		out[0] = '\0';
}

static void
summary_last_task(void)
{
	static const char *const states[] = { [BOARD_AT_WORK] = "at work",
		[BOARD_DONE] = "done", [BOARD_FAILED] = "failed" };
	const struct board_copy *c = &summary_board;
	char when[32];

	if (c->task <= BOARD_NOTHING || c->task >= BOARD_REOPEN ||
	    c->state > BOARD_FAILED)
		return;
	summary_when(when, c->begun_ms);
	(void)printf("%-14s %s, %s", "last task", summary_tasks[c->task],
	    states[c->state]);
	if (c->state != BOARD_AT_WORK)
		(void)printf(" in %" PRIu64 " ms", c->ended_ms - c->begun_ms);
	(void)printf("  (%s)\n", when);
}

/* 0: it has no such number. */
static uint64_t
summary_metric(const struct stats_snapshot *s, const char *name)
{
	const struct stats_metric *m = stats_find(s, name, "");

	return (m == NULL ? 0 : s->total[m->first]);
}

static void
summary_redis(uint64_t state)
{
	const char *trouble = redis_state_trouble((unsigned)state);

	if (state != REDIS_OFF)
		(void)printf("%-14s %s\n", "redis", trouble != NULL ? trouble :
		    state == REDIS_CONNECTED ? "connected" : "connecting");
}

/* In how many processes it is; not of an older daemon. */
static void
summary_seccomp(const struct stats_snapshot *s)
{
	struct slice v;

	if (!board_fact(&summary_board, "seccomp", &v))
		return;
	(void)printf("%-14s %.*s", "seccomp", (int)v.n, (const char *)v.p);
	if (slice_eq(v, slice_str("on")))
		(void)printf(", in %" PRIu64 " processes",
		    summary_metric(s, "calls_filtered"));
	(void)printf("\n");
}

static bool
summary_numbers(const struct stats_snapshot *s)
{
	uint64_t running = summary_metric(s, "workers_running");
	uint64_t leaving = summary_metric(s, "leaving");
	unsigned wanted = summary_number("workers");

	(void)printf("%-14s %" PRIu64 " of %u%s\n", "workers",
	    running > wanted ? wanted : running, wanted,
	    summary_metric(s, "generations") > 1 ?
	    ", and others that hand over to them" : "");
	(void)printf("%-14s %" PRIu64 "\n", "connections",
	    summary_metric(s, "connections_open"));
	(void)printf("%-14s %" PRIu64 "\n", "sessions",
	    summary_metric(s, "sessions"));
	summary_redis(summary_metric(s, "redis_state"));
	summary_seccomp(s);
	(void)printf("%-14s %" PRIu64 ", %" PRIu64 " failed\n", "reloads",
	    summary_metric(s, "reloads"), summary_metric(s, "reloads_failed"));
	if (leaving != 0)
		(void)printf("%-14s it lets its clients go\n", "leaving");
	return (wanted != 0 && running >= wanted && leaving == 0);
}

static bool
summary_memory(const struct daemon *d)
{
	struct stats_snapshot snap;
	struct stats *st = NULL;
	bool whole = false;
	char path[128];

	if (find_memory(d->pid, SUMMARY_MEMORY, 0, path, sizeof path))
		st = stats_open(path);
	if (st == NULL)
		return (false);
	if (stats_snapshot(st, false, &snap)) {
		whole = summary_numbers(&snap);
		stats_snapshot_free(&snap);
	}
	stats_close(&st);
	return (whole);
}

int
summary_print(struct daemon *d)
{
	struct slice started;
	char since[32];
	bool whole;

	if (find_board(d, &summary_board) == -1) {
		(void)fprintf(stderr, "roostctl: roostd, process %d, just "
		    "starts or ends\n", (int)d->pid);
		return (EX_TEMPFAIL);
	}
	(void)printf("%-14s %d\n", "process", (int)d->pid);
	summary_row("version", "version");
	if (board_fact(&summary_board, "started_ms", &started) &&
	    started.n < sizeof since) {
		(void)snprintf(since, sizeof since, "%.*s", (int)started.n,
		    (const char *)started.p);
		summary_when(since, strtoull(since, NULL, 10));
		(void)printf("%-14s %s\n", "since", since);
	}
	summary_row("configuration", "config");
	summary_listens();
	whole = summary_memory(d);
	summary_last_task();
	return (whole ? EX_OK : EX_TEMPFAIL);
}
