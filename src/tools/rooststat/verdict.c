/*
 * Trouble, told apart by who has to act: see enum model_severity.
 */
#include "tools/rooststat/verdict.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/redis_state.h"
#include "tools/rooststat/text.h"

#define BUSY		0.95		/* of a CPU: no room for more */
#define FILES_LOW	0.95		/* of the descriptors: few are left */
#define REPLACED_MS	60000u		/* how long a new child is news */
#define JUST_NOW_MS	3000u		/* heartbeats come each second */
#define LOST_MS		5000u	/* who is gone sooner has come by mistake */
#define LOST_MANY	20u	/* fewer are chance */
#define START_MS	5000u		/* children of the daemon's start */

static const struct verdict_row {
	const char		*name;
	const char		*labels;	/* "": whichever */
	enum model_severity	 severity;
} verdict_rows[] = {
	{ "accept_failed",	"", SEVERITY_BAD },
	{ "acks_timed_out",	"", SEVERITY_NOTE },
	{ "api_failures",	"", SEVERITY_NOTE },
	{ "api_ids_forgotten",	"", SEVERITY_WARN },
	{ "ask_answers_dropped", "", SEVERITY_WARN },
	{ "asks_incomplete",	"", SEVERITY_WARN },
	{ "asks_refused",	"", SEVERITY_WARN },
	{ "auth_failed",	"", SEVERITY_NOTE },
	{ "bus_bad",		"", SEVERITY_BAD },
	{ "bus_dropped",	"", SEVERITY_BAD },
	{ "bus_dropped_volatile", "", SEVERITY_WARN },
	{ "bus_lost_bytes",	"", SEVERITY_BAD },
	{ "bus_reconnects",	"", SEVERITY_WARN },
	{ "bus_unroutable",	"", SEVERITY_WARN },
	{ "calls_denied",	"", SEVERITY_BAD },
	{ "children_died",	"", SEVERITY_BAD },
	{ "children_hung",	"", SEVERITY_BAD },
	{ "clients_closed",	"reason=\"memory\"", SEVERITY_BAD },
	{ "clients_closed",	"reason=\"ping_timeout\"", SEVERITY_NOTE },
	{ "clients_closed",	"reason=\"slow_consumer\"", SEVERITY_WARN },
	{ "clients_closed",	"reason=\"worker_died\"", SEVERITY_BAD },
	{ "backend_dropped",	"", SEVERITY_BAD },
	{ "backend_errors",	"", SEVERITY_WARN },
	{ "backend_refused",	"", SEVERITY_WARN },
	{ "connections_closed",	"reason=\"client_gone\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"client_reset\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"document_anew\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"document_forbidden\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"document_full\"", SEVERITY_WARN },
	{ "connections_closed",	"reason=\"document_unauthorized\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"document_unavailable\"", SEVERITY_WARN },
	{ "connections_closed",	"reason=\"eio_parse\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"handshake_timeout\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"http_bad\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"memory\"", SEVERITY_BAD },
	{ "connections_closed",	"reason=\"ping_timeout\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"proxy_failed\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"raw_parse\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"sio_parse\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"slow_consumer\"", SEVERITY_WARN },
	{ "connections_closed",	"reason=\"too_many_requests\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"tls_failed\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"worker_died\"", SEVERITY_BAD },
	{ "connections_closed",	"reason=\"ws_flood\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"ws_inflate\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"ws_protocol\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"ws_too_big\"", SEVERITY_NOTE },
	{ "connections_closed",	"reason=\"ws_utf8\"", SEVERITY_NOTE },
	{ "connections_refused", "why=\"draining\"", SEVERITY_NOTE },
	{ "connections_refused", "why=\"limit\"", SEVERITY_WARN },
	{ "connections_refused", "why=\"memory\"", SEVERITY_BAD },
	{ "connections_refused", "why=\"storm\"", SEVERITY_WARN },
	{ "connections_refused", "", SEVERITY_NOTE },
	{ "control_bad",	"", SEVERITY_BAD },
	{ "count_full",		"", SEVERITY_BAD },
	{ "deliveries_dropped",	"why=\"memory\"", SEVERITY_BAD },
	{ "cursor_gaps",	"", SEVERITY_WARN },
	{ "cursors_refused",	"", SEVERITY_WARN },
	{ "deliveries_dropped",	"why=\"keys\"", SEVERITY_NOTE },
	{ "deliveries_dropped",	"why=\"volatile\"", SEVERITY_NOTE },
	{ "deliveries_dropped",	"", SEVERITY_WARN },
	{ "eio_unknown_sid",	"", SEVERITY_NOTE },
	{ "eio_upgrades_failed", "", SEVERITY_NOTE },
	{ "events_rejected",	"", SEVERITY_NOTE },
	{ "far_bad",		"", SEVERITY_WARN },
	{ "proxy_failed",	"", SEVERITY_NOTE },
	{ "redis_unsealed",	"", SEVERITY_WARN },
	{ "stream_errors",	"", SEVERITY_WARN },
	{ "stream_gaps",	"", SEVERITY_BAD },
	{ "far_lost",		"", SEVERITY_BAD },
	{ "far_stale",		"", SEVERITY_WARN },
	{ "far_unwaited",	"", SEVERITY_WARN },
	{ "far_orders_lost",	"", SEVERITY_BAD },
	{ "files_lost",		"", SEVERITY_BAD },
	{ "forwards_failed",	"", SEVERITY_WARN },
	{ "forwards_refused",	"", SEVERITY_WARN },
	{ "handshake_values_dropped", "", SEVERITY_NOTE },
	{ "hook_dead",		"", SEVERITY_BAD },
	{ "hook_dropped",	"", SEVERITY_BAD },
	{ "hook_failures",	"", SEVERITY_WARN },
	{ "hook_private",	"", SEVERITY_BAD },
	{ "hook_refused",	"", SEVERITY_WARN },
	{ "hook_timeouts",	"", SEVERITY_WARN },
	{ "inbox_displaced",	"", SEVERITY_WARN },
	{ "inbox_expired",	"", SEVERITY_NOTE },
	{ "inbox_refused",	"", SEVERITY_WARN },
	{ "inbox_unheard",	"", SEVERITY_WARN },
	{ "keeps_failed",	"", SEVERITY_WARN },
	{ "keeps_refused",	"", SEVERITY_WARN },
	{ "log_lost",		"", SEVERITY_WARN },
	{ "notices_evicted",	"", SEVERITY_WARN },
	{ "notices_refused",	"", SEVERITY_WARN },
	{ "notices_unheard",	"", SEVERITY_WARN },
	{ "verdicts_failed",	"", SEVERITY_WARN },
	{ "verdicts_overrun",	"", SEVERITY_WARN },
	{ "verdicts_refused",	"", SEVERITY_NOTE },
	{ "verdict_cache_evictions", "", SEVERITY_NOTE },
	{ "handovers_refused",	"", SEVERITY_WARN },
	{ "heartbeats_missed",	"", SEVERITY_NOTE },
	{ "history_asks_refused", "", SEVERITY_WARN },
	{ "history_asks_timed_out", "", SEVERITY_WARN },
	{ "history_joins_unheard", "", SEVERITY_WARN },
	{ "history_unhealed",	"", SEVERITY_WARN },
	{ "interest_full",	"", SEVERITY_BAD },
	{ "interest_untracked",	"", SEVERITY_BAD },
	{ "joins_refused",	"", SEVERITY_NOTE },
	{ "member_answers_lost", "", SEVERITY_WARN },
	{ "member_answers_partly", "", SEVERITY_WARN },
	{ "memory_failures",	"", SEVERITY_BAD },
	{ "moves_broken",	"", SEVERITY_WARN },
	{ "moves_refused",	"", SEVERITY_WARN },
	{ "ns_refusals",	"", SEVERITY_NOTE },
	{ "presence_full",	"", SEVERITY_BAD },
	{ "presence_too_long",	"", SEVERITY_WARN },
	{ "presence_watches_refused", "", SEVERITY_NOTE },
	{ "presence_untracked",	"", SEVERITY_BAD },
	{ "questions_partly",	"", SEVERITY_WARN },
	{ "rate_contended",	"", SEVERITY_NOTE },
	{ "rate_limited",	"", SEVERITY_NOTE },
	{ "rate_set_full",	"", SEVERITY_WARN },
	{ "recovery_failed",	"", SEVERITY_NOTE },
	{ "recovery_evicted",	"", SEVERITY_NOTE },
	{ "redis_dropped",	"", SEVERITY_WARN },
	{ "redis_failures",	"", SEVERITY_WARN },
	{ "redis_gaps",		"", SEVERITY_WARN },
	{ "redis_masters_refuted", "", SEVERITY_WARN },
	{ "redis_publishes_refused", "", SEVERITY_NOTE },
	{ "redis_renewals_failed", "", SEVERITY_WARN },
	{ "redis_refusals",	"", SEVERITY_WARN },
	{ "redis_refusing",	"", SEVERITY_WARN },
	{ "redis_sentinels_lost", "", SEVERITY_WARN },
	{ "reloads_failed",	"", SEVERITY_WARN },
	{ "upgrades_failed",	"", SEVERITY_WARN },
	{ "requests_bad",	"", SEVERITY_NOTE },
	{ "revocations_full",	"", SEVERITY_BAD },
	{ "revocations_refused", "", SEVERITY_BAD },
	{ "rolls_cut",	"", SEVERITY_WARN },
	{ "secret_file_bad",	"", SEVERITY_WARN },
	{ "sessions_evicted",	"", SEVERITY_WARN },
	{ "sessions_lost",	"", SEVERITY_NOTE },
	{ "sessions_refused",	"", SEVERITY_WARN },
	{ "shm_overrun",	"", SEVERITY_BAD },
	{ "shm_unannounced",	"", SEVERITY_WARN },
	{ "socketio_refused",	"", SEVERITY_NOTE },
	{ "stats_ns_overflow",	"", SEVERITY_NOTE },
	{ "store_bad",		"", SEVERITY_WARN },
	{ "store_epochs_lost",	"", SEVERITY_NOTE },
	{ "store_evicted_rooms", "", SEVERITY_WARN },
	{ "store_gaps",		"", SEVERITY_NOTE },
	{ "store_edits_missed",	"", SEVERITY_NOTE },
	{ "store_lost",		"", SEVERITY_BAD },
	{ "store_reads_failed",	"", SEVERITY_WARN },
	{ "store_refused",	"why=\"too_large\"", SEVERITY_NOTE },
	{ "store_refused",	"why=\"finished\"", SEVERITY_NOTE },
	{ "store_refused",	"why=\"memory\"", SEVERITY_BAD },
	{ "store_refused",	"", SEVERITY_WARN },
	{ "store_trims_failed",	"", SEVERITY_NOTE },
	{ "tls_failed",		"", SEVERITY_NOTE },
	{ "yjs_awareness_refused", "", SEVERITY_NOTE },
	{ "yjs_compactions_small", "", SEVERITY_WARN },
	{ "yjs_refused_documents", "", SEVERITY_WARN },
	{ "yjs_refused_full",	"", SEVERITY_WARN },
	{ "yjs_refused_store",	"", SEVERITY_WARN },
	{ "yjs_unheard",	"", SEVERITY_NOTE },
};

bool
verdict_is_problem(const struct stats_metric *m, enum model_severity *severity)
{
	const struct verdict_row *r;
	unsigned i;

	for (i = 0; i < nitems(verdict_rows); i++) {
		r = &verdict_rows[i];
		if (strcmp(r->name, m->name) != 0 || (r->labels[0] != '\0' &&
		    strcmp(r->labels, m->labels) != 0))
			continue;
		*severity = r->severity;
		return (true);
	}
	return (false);
}

/* Is it happening now?  A gauge that is not 0 is. */
static bool
verdict_current(const struct model_problem *p)
{
	return (p->rate.metric->type == STATS_GAUGE || p->rate.now > 0);
}

/* What happens now comes first, the worst of it at the top. */
static int
verdict_worse(const void *a, const void *b)
{
	const struct model_problem *x = a, *y = b;
	bool now = verdict_current(x);

	if (now != verdict_current(y))
		return (now ? -1 : 1);
	if (x->severity != y->severity)
		return (x->severity > y->severity ? -1 : 1);
	if (now && x->rate.now != y->rate.now)
		return (x->rate.now > y->rate.now ? -1 : 1);
	if (x->rate.value != y->rate.value)
		return (x->rate.value > y->rate.value ? -1 : 1);
	return (x->rate.metric < y->rate.metric ? -1 : 1);
}

void
verdict_problems(struct model *m)
{
	struct model_problem p;
	unsigned i;

	m->nproblem = 0;
	for (i = 0; i < m->nrate; i++) {
		p.rate = m->rate[i];
		if (p.rate.value != 0 &&
		    verdict_is_problem(p.rate.metric, &p.severity))
			m->problem[m->nproblem++] = p;
	}
	if (m->nproblem > 1)
		qsort(m->problem, m->nproblem, sizeof *m->problem,
		    verdict_worse);
}

/* --- the verdict --------------------------------------------------------- */

static void verdict_reason(struct model *, enum model_verdict, const char *,
    ...) PRINTF_LIKE(3, 4);
static void
verdict_reason(struct model *m, enum model_verdict v, const char *fmt, ...)
{
	va_list ap;

	if (v > m->verdict)
		m->verdict = v;
	if (m->nreasons == MODEL_REASONS)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(m->reason[m->nreasons++], sizeof m->reason[0], fmt,
	    ap);
	va_end(ap);
}

/*
 * Children outlive a master that is stopped, not one that is dead.  All may
 * have been stopped at once, a moment apart: who serves has beaten just now.
 */
static unsigned
verdict_serving(const struct model *m)
{
	unsigned i, n = 0;

	for (i = 0; i < m->nproc; i++)
		n += m->proc[i].role == STATS_ROLE_WORKER &&
		    !m->proc[i].dead && m->proc[i].silent_ms <= JUST_NOW_MS;
	return (n);
}

static void
verdict_silent(struct model *m, const char *age)
{
	unsigned n = verdict_serving(m);
	enum model_verdict v = n > 0 ? VERDICT_DEGRADED : VERDICT_DOWN;
	uint32_t pid = m->cur->master_pid;

	switch (m->source.process) {
	case '\0': case 'Z': case 'X':
		verdict_reason(m, v, "master %" PRIu32
		    " is gone without a word, last " "heartbeat %s ago", pid,
		    age);
		break;
	case 'T': case 't':
		verdict_reason(m, v, "master %" PRIu32
		    " is stopped (SIGSTOP), last " "heartbeat %s ago", pid,
		    age);
		break;
	default:
		verdict_reason(m, v, "master %" PRIu32
		    " hangs, last heartbeat %s ago", pid, age);
		break;
	}
	if (n > 0)
		verdict_reason(m, v, "%u of %u workers serve on", n,
		    m->workers);
	else
		verdict_reason(m, v, "no worker serves");
}

static void
verdict_daemon(struct model *m)
{
	char age[TEXT_NUMBER];

	text_age(age, m->source.silent_ms);
	switch (m->source.daemon) {
	case DAEMON_LIVE:
		break;
	case DAEMON_ENDED:
		verdict_reason(m, VERDICT_DOWN, "roostd ended %s ago", age);
		break;
	case DAEMON_SILENT:
		verdict_silent(m, age);
		break;
	}
	if (m->source.daemon == DAEMON_LIVE && m->source.unlinked)
		verdict_reason(m, VERDICT_DEGRADED,
		    "its statistics file was removed");
	if (m->source.error != 0)
		verdict_reason(m, m->verdict, "the file at the path: %s",
		    m->source.error == EPROTO ? "not of roostd, or of another"
		    " version" : strerror(m->source.error));
}

/* One line for each of two; more are counted. */
static void
verdict_processes(struct model *m)
{
	const struct model_proc *p;
	unsigned i, bad = 0;
	char age[TEXT_NUMBER];

	for (i = 0; i < m->nproc; i++)
		bad += m->proc[i].dead || m->proc[i].silent;
	for (i = 0; i < m->nproc && bad <= 2; i++) {
		p = &m->proc[i];
		text_age(age, p->silent_ms);
		if (p->dead)
			verdict_reason(m, VERDICT_DEGRADED, "%s died", p->name);
		else if (p->silent)
			verdict_reason(m, VERDICT_DEGRADED, "%s silent for %s",
			    p->name, age);
	}
	if (bad > 2)
		verdict_reason(m, VERDICT_DEGRADED,
		    "%u of %u processes dead or " "silent", bad, m->nproc);
	if (m->workers_well == 0)
		verdict_reason(m, VERDICT_DOWN, "no worker serves");
}

static double
verdict_value(const struct model *m, const char *name)
{
	unsigned i;

	for (i = 0; i < m->nrate; i++)
		if (strcmp(m->rate[i].metric->name, name) == 0)
			return (m->rate[i].value);
	return (0);
}

/* After a death: whoever is new, later than the daemon's own start. */
static void
verdict_replaced(struct model *m)
{
	const struct model_proc *p;
	char age[TEXT_NUMBER];
	unsigned i;

	if (verdict_value(m, "children_died") == 0)
		return;
	for (i = 0; i < m->nproc; i++) {
		p = &m->proc[i];
		if (p->role == STATS_ROLE_MASTER || p->age_ms > REPLACED_MS ||
		    p->age_ms + START_MS > m->up_ms)
			continue;
		text_age(age, p->age_ms);
		verdict_reason(m, VERDICT_DEGRADED, "%s replaced %s ago",
		    p->name, age);
	}
}

static void
verdict_relay(struct model *m)
{
	unsigned i;

	for (i = 0; i < m->nproc; i++)
		if (m->proc[i].role == STATS_ROLE_RELAY)
			break;
	if (i == m->nproc)
		verdict_reason(m, VERDICT_DEGRADED, "no relay");
}

/* Its counters stand still between two attempts to connect. */
static void
verdict_redis(struct model *m)
{
	const char *words = redis_state_trouble((unsigned)
	    verdict_value(m, "redis_state"));

	if (words == NULL && verdict_value(m, "redis_refusing") > 0)
		words = REDIS_REFUSES;
	if (words == NULL && verdict_value(m, "secret_file_bad") > 0)
		words = REDIS_SECRET_BAD;
	if (words != NULL)
		verdict_reason(m, VERDICT_DEGRADED, "%s", words);
}

static void
verdict_busy(struct model *m)
{
	unsigned i;

	for (i = 0; i < m->nproc; i++)
		if (m->proc[i].busy >= BUSY)
			verdict_reason(m, VERDICT_DEGRADED,
			    "%s is at %.0f%% of a CPU", m->proc[i].name,
			    m->proc[i].busy * 100);
}

static void
verdict_files(struct model *m)
{
	const struct model_proc *p;
	unsigned i;

	for (i = 0; i < m->nproc; i++) {
		p = &m->proc[i];
		if (p->files >= FILES_LOW * p->files_max)
			verdict_reason(m, VERDICT_DEGRADED,
			    "%s has %.0f of %.0f " "descriptors open", p->name,
			    p->files, p->files_max);
	}
}

static void
verdict_of_problems(struct model *m)
{
	const struct model_problem *p;
	char n[TEXT_NUMBER];
	unsigned i;

	for (i = 0; i < m->nproblem && verdict_current(&m->problem[i]); i++) {
		p = &m->problem[i];
		if (p->severity < SEVERITY_WARN)
			break;
		if (p->rate.metric->type == STATS_GAUGE) {
			text_count(n, p->rate.value);
			verdict_reason(m, VERDICT_DEGRADED, "%s %s",
			    p->rate.metric->name, n);
		} else {
			text_rate(n, p->rate.now);
			verdict_reason(m, VERDICT_DEGRADED, "%s %s/s",
			    p->rate.metric->name, n);
		}
	}
}

/*
 * Clients are lost at any age, unless something on the way counts the time:
 * most of them in two neighbouring buckets, a quarter wide at most.
 */
static void
verdict_lost(struct model *m)
{
	const struct stats_metric *h = stats_find(m->cur, "lost_age_ms", "");
	char from[TEXT_NUMBER], to[TEXT_NUMBER];
	const uint64_t *v;
	uint64_t best = 0;
	uint32_t i, at = 0, end;

	if (h == NULL || h->type != STATS_HISTOGRAM)
		return;
	v = m->cur->total + h->first;
	for (i = 0; i + 2 < h->ncells; i++)
		if (stats_lower(h, i) >= LOST_MS && v[i] + v[i + 1] > best) {
			best = v[i] + v[i + 1];
			at = i;
		}
	if (best < LOST_MANY || best * 2 <= stats_count(h, m->cur->total))
		return;
	end = at + (v[at + 1] != 0 ? 2 : 1);
	at += v[at] == 0;
	text_age(from, stats_lower(h, at));
	text_age(to, stats_lower(h, end));
	verdict_reason(m, m->verdict, "most clients that are lost are %s to %s "
	    "old: a timeout of a proxy?", from, to);
}

/* Of a daemon that is down nothing else is news. */
void
verdict_judge(struct model *m)
{
	m->verdict = VERDICT_HEALTHY;
	m->nreasons = 0;
	verdict_daemon(m);
	if (m->source.daemon != DAEMON_LIVE)
		return;
	verdict_processes(m);
	verdict_relay(m);
	verdict_redis(m);
	verdict_replaced(m);
	verdict_busy(m);
	verdict_files(m);
	verdict_of_problems(m);
	verdict_lost(m);
}
