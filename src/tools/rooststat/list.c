/*
 * Each list is a table of columns, a function that fills the cells of a row,
 * and one that tells what a column sorts by: numbers from the greatest down,
 * names as they come.
 */
#include "tools/rooststat/list_int.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "tools/rooststat/match.h"

/* --- processes ----------------------------------------------------------- */

enum proc_col {
	PROC_NAME, PROC_PID, PROC_GENERATION, PROC_STATE, PROC_UP, PROC_OPEN,
	PROC_SESSIONS, PROC_IN, PROC_OUT, PROC_BYTES_IN, PROC_BYTES_OUT,
	PROC_QUEUE, PROC_BUSY, PROC_CPU, PROC_MEMORY, PROC_FILES, PROC_TURN,
	PROC__MAX
};

static const struct grid_col proc_cols[PROC__MAX] = {
	[PROC_NAME] =		{ "process", 9, 0, true, 20 },
	[PROC_PID] =		{ "pid", 7, 6, false, 0 },
	[PROC_GENERATION] =	{ "gen", 3, 12, false, 0 },
	[PROC_STATE] =		{ "state", 9, 1, true, 0 },
	[PROC_UP] =		{ "up", 6, 7, false, 0 },
	[PROC_OPEN] =		{ "open", 5, 0, false, 0 },
	[PROC_SESSIONS] =	{ "sess", 5, 8, false, 0 },
	[PROC_IN] =		{ "in/s", 5, 2, false, 0 },
	[PROC_OUT] =		{ "out/s", 5, 0, false, 0 },
	[PROC_BYTES_IN] =	{ "Bin/s", 5, 11, false, 0 },
	[PROC_BYTES_OUT] =	{ "Bout/s", 6, 4, false, 0 },
	[PROC_QUEUE] =		{ "queue", 5, 3, false, 0 },
	[PROC_BUSY] =		{ "busy%", 5, 0, false, 0 },
	[PROC_CPU] =		{ "cpu%", 5, 9, false, 0 },
	[PROC_MEMORY] =		{ "mem", 5, 5, false, 0 },
	[PROC_FILES] =		{ "fds", 5, 10, false, 0 },
	[PROC_TURN] =		{ "turn99", 6, 13, false, 0 },
};

static double
list_proc_key(const struct model_proc *p, unsigned col)
{
	const double key[PROC__MAX] = {
		[PROC_NAME] = p->role == STATS_ROLE_WORKER,	/* first */
		[PROC_PID] = p->pid,
		[PROC_GENERATION] = p->generation,
		[PROC_STATE] = p->dead ? 2 : p->silent,
		[PROC_UP] = (double)p->age_ms,
		[PROC_OPEN] = p->connections,
		[PROC_SESSIONS] = p->sessions,
		[PROC_IN] = p->in,
		[PROC_OUT] = p->out,
		[PROC_BYTES_IN] = p->bytes_in,
		[PROC_BYTES_OUT] = p->bytes_out,
		[PROC_QUEUE] = p->queue_bytes,
		[PROC_BUSY] = p->busy,
		[PROC_CPU] = p->cpu,
		[PROC_MEMORY] = p->memory,
		[PROC_FILES] = p->files,
		[PROC_TURN] = (double)p->turn_p99_us,
	};

	return (col < PROC__MAX ? key[col] : 0);
}

static void
list_proc_state(const struct model_proc *p, struct list *l)
{
	char age[TEXT_NUMBER], *out = l->cell[PROC_STATE];

	text_age(age, p->silent_ms);
	if (p->dead) {
		(void)snprintf(out, LIST_CELL, "dead");
		l->style = STYLE_BAD;
	} else if (p->silent) {
		age[strcspn(age, "smhd") + 1] = '\0'; /* or it is cut */
		(void)snprintf(out, LIST_CELL, "mute %s", age);
		l->style = STYLE_BAD;
	} else {
		(void)snprintf(out, LIST_CELL, "live");
		l->style = p->busy >= 0.95 ? STYLE_WARN : STYLE_PLAIN;
	}
}

static void
list_proc_cells(const struct model *m, unsigned index, struct list *l)
{
	const struct model_proc *p = &m->proc[index];
	bool serves = p->role == STATS_ROLE_WORKER;

	text_safe(&l->name, p->name, l->utf8);
	(void)snprintf(l->cell[PROC_PID], LIST_CELL, "%" PRIu32, p->pid);
	(void)snprintf(l->cell[PROC_GENERATION], LIST_CELL, "%" PRIu32,
	    p->generation);
	list_proc_state(p, l);
	text_age(l->cell[PROC_UP], p->age_ms);
	text_count(l->cell[PROC_OPEN], serves ? p->connections : NAN);
	text_count(l->cell[PROC_SESSIONS], serves ? p->sessions : NAN);
	text_rate(l->cell[PROC_IN], serves ? p->in : NAN);
	text_rate(l->cell[PROC_OUT], serves ? p->out : NAN);
	text_rate(l->cell[PROC_BYTES_IN], serves ? p->bytes_in : NAN);
	text_rate(l->cell[PROC_BYTES_OUT], serves ? p->bytes_out : NAN);
	text_count(l->cell[PROC_QUEUE], serves ? p->queue_bytes : NAN);
	text_percent(l->cell[PROC_BUSY], p->busy);
	text_percent(l->cell[PROC_CPU], p->cpu);
	text_count(l->cell[PROC_MEMORY], p->memory);
	text_count(l->cell[PROC_FILES], p->files);
	if (p->turn_p99_us > 0)
		text_us(l->cell[PROC_TURN], p->turn_p99_us);
	else
		(void)snprintf(l->cell[PROC_TURN], LIST_CELL, "-");
}

/* The overview leaves out the master, who has nothing to do. */
static bool
list_proc_shown(const struct view *v, const struct model_proc *p)
{
	return ((v->page == PAGE_WORKERS || p->dead || p->silent ||
	    p->role != STATS_ROLE_MASTER) && match_text(p->name, v->filter));
}

void
list_processes(struct view *v, const struct model *m, struct lines *p,
    struct list_place at)
{
	unsigned i, sort = v->sort[PAGE_WORKERS];
	struct list l;

	list_init(&l, proc_cols, PROC__MAX, m->nproc, p);
	for (i = 0; i < m->nproc && l.item != NULL; i++)
		if (list_proc_shown(v, &m->proc[i]))
			list_item_add(&l, i, list_proc_key(&m->proc[i], sort),
			    NULL);
	list_draw(&l, v, m, p, at, sort, list_proc_cells);
	list_fini(&l);
}

/* --- namespaces ---------------------------------------------------------- */

enum ns_col {
	NSCOL_NAME, NSCOL_USERS, NSCOL_SOCKETS, NSCOL_IN, NSCOL_OUT,
	NSCOL_BYTES_IN, NSCOL_BYTES_OUT, NSCOL_CONNECTS, NSCOL_ERRORS,
	NSCOL_ALL, NSCOL__MAX
};

static const struct grid_col ns_cols[NSCOL__MAX] = {
	[NSCOL_NAME] =		{ "namespace", 10, 0, true, 60 },
	[NSCOL_USERS] =		{ "users", 6, 2, false, 0 },
	[NSCOL_SOCKETS] =	{ "sockets", 7, 0, false, 0 },
	[NSCOL_IN] =		{ "in/s", 5, 1, false, 0 },
	[NSCOL_OUT] =		{ "out/s", 6, 0, false, 0 },
	[NSCOL_BYTES_IN] =	{ "Bin/s", 5, 6, false, 0 },
	[NSCOL_BYTES_OUT] =	{ "Bout/s", 6, 5, false, 0 },
	[NSCOL_CONNECTS] =	{ "new/s", 5, 3, false, 0 },
	[NSCOL_ERRORS] =	{ "err/s", 6, 0, false, 0 },
	[NSCOL_ALL] =		{ "errors", 6, 4, false, 0 },
};

static double
list_ns_key(const struct model_ns *ns, unsigned col)
{
	const double key[NSCOL__MAX] = {
		[NSCOL_USERS] = ns->users,
		[NSCOL_SOCKETS] = ns->sockets,
		[NSCOL_IN] = ns->in,
		[NSCOL_OUT] = ns->out,
		[NSCOL_BYTES_IN] = ns->bytes_in,
		[NSCOL_BYTES_OUT] = ns->bytes_out,
		[NSCOL_CONNECTS] = ns->connects,
		[NSCOL_ERRORS] = ns->errors,
		[NSCOL_ALL] = ns->all_errors,
	};

	return (col < NSCOL__MAX ? key[col] : 0);
}

static void
list_ns_cells(const struct model *m, unsigned index, struct list *l)
{
	const struct model_ns *ns = &m->ns[index];

	text_safe(&l->name, ns->name, l->utf8);
	text_count(l->cell[NSCOL_USERS], ns->users);
	text_count(l->cell[NSCOL_SOCKETS], ns->sockets);
	text_rate(l->cell[NSCOL_IN], ns->in);
	text_rate(l->cell[NSCOL_OUT], ns->out);
	text_rate(l->cell[NSCOL_BYTES_IN], ns->bytes_in);
	text_rate(l->cell[NSCOL_BYTES_OUT], ns->bytes_out);
	text_rate(l->cell[NSCOL_CONNECTS], ns->connects);
	text_rate(l->cell[NSCOL_ERRORS], ns->errors);
	text_count(l->cell[NSCOL_ALL], ns->all_errors);
	if (ns->errors > 0)
		l->style = STYLE_WARN;
}

void
list_namespaces(struct view *v, const struct model *m, struct lines *p,
    struct list_place at)
{
	unsigned i, sort = v->sort[PAGE_NAMESPACES];
	struct list l;

	list_init(&l, ns_cols, NSCOL__MAX, m->nns, p);
	for (i = 0; i < m->nns && l.item != NULL; i++)
		if (match_text(m->ns[i].name, v->filter))
			list_item_add(&l, i, sort == NSCOL_NAME ? 0 :
			    list_ns_key(&m->ns[i], sort), m->ns[i].name);
	list_draw(&l, v, m, p, at, sort, list_ns_cells);
	list_fini(&l);
}

/* --- counters ------------------------------------------------------------ */

enum rate_col {
	RATE_NAME, RATE_VALUE, RATE_NOW, RATE_MINUTE, RATE_START, RATE_HELP,
	RATE__MAX
};

static const struct grid_col rate_cols[RATE__MAX] = {
	[RATE_NAME] =	{ "counter", 14, 0, true, 52 },
	[RATE_VALUE] =	{ "value", 13, 0, false, 0 },
	[RATE_NOW] =	{ "now/s", 7, 0, false, 0 },
	[RATE_MINUTE] =	{ "1min/s", 7, 1, false, 0 },
	[RATE_START] =	{ "avg/s", 7, 2, false, 0 },
	[RATE_HELP] =	{ " what it is", 40, 3, true, 160 },
};

static double
list_rate_key(const struct model_rate *r, unsigned col)
{
	return (col == RATE_VALUE ? r->value : col == RATE_NOW ? r->now :
	    col == RATE_MINUTE ? r->minute : r->start);
}

void
list_metric(const struct stats_metric *m, bool utf8, struct buf *out)
{
	text_safe(out, m->name, utf8);
	if (m->labels[0] == '\0')
		return;
	buf_byte(out, '{');
	text_safe(out, m->labels, utf8);
	buf_byte(out, '}');
}

static void
list_rate_cells(const struct model *m, unsigned index, struct list *l)
{
	const struct model_rate *r = &m->rate[index];

	list_metric(r->metric, l->utf8, &l->name);
	if (l->grid.ncols > RATE_HELP) {
		buf_byte(&l->help, ' ');
		text_safe(&l->help, r->metric->help, l->utf8);
	}
	text_digits(l->cell[RATE_VALUE], r->value);
	if (r->metric->type == STATS_GAUGE) {
		(void)snprintf(l->cell[RATE_NOW], LIST_CELL, "now");
		l->cell[RATE_MINUTE][0] = l->cell[RATE_START][0] = '\0';
		return;
	}
	text_rate(l->cell[RATE_NOW], r->now);
	text_rate(l->cell[RATE_MINUTE], r->minute);
	text_rate(l->cell[RATE_START], r->start);
}

static bool
list_rate_shown(const struct view *v, const struct model_rate *r)
{
	struct buf name;
	bool shown;

	if ((r->value == 0 && !v->zeros) ||
	    !match_metric(r->metric, v->pattern))
		return (false);
	if (v->filter[0] == '\0')
		return (true);
	buf_init(&name);
	list_metric(r->metric, true, &name);
	buf_byte(&name, '\0');
	shown = !name.oom && match_text((const char *)name.data, v->filter);
	buf_fini(&name);
	return (shown);
}

void
list_counters(struct view *v, const struct model *m, struct lines *p,
    struct list_place at)
{
	/* what it is: only where that leaves room for names */
	unsigned ncols = p->columns < 130 ? RATE_HELP : RATE__MAX;
	unsigned i, sort = v->sort[PAGE_COUNTERS];
	struct list l;

	list_init(&l, rate_cols, ncols, m->nrate, p);
	for (i = 0; i < m->nrate && l.item != NULL; i++)
		if (list_rate_shown(v, &m->rate[i]))
			list_item_add(&l, i, sort == RATE_NAME ? 0 :
			    list_rate_key(&m->rate[i], sort), NULL);
	at.rows = at.rows > 2 ? at.rows - 1 : at.rows;	/* its help */
	list_draw(&l, v, m, p, at, sort, list_rate_cells);
	if (at.rows > 2)
		list_foot(&l, v->cursor < l.nitems && l.item != NULL ?
		    m->rate[l.item[v->cursor].index].metric->help : "", p);
	list_fini(&l);
}

/* ------------------------------------------------------------------------- */

unsigned
list_count(const struct view *v, const struct model *m, enum view_page page)
{
	unsigned i, n = 0;

	switch (page) {
	case PAGE_WORKERS:
		for (i = 0; i < m->nproc; i++)
			n += list_proc_shown(v, &m->proc[i]);
		break;
	case PAGE_NAMESPACES:
		for (i = 0; i < m->nns; i++)
			n += match_text(m->ns[i].name, v->filter);
		break;
	case PAGE_COUNTERS:
		for (i = 0; i < m->nrate; i++)
			n += list_rate_shown(v, &m->rate[i]);
		break;
	case PAGE_RELAY:
		n = list_relay_count(v, m);
		break;
	case PAGE_OVERVIEW:
	case PAGE__MAX:
		break;
	}
	return (n);
}

unsigned
list_columns(enum view_page page)
{
	static const unsigned columns[PAGE__MAX] = {
		[PAGE_COUNTERS] = RATE_HELP,	/* not by that */
		[PAGE_NAMESPACES] = NSCOL__MAX,
		[PAGE_WORKERS] = PROC__MAX,
		[PAGE_RELAY] = 1,	/* always in its own order */
	};

	return (columns[page]);
}

unsigned
list_busiest(void)
{
	return (NSCOL_OUT);
}
