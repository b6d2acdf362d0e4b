/*
 * From two snapshots to rates, rows and percentiles.
 */
#include "tools/rooststat/model.h"

#include <math.h>
#include <stdlib.h>

#include "tools/rooststat/verdict.h"

#define MINUTE_US	60000000u

/* The two snapshots of an update and what lies between them. */
struct span {
	const struct stats_snapshot *prev, *cur;	/* prev may be NULL */
	uint64_t	 us;
	uint64_t	*delta;		/* room for the largest histogram */
};

void
model_init(struct model *m)
{
	memset(m, 0, sizeof *m);
}

void
model_fini(struct model *m)
{
	free(m->proc);
	free(m->ns);
	free(m->latency);
	free(m->problem);
	free(m->rate);
	free(m->minute);
	model_init(m);
}

double
model_per_second(uint64_t before, uint64_t after, uint64_t us)
{
	if (us == 0)
		return (NAN);
	return (after < before ? 0 :
	    (double)(after - before) * 1e6 / (double)us);
}

double
model_fade(double average, double value, uint64_t us, uint64_t watched_us)
{
	uint64_t span = watched_us < MINUTE_US ? watched_us : MINUTE_US;

	if (isnan(average) || isnan(value) || us >= span)
		return (value);
	return (average + (double)us / (double)span * (value - average));
}

bool
model_label(const char *labels, const char *key, char *out, size_t size)
{
	size_t n = 0, len = strlen(key);
	const char *p = labels;

	while (strncmp(p, key, len) != 0 || strncmp(p + len, "=\"", 2) != 0) {
		while (*p != '\0' && *p != '"')		/* to the value */
			p++;
		for (p += *p == '"'; *p != '\0' && *p != '"'; p++)
			if (*p == '\\' && p[1] != '\0')
				p++;
		p += *p == '"';
		if (*p != ',')
			return (false);
		p++;
	}
	for (p += len + 2; *p != '\0' && *p != '"'; p++) {
		if (*p == '\\' && p[1] != '\0')
			p++;
		if (n + 1 < size)
			out[n++] = *p;
	}
	out[n] = '\0';
	return (true);
}

uint64_t
model_greatest(const struct stats_metric *m, const uint64_t *values)
{
	uint32_t i;

	for (i = m->ncells - 1; i > 0; i--)
		if (values[m->first + i - 1] != 0)
			return (stats_lower(m, i));
	return (0);
}

/* --- values -------------------------------------------------------------- */

static double
model_gauge(uint64_t v)
{
	return ((double)(int64_t)v);
}

/* NAN + known is known: what is known is added up. */
static void
model_sum_add(double *sum, double v)
{
	*sum = isnan(*sum) ? v : *sum + v;
}

/* The columns of one process. */
static const uint64_t *
model_column(const struct stats_snapshot *s, unsigned row)
{
	return (s->each + (size_t)row * s->nvalues);
}

static bool
model_known(const struct span *sp, const struct stats_metric *m)
{
	return (sp->prev != NULL &&
	    m->first + m->ncells <= sp->prev->nvalues);
}

static double
model_rate_total(const struct span *sp, const struct stats_metric *m)
{
	if (m == NULL || !model_known(sp, m))
		return (NAN);
	return (model_per_second(sp->prev->total[m->first],
	    sp->cur->total[m->first], sp->us));
}

static double
model_rate_row(const struct span *sp, const char *name, unsigned row)
{
	const struct stats_metric *m = stats_find(sp->cur, name, "");

	if (m == NULL || !model_known(sp, m))
		return (NAN);
	return (model_per_second(model_column(sp->prev, row)[m->first],
	    model_column(sp->cur, row)[m->first], sp->us));
}

static double
model_value_row(const struct span *sp, const char *name, unsigned row)
{
	const struct stats_metric *m = stats_find(sp->cur, name, "");

	return (m == NULL ? 0 : model_gauge(model_column(sp->cur,
	    row)[m->first]));
}

static double
model_value_total(const struct span *sp, const char *name)
{
	const struct stats_metric *m = stats_find(sp->cur, name, "");

	return (m == NULL ? 0 : model_gauge(sp->cur->total[m->first]));
}

/*
 * What a histogram took in between: the metric to read sp->delta with.
 * row < 0: all processes.
 */
static struct stats_metric
model_between(const struct span *sp, const struct stats_metric *m, int row)
{
	const uint64_t *was = NULL, *is;
	struct stats_metric d = *m;
	uint32_t i;

	is = row < 0 ? sp->cur->total : model_column(sp->cur, (unsigned)row);
	if (model_known(sp, m))
		was = row < 0 ? sp->prev->total :
		    model_column(sp->prev, (unsigned)row);
	for (i = 0; i < m->ncells; i++)
		sp->delta[i] = was == NULL ||
		    is[m->first + i] < was[m->first + i] ? 0 :
		    is[m->first + i] - was[m->first + i];
	d.first = 0;
	return (d);
}

/* --- processes ----------------------------------------------------------- */

static uint64_t
model_since(struct wall now, uint64_t ms)
{
	return (now.ms > ms ? now.ms - ms : 0);
}

static void
model_proc_turns(const struct span *sp, struct model_proc *p)
{
	const struct stats_metric *m = stats_find(sp->cur, "loop_turn_us", "");
	struct stats_metric d;

	p->busy = NAN;
	if (m == NULL || m->type != STATS_HISTOGRAM || !model_known(sp, m) ||
	    sp->us == 0 || p->role == STATS_ROLE_MASTER)
		return;
	d = model_between(sp, m, (int)p->slot);
	p->turn_p99_us = stats_quantile(&d, sp->delta, 0.99);
	p->busy = (double)sp->delta[d.ncells - 1] / (double)sp->us;
	if (p->busy > 1)
		p->busy = 1;
}

static double
model_use_value(int64_t v)
{
	return (v < 0 ? NAN : (double)v);
}

/* What the kernel says of it; the same process was there before: its CPU. */
static void
model_proc_use(const struct model *m, const struct span *sp, unsigned i,
    struct model_proc *p)
{
	const struct plat_use *use = m->source.use, *was = m->source.was;

	p->cpu = p->memory = p->files = p->files_max = NAN;
	if (use == NULL || p->dead)
		return;
	p->memory = model_use_value(use[i].memory);
	p->files = model_use_value(use[i].files);
	p->files_max = model_use_value(use[i].files_max);
	if (was != NULL && sp->prev != NULL && i < sp->prev->nrows &&
	    sp->prev->row[i].pid == p->pid && sp->us > 0 &&
	    was[i].cpu_us >= 0 && use[i].cpu_us >= was[i].cpu_us)
		p->cpu = (double)(use[i].cpu_us - was[i].cpu_us) /
		    (double)sp->us;
}

static void
model_proc_fill(struct model *m, const struct span *sp, unsigned i,
    struct model_proc *p)
{
	const struct stats_row *row = &sp->cur->row[i];
	uint64_t beat;

	*p = (struct model_proc){ .slot = i, .role = row->role,
		.pid = row->pid, .generation = row->generation,
		.dead = row->state == STATS_SLOT_DEAD,
		.age_ms = model_since(m->now, row->started_ms) };
	memcpy(p->name, row->name, sizeof p->name);
	beat = row->heartbeat_ms > row->started_ms ? row->heartbeat_ms :
	    row->started_ms;
	p->silent_ms = model_since(m->now, beat);
	p->silent = !p->dead && p->silent_ms > MODEL_SILENT_MS;
	p->connections = model_value_row(sp, "connections_open", i);
	p->sessions = model_value_row(sp, "sessions", i);
	p->queue_bytes = model_value_row(sp, "send_queue_bytes", i);
	p->in = model_rate_row(sp, "messages_in", i);
	p->out = model_rate_row(sp, "deliveries", i);
	p->bytes_in = model_rate_row(sp, "bytes_in", i);
	p->bytes_out = model_rate_row(sp, "bytes_out", i);
	model_proc_turns(sp, p);
	model_proc_use(m, sp, i, p);
}

static void
model_proc_count(struct model *m)
{
	const struct model_proc *p;
	unsigned i;

	m->workers = m->workers_well = 0;
	for (i = 0; i < m->nproc; i++) {
		p = &m->proc[i];
		m->workers += p->role == STATS_ROLE_WORKER;
		m->workers_well += p->role == STATS_ROLE_WORKER && !p->dead &&
		    !p->silent;
	}
}

static void
model_procs(struct model *m, const struct span *sp)
{
	unsigned i;

	m->nproc = 0;
	for (i = 0; i < sp->cur->nrows; i++)
		if (sp->cur->row[i].state == STATS_SLOT_LIVE ||
		    sp->cur->row[i].state == STATS_SLOT_DEAD)
			model_proc_fill(m, sp, i, &m->proc[m->nproc++]);
	model_proc_count(m);
}

/* --- namespaces ---------------------------------------------------------- */

/* The row of this name; a block's metrics follow each other. */
static struct model_ns *
model_ns_row(struct model *m, const char *name)
{
	unsigned i;

	for (i = m->nns; i-- > 0;)
		if (strcmp(m->ns[i].name, name) == 0)
			return (&m->ns[i]);
	m->ns[m->nns] = (struct model_ns){ .in = NAN, .out = NAN,
		.bytes_in = NAN, .bytes_out = NAN, .connects = NAN,
		.errors = NAN };
	memcpy(m->ns[m->nns].name, name, MODEL_NAME);
	return (&m->ns[m->nns++]);
}

static void
model_ns_metric(struct model_ns *ns, const struct span *sp,
    const struct stats_metric *m)
{
	const struct {
		const char	*name;
		double		*rate;
	} rates[] = {
		{ "ns_events_in", &ns->in }, { "ns_events_out", &ns->out },
		{ "ns_bytes_in", &ns->bytes_in },
		{ "ns_bytes_out", &ns->bytes_out },
		{ "ns_admitted", &ns->connects },
		{ "ns_errors", &ns->errors },
	};
	unsigned i;

	if (strcmp(m->name, "ns_users") == 0)
		ns->users = model_gauge(sp->cur->total[m->first]);
	else if (strcmp(m->name, "ns_sockets") == 0)
		ns->sockets = model_gauge(sp->cur->total[m->first]);
	else if (strcmp(m->name, "ns_errors") == 0)
		ns->all_errors += (double)sp->cur->total[m->first];
	for (i = 0; i < nitems(rates); i++)
		if (strcmp(m->name, rates[i].name) == 0)
			model_sum_add(rates[i].rate, model_rate_total(sp, m));
}

static void
model_namespaces(struct model *m, const struct span *sp)
{
	const struct stats_metric *metric;
	char name[MODEL_NAME] = "";
	unsigned i;

	m->nns = 0;
	for (i = 0; i < sp->cur->nmetrics; i++) {
		metric = &sp->cur->metric[i];
		if (strncmp(metric->name, "ns_", 3) == 0 &&
		    model_label(metric->labels, "ns", name, sizeof name))
			model_ns_metric(model_ns_row(m, name), sp, metric);
	}
}

/* --- everything else ----------------------------------------------------- */

static void
model_latency_fill(const struct span *sp, const struct stats_metric *metric,
    struct model_latency *l)
{
	struct stats_metric d = model_between(sp, metric, -1);
	const uint64_t *v = sp->delta;

	*l = (struct model_latency){ .metric = metric };
	l->rate = model_known(sp, metric) ?
	    model_per_second(0, stats_count(&d, v), sp->us) : NAN;
	if (stats_count(&d, v) == 0) {
		l->old = true;
		d = *metric;
		v = sp->cur->total;
	}
	l->any = stats_count(&d, v) > 0;
	l->p50 = stats_quantile(&d, v, 0.5);
	l->p90 = stats_quantile(&d, v, 0.9);
	l->p99 = stats_quantile(&d, v, 0.99);
	l->max = model_greatest(&d, v);
}

static void
model_rate_fill(struct model *m, const struct span *sp, unsigned i,
    struct model_rate *r)
{
	const struct stats_metric *metric = &sp->cur->metric[i];
	uint64_t v = sp->cur->total[metric->first];

	*r = (struct model_rate){ metric, model_gauge(v), NAN, NAN, NAN };
	if (metric->type != STATS_COUNTER)
		return;
	r->value = (double)v;
	r->now = model_rate_total(sp, metric);
	r->minute = m->minute[i] = model_fade(m->minute[i], r->now,
	    sp->us, m->watched_us);
	r->start = model_per_second(0, v, m->up_ms * 1000);
}

static void
model_metrics(struct model *m, const struct span *sp)
{
	const struct stats_metric *metric;
	unsigned i;

	m->nlatency = m->nrate = 0;
	for (i = 0; i < sp->cur->nmetrics; i++) {
		metric = &sp->cur->metric[i];
		if (metric->type == STATS_HISTOGRAM)
			model_latency_fill(sp, metric,
			    &m->latency[m->nlatency++]);
		else
			model_rate_fill(m, sp, i, &m->rate[m->nrate++]);
	}
}

static void
model_history_push(struct model_history *h, double v)
{
	if (isnan(v))
		return;
	if (h->n == MODEL_HISTORY) {
		memmove(h->value, h->value + 1,
		    (MODEL_HISTORY - 1) * sizeof *h->value);
		h->n--;
	}
	h->value[h->n++] = v;
}

static void
model_headlines(struct model *m)
{
	static const char *const names[HEAD__MAX] = {
		[HEAD_ACCEPTED] = "connections_accepted",
		[HEAD_IN] = "messages_in",
		[HEAD_OUT] = "deliveries",
		[HEAD_BYTES_IN] = "bytes_in",
		[HEAD_BYTES_OUT] = "bytes_out",
	};
	unsigned h, i;

	for (h = 0; h < HEAD__MAX; h++) {
		m->head[h].rate = (struct model_rate){ NULL, 0, NAN, NAN,
			NAN };
		for (i = 0; i < m->nrate; i++)
			if (strcmp(m->rate[i].metric->name, names[h]) == 0) {
				m->head[h].rate = m->rate[i];
				break;
			}
		model_history_push(&m->head[h].history, m->head[h].rate.now);
	}
}

static void
model_levels(struct model *m)
{
	double memory = NAN, cpu = NAN;
	unsigned i;

	for (i = 0; i < m->nproc; i++) {
		if (!isnan(m->proc[i].memory))
			model_sum_add(&memory, m->proc[i].memory);
		if (!isnan(m->proc[i].cpu))
			model_sum_add(&cpu, m->proc[i].cpu);
	}
	model_history_push(&m->level[LEVEL_OPEN], m->open);
	model_history_push(&m->level[LEVEL_MEMORY], memory);
	model_history_push(&m->level[LEVEL_CPU], cpu);
}

static void
model_totals(struct model *m, const struct span *sp)
{
	unsigned i;

	m->open = model_value_total(sp, "connections_open");
	m->sessions = model_value_total(sp, "sessions");
	m->rooms = model_value_total(sp, "rooms");
	m->send_queue = model_value_total(sp, "send_queue_bytes");
	m->generations = model_value_total(sp, "generations");
	m->users = 0;
	for (i = 0; i < m->nns; i++)
		m->users += m->ns[i].users;
}

/* --- update -------------------------------------------------------------- */

/* *array (a pointer to any struct) gets n of them, zeroed; never none. */
static bool
model_allocate(void *array, size_t n, size_t size)
{
	void *p = calloc(n + 1, size), *old;

	if (p == NULL)
		return (false);
	memcpy(&old, array, sizeof old);
	free(old);
	memcpy(array, &p, sizeof p);
	return (true);
}

/* Averages: keep those of metrics that were there. */
static bool
model_allocate_minutes(struct model *m, unsigned n)
{
	double *p;

	if (n <= m->nminute)
		return (true);
	p = reallocarray(m->minute, n, sizeof *p);
	if (p == NULL)
		return (false);
	m->minute = p;
	while (m->nminute < n)
		m->minute[m->nminute++] = NAN;
	return (true);
}

static bool
model_allocate_all(struct model *m, struct span *sp)
{
	unsigned n = sp->cur->nmetrics, i;
	uint32_t cells = 0;

	for (i = 0; i < n; i++)
		if (sp->cur->metric[i].ncells > cells)
			cells = sp->cur->metric[i].ncells;
	m->nproc = m->nns = m->nlatency = m->nproblem = m->nrate = 0;
	return (model_allocate(&m->proc, sp->cur->nrows, sizeof *m->proc) &&
	    model_allocate(&m->ns, n, sizeof *m->ns) &&
	    model_allocate(&m->latency, n, sizeof *m->latency) &&
	    model_allocate(&m->rate, n, sizeof *m->rate) &&
	    model_allocate(&m->problem, n, sizeof *m->problem) &&
	    model_allocate_minutes(m, n) && model_allocate(&sp->delta, cells,
	    sizeof *sp->delta));
}

bool
model_update(struct model *m, const struct stats_snapshot *prev,
    const struct stats_snapshot *cur, uint64_t us, struct wall now,
    const struct model_source *source)
{
	struct span sp = { prev, cur, us, NULL };
	unsigned h;

	if (prev == NULL) {
		m->nminute = 0;
		m->watched_us = 0;
		for (h = 0; h < HEAD__MAX; h++)
			m->head[h].history.n = 0;
		for (h = 0; h < LEVEL__MAX; h++)
			m->level[h].n = 0;
	}
	if (!model_allocate_all(m, &sp))
		return (false);
	m->cur = cur;
	m->watched_us += us;
	m->now = now;
	m->source = *source;
	/* of a daemon that is gone: until its last sign of life */
	m->up_ms = model_since(source->daemon == DAEMON_LIVE ? now :
	    (struct wall){ cur->heartbeat_ms }, cur->started_ms);
	model_procs(m, &sp);
	model_namespaces(m, &sp);
	model_metrics(m, &sp);
	model_headlines(m);
	model_totals(m, &sp);
	model_levels(m);
	verdict_problems(m);
	verdict_judge(m);
	free(sp.delta);
	return (true);
}
