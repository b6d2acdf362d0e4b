/*
 * What the relay does, grouped by those it speaks with: Redis, other hosts,
 * back ends, servers of Socket.IO, our own workers.  A row adds up the
 * counters of one name, whatever their labels; rows keep their order.
 */
#include "tools/rooststat/list_int.h"

#include <math.h>
#include <stdio.h>

#include "conf/redis_state.h"
#include "tools/rooststat/match.h"

enum relay_kind {
	RELAY_GROUP,		/* a heading; name: of what it has as state */
	RELAY_PLAIN,
	RELAY_WARN,		/* growing: somebody missed something */
};

static const struct relay_row {
	enum relay_kind	 kind;
	const char	*label;
	const char	*metric;
} relay_rows[] = {
	{ RELAY_GROUP, "Redis",				"redis_state" },
	{ RELAY_PLAIN, "channels listened to",		"redis_channels" },
	{ RELAY_PLAIN, "messages received",		"redis_messages" },
	{ RELAY_PLAIN, "commands sent",			"redis_commands" },
	{ RELAY_PLAIN, "bytes received",		"redis_bytes_in" },
	{ RELAY_PLAIN, "bytes sent",			"redis_bytes_out" },
	{ RELAY_PLAIN, "bytes waiting",			"redis_queue_bytes" },
	{ RELAY_PLAIN, "connections made",		"redis_connects" },
	{ RELAY_WARN,  "connections failed",		"redis_failures" },
	{ RELAY_PLAIN, "masters changed, by Sentinels",	"redis_switches" },
	{ RELAY_PLAIN, "slots moved, in a Cluster",	"redis_moved" },
	{ RELAY_PLAIN, "servers in use",		"redis_nodes" },
	{ RELAY_PLAIN, "servers away",			"redis_nodes_away" },
	{ RELAY_WARN,  "times the listener was lost",	"redis_gaps" },
	{ RELAY_WARN,  "commands dropped",		"redis_dropped" },
	{ RELAY_WARN,  "errors answered",		"redis_errors" },
	{ RELAY_GROUP, "other hosts",			NULL },
	{ RELAY_PLAIN, "daemons there",			"nodes_known" },
	{ RELAY_PLAIN, "their users, in rooms too",	"presence_mirrored" },
	{ RELAY_PLAIN, "1: users may be out of date",	"presence_stale" },
	{ RELAY_PLAIN, "publications sent",		"far_sent" },
	{ RELAY_PLAIN, "publications received",		"far_received" },
	{ RELAY_PLAIN, "copies dropped",		"far_copies" },
	{ RELAY_WARN,  "came too late, dropped",	"far_stale" },
	{ RELAY_WARN,  "publications lost",		"far_lost" },
	{ RELAY_WARN,  "orders lost",			"far_orders_lost" },
	{ RELAY_WARN,  "not understood",		"far_bad" },
	{ RELAY_WARN,  "gaps noted",			"gaps_noted" },
	{ RELAY_PLAIN, "gaps told",			"gaps_told" },
	{ RELAY_GROUP, "back ends, through Redis",	NULL },
	{ RELAY_PLAIN, "messages published",		"redis_publishes" },
	{ RELAY_WARN,  "messages refused", "redis_publishes_refused" },
	{ RELAY_WARN,  "seals missing or wrong",	"redis_unsealed" },
	{ RELAY_PLAIN, "messages of the stream",	"stream_entries" },
	{ RELAY_WARN,  "gaps in the stream",		"stream_gaps" },
	{ RELAY_WARN,  "errors about the stream",	"stream_errors" },
	{ RELAY_GROUP, "servers of Socket.IO",		NULL },
	{ RELAY_PLAIN, "messages received",		"socketio_received" },
	{ RELAY_PLAIN, "for rooms not here",		"socketio_elsewhere" },
	{ RELAY_WARN,  "messages refused",		"socketio_refused" },
	{ RELAY_PLAIN, "publications sent",		"socketio_sent" },
	{ RELAY_PLAIN, "questions answered",		"requests" },
	{ RELAY_WARN,  "answered in part",	"member_answers_partly" },
	{ RELAY_WARN,  "answers lost",		"member_answers_lost" },
	{ RELAY_GROUP, "streams for back ends",		NULL },
	{ RELAY_PLAIN, "entries taken",			"backend_events" },
	{ RELAY_PLAIN, "entries that wait",		"backend_waiting" },
	{ RELAY_PLAIN, "bytes of these",	"backend_waiting_bytes" },
	{ RELAY_WARN,  "entries lost",			"backend_dropped" },
	{ RELAY_WARN,  "events refused",		"backend_refused" },
	{ RELAY_WARN,  "errors of Redis",		"backend_errors" },
	{ RELAY_GROUP, "hooks",				NULL },
	{ RELAY_PLAIN, "requests",			"hook_requests" },
	{ RELAY_PLAIN, "entries taken",			"hook_entries" },
	{ RELAY_PLAIN, "entries that wait",		"hook_waiting" },
	{ RELAY_PLAIN, "bytes of these",	"hook_waiting_bytes" },
	{ RELAY_WARN,  "requests that failed",		"hook_failures" },
	{ RELAY_WARN,  "without an answer in time",	"hook_timeouts" },
	{ RELAY_WARN,  "to private addresses",		"hook_private" },
	{ RELAY_WARN,  "entries lost",			"hook_dropped" },
	{ RELAY_WARN,  "entries given up",		"hook_dead" },
	{ RELAY_WARN,  "events refused",		"hook_refused" },
	{ RELAY_GROUP, "users who are away",		NULL },
	{ RELAY_PLAIN, "events that wait for them",	"inbox_queued" },
	{ RELAY_PLAIN, "given to them",			"inbox_delivered" },
	{ RELAY_WARN,  "displaced by newer ones",	"inbox_displaced" },
	{ RELAY_WARN,  "too old",			"inbox_expired" },
	{ RELAY_WARN,  "not kept",			"inbox_refused" },
	{ RELAY_WARN,  "questions without an answer",	"inbox_unheard" },
	{ RELAY_GROUP, "notifications",			NULL },
	{ RELAY_PLAIN, "made",				"notices_created" },
	{ RELAY_PLAIN, "marked as read",		"notices_read" },
	{ RELAY_PLAIN, "deleted",			"notices_deleted" },
	{ RELAY_PLAIN, "too old",			"notices_expired" },
	{ RELAY_PLAIN, "displaced by newer ones",	"notices_displaced" },
	{ RELAY_WARN,  "displaced by other users'",	"notices_evicted" },
	{ RELAY_WARN,  "questions refused",		"notices_refused" },
	{ RELAY_WARN,  "questions without an answer",	"notices_unheard" },
	{ RELAY_PLAIN, "users in memory",		"notices_users" },
	{ RELAY_GROUP, "rooms with a history",		NULL },
	{ RELAY_PLAIN, "rooms kept",			"store_rooms" },
	{ RELAY_PLAIN, "events kept",			"store_events" },
	{ RELAY_PLAIN, "bytes that they take",		"store_bytes" },
	{ RELAY_PLAIN, "events taken",			"store_appends" },
	{ RELAY_PLAIN, "rooms finished",		"store_finished" },
	{ RELAY_PLAIN, "displaced by newer ones",	"store_displaced" },
	{ RELAY_PLAIN, "too old",			"store_expired" },
	{ RELAY_WARN,  "rooms put out, for their bytes", "store_evicted_rooms" },
	{ RELAY_WARN,  "refused",			"store_refused" },
	{ RELAY_WARN,  "waiting for Redis",		"store_waiting" },
	{ RELAY_WARN,  "lost while they waited",	"store_lost" },
	{ RELAY_PLAIN, "of other hosts",		"store_heard" },
	{ RELAY_PLAIN, "pages read",			"store_reads" },
	{ RELAY_PLAIN, "events in them",		"store_read_events" },
	{ RELAY_PLAIN, "some before was not kept",	"store_gaps" },
	{ RELAY_PLAIN, "the room had begun anew",	"store_epochs_lost" },
	{ RELAY_WARN,  "not kept, nobody said why",	"keeps_failed" },
	{ RELAY_PLAIN, "joins told all they missed",	"history_replays" },
	{ RELAY_WARN,  "joins told nothing: no answer",	"history_joins_unheard" },
	{ RELAY_PLAIN, "holes in a worker's stream",	"history_holes" },
	{ RELAY_PLAIN, "healed",			"history_healed" },
	{ RELAY_WARN,  "not healed, and told so",	"history_unhealed" },
	{ RELAY_GROUP, "sessions in the store",		NULL },
	{ RELAY_PLAIN, "sessions kept",			"sessions_stored" },
	{ RELAY_PLAIN, "whose clients are away",	"sessions_away" },
	{ RELAY_PLAIN, "bytes that they take",		"sessions_bytes" },
	{ RELAY_PLAIN, "events in journals",		"journal_appends" },
	{ RELAY_PLAIN, "clients came back",		"sessions_taken" },
	{ RELAY_PLAIN, "from other hosts",		"sessions_fetched" },
	{ RELAY_PLAIN, "which did not answer",		"sessions_forced" },
	{ RELAY_PLAIN, "stayed away",			"sessions_expired" },
	{ RELAY_PLAIN, "back, too much was missed",	"sessions_lost" },
	{ RELAY_WARN,  "put out, too many",		"sessions_evicted" },
	{ RELAY_WARN,  "not kept, too many",		"sessions_refused" },
	{ RELAY_WARN,  "not written to Redis",		"sessions_unwritten" },
	{ RELAY_GROUP, "workers",			NULL },
	{ RELAY_PLAIN, "connected to the relay",	"relay_peers" },
	{ RELAY_PLAIN, "bytes waiting on the bus",	"bus_queue_bytes" },
	{ RELAY_WARN,  "envelopes for the dead",	"bus_unroutable" },
	{ RELAY_WARN,  "times connected again",		"bus_reconnects" },
};

enum relay_col {
	RELAY_LABEL, RELAY_VALUE, RELAY_NOW, RELAY_MINUTE, RELAY_START,
	RELAY_HELP, RELAY__MAX
};

static const struct grid_col relay_cols[RELAY__MAX] = {
	[RELAY_LABEL] =	{ "relay", 30, 0, true, 60 },
	[RELAY_VALUE] =	{ "value", 13, 0, false, 0 },
	[RELAY_NOW] =	{ "now/s", 7, 0, false, 0 },
	[RELAY_MINUTE] ={ "1min/s", 7, 1, false, 0 },
	[RELAY_START] =	{ "avg/s", 7, 2, false, 0 },
	[RELAY_HELP] =	{ " what it is", 40, 3, true, 160 },
};

/* All counters of that name as one; false: this daemon has none. */
static bool
list_relay_sum(const struct model *m, const char *name, struct model_rate *sum)
{
	unsigned i;

	memset(sum, 0, sizeof *sum);
	for (i = 0; i < m->nrate; i++) {
		if (strcmp(m->rate[i].metric->name, name) != 0)
			continue;
		if (sum->metric == NULL)
			sum->metric = m->rate[i].metric;
		sum->value += m->rate[i].value;
		sum->now += m->rate[i].now;
		sum->minute += m->rate[i].minute;
		sum->start += m->rate[i].start;
	}
	return (sum->metric != NULL);
}

/* "Redis: connected", "Redis cannot be reached" */
static void
list_relay_group(const struct model *m, const struct relay_row *row,
    struct list *l)
{
	struct model_rate state;
	const char *words;

	l->style = STYLE_BOLD;
	if (row->metric == NULL ||
	    !list_relay_sum(m, row->metric, &state)) {
		buf_str(&l->name, row->label);
		return;
	}
	words = redis_state_trouble((unsigned)state.value);
	if (words != NULL) {
		l->style = STYLE_BAD;
		buf_str(&l->name, words);
	} else {
		buf_printf(&l->name, "%s: %s", row->label,
		    (unsigned)state.value == REDIS_OFF ? "not configured" :
		    "connected");
	}
}

static void
list_relay_cells(const struct model *m, unsigned index, struct list *l)
{
	const struct relay_row *row = &relay_rows[index];
	struct model_rate r;
	unsigned i;

	for (i = RELAY_VALUE; i < RELAY__MAX; i++)
		l->cell[i][0] = '\0';
	if (row->kind == RELAY_GROUP) {
		list_relay_group(m, row, l);
		return;
	}
	if (!list_relay_sum(m, row->metric, &r))
		return;
	buf_printf(&l->name, "  %s", row->label);
	if (l->grid.ncols > RELAY_HELP) {
		buf_byte(&l->help, ' ');
		text_safe(&l->help, r.metric->help, l->utf8);
	}
	text_digits(l->cell[RELAY_VALUE], r.value);
	if (r.metric->type == STATS_GAUGE) {
		(void)snprintf(l->cell[RELAY_NOW], LIST_CELL, "now");
		return;
	}
	text_rate(l->cell[RELAY_NOW], r.now);
	text_rate(l->cell[RELAY_MINUTE], r.minute);
	text_rate(l->cell[RELAY_START], r.start);
	if (r.value == 0)
		l->style = STYLE_DIM;
	else if (row->kind == RELAY_WARN && r.now > 0)
		l->style = STYLE_WARN;
}

/* With a filter: rows, by their words or their counter's name. */
static bool
list_relay_shown(const struct view *v, const struct model *m,
    const struct relay_row *row)
{
	struct model_rate r;

	if (row->kind == RELAY_GROUP)
		return (v->filter[0] == '\0');
	return (list_relay_sum(m, row->metric, &r) &&
	    (match_text(row->label, v->filter) ||
	    match_text(row->metric, v->filter)));
}

unsigned
list_relay_count(const struct view *v, const struct model *m)
{
	unsigned i, n = 0;

	for (i = 0; i < nitems(relay_rows); i++)
		n += list_relay_shown(v, m, &relay_rows[i]);
	return (n);
}

void
list_relay(struct view *v, const struct model *m, struct lines *p,
    struct list_place at)
{
	unsigned i, ncols = p->columns < 130 ? RELAY_HELP : RELAY__MAX;
	const struct relay_row *row;
	const char *help = "";
	struct model_rate r;
	struct list l;

	list_init(&l, relay_cols, ncols, nitems(relay_rows), p);
	for (i = 0; i < nitems(relay_rows) && l.item != NULL; i++)
		if (list_relay_shown(v, m, &relay_rows[i]))
			list_item_add(&l, i, 0, NULL);
	at.rows = at.rows > 2 ? at.rows - 1 : at.rows;	/* its help */
	list_draw(&l, v, m, p, at, GRID_COLS, list_relay_cells);
	if (at.rows > 2 && v->cursor < l.nitems && l.item != NULL) {
		row = &relay_rows[l.item[v->cursor].index];
		if (row->metric != NULL && list_relay_sum(m, row->metric, &r))
			help = r.metric->help;
	}
	if (at.rows > 2)
		list_foot(&l, help, p);
	list_fini(&l);
}
