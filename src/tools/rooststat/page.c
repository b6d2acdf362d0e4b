/*
 * The overview: panes one below the other, what goes wrong at the bottom.
 * When there is not room for all, each gets its title and first row in the
 * order of importance, then rows in turn.
 */
#include "tools/rooststat/page.h"

#include <stdio.h>

#include "tools/rooststat/chart.h"
#include "tools/rooststat/list.h"

/* --- panes ---------------------------------------------------------------- */

static const enum model_headline head_order[HEAD__MAX] = {
	HEAD_OUT, HEAD_IN, HEAD_ACCEPTED, HEAD_BYTES_OUT, HEAD_BYTES_IN
};

static void
page_rates_row(const struct model *m, enum model_headline h, struct grid *t,
    struct lines *p)
{
	static const char *const names[HEAD__MAX] = {
		[HEAD_ACCEPTED] = "connections", [HEAD_IN] = "messages in",
		[HEAD_OUT] = "deliveries", [HEAD_BYTES_IN] = "bytes in",
		[HEAD_BYTES_OUT] = "bytes out",
	};
	const struct model_head *head = &m->head[h];
	const struct model_history *past = &head->history;
	unsigned n = past->n < t->width[4] ? past->n : t->width[4];
	char now[TEXT_NUMBER], minute[TEXT_NUMBER], start[TEXT_NUMBER];
	const char *cell[5] = { names[h], now, minute, start, "" };
	struct buf line, spark;

	text_rate(now, head->rate.now);
	text_rate(minute, head->rate.minute);
	text_rate(start, head->rate.start);
	buf_init(&line);
	buf_init(&spark);
	text_spark(&spark, past->value + past->n - n, n, p->utf8);
	buf_byte(&spark, '\0');
	cell[4] = (const char *)spark.data;
	grid_row(t, &line, STYLE_PLAIN, cell);
	line_text(p, &line);
	buf_fini(&line);
	buf_fini(&spark);
}

static void
page_rates(struct view *v, const struct model *m, struct lines *p,
    unsigned rows)
{
	static const struct grid_col cols[] = {
		{ "rates", 12, 0, true, 0 },
		{ "now/s", 7, 0, false, 0 },
		{ "1min/s", 7, 1, false, 0 },
		{ "avg/s", 7, 2, false, 0 },
		{ "", 8, 3, false, MODEL_HISTORY },
	};
	struct grid t;
	unsigned i;

	(void)v;
	grid_fit(&t, cols, nitems(cols), p->columns);
	line_titles(p, &t, GRID_COLS);
	for (i = 0; i < HEAD__MAX && i + 1 < rows; i++)
		page_rates_row(m, head_order[i], &t, p);
}

static unsigned
page_want_rates(const struct view *v, const struct model *m)
{
	(void)v;
	(void)m;
	return (1 + HEAD__MAX);
}

static void
page_duration(const struct model_latency *l, uint64_t value,
    char out[TEXT_NUMBER])
{
	if (!l->any)
		(void)snprintf(out, TEXT_NUMBER, "-");
	else if (l->metric->unit == STATS_US)
		text_us(out, value);
	else if (l->metric->unit == STATS_MS)
		text_us(out, value * 1000);
	else
		text_count(out, (double)value);
}

/* loop_turn_us is shown as "loop turn". */
static void
page_latency_name(const struct model_latency *l, struct buf *out, bool utf8)
{
	const char *name = l->metric->name;
	size_t i, n = strlen(name);

	if (n > 3 && (strcmp(name + n - 3, "_us") == 0 ||
	    strcmp(name + n - 3, "_ms") == 0))
		n -= 3;
	text_safe(out, name, utf8);
	out->wpos = n < out->wpos ? n : out->wpos;
	for (i = 0; i < out->wpos; i++)
		if (out->data[i] == '_')
			out->data[i] = ' ';
	if (l->old && l->any)
		buf_str(out, ", all");
	buf_byte(out, '\0');
}

static void
page_latency_row(const struct model_latency *l, struct grid *t, struct lines *p)
{
	char q[4][TEXT_NUMBER], rate[TEXT_NUMBER];
	const char *cell[6] = { "?", q[0], q[1], q[2], q[3], rate };
	struct buf line, name;

	buf_init(&line);
	buf_init(&name);
	page_latency_name(l, &name, p->utf8);
	if (!name.oom)
		cell[0] = (const char *)name.data;
	page_duration(l, l->p50, q[0]);
	page_duration(l, l->p90, q[1]);
	page_duration(l, l->p99, q[2]);
	page_duration(l, l->max, q[3]);
	text_rate(rate, l->rate);
	grid_row(t, &line, l->old ? STYLE_DIM : STYLE_PLAIN, cell);
	line_text(p, &line);
	buf_fini(&line);
	buf_fini(&name);
}

static void
page_latency(struct view *v, const struct model *m, struct lines *p,
    unsigned rows)
{
	static const struct grid_col cols[] = {
		{ "latency", 14, 0, true, 40 },
		{ "p50", 6, 0, false, 0 },
		{ "p90", 6, 2, false, 0 },
		{ "p99", 6, 0, false, 0 },
		{ "max", 6, 1, false, 0 },
		{ "n/s", 6, 3, false, 0 },
	};
	struct grid t;
	unsigned i;

	(void)v;
	grid_fit(&t, cols, nitems(cols), p->columns);
	line_titles(p, &t, GRID_COLS);
	for (i = 0; i < m->nlatency && i + 1 < rows; i++)
		page_latency_row(&m->latency[i], &t, p);
}

static unsigned
page_want_latency(const struct view *v, const struct model *m)
{
	(void)v;
	return (m->nlatency > 0 ? 1 + m->nlatency : 0);
}

static void
page_problem_row(const struct model_problem *pr, struct grid *t,
    struct lines *p)
{
	static const enum text_style styles[] = {
		[SEVERITY_NOTE] = STYLE_PLAIN,
		[SEVERITY_WARN] = STYLE_WARN,
		[SEVERITY_BAD] = STYLE_BAD,
	};
	bool gauge = pr->rate.metric->type == STATS_GAUGE;
	char total[TEXT_NUMBER], now[TEXT_NUMBER], minute[TEXT_NUMBER];
	const char *cell[5] = { "?", total, now, minute, "" };
	struct buf line, name, help;

	buf_init(&line);
	buf_init(&name);
	buf_init(&help);
	list_metric(pr->rate.metric, p->utf8, &name);
	buf_byte(&name, '\0');
	buf_byte(&help, ' ');
	text_safe(&help, pr->rate.metric->help, p->utf8);
	buf_byte(&help, '\0');
	if (!name.oom && !help.oom) {
		cell[0] = (const char *)name.data;
		cell[4] = (const char *)help.data;
	}
	text_count(total, pr->rate.value);
	text_rate(now, pr->rate.now);
	text_rate(minute, pr->rate.minute);
	grid_row(t, &line, gauge || pr->rate.now > 0 ?
	    styles[pr->severity] : STYLE_DIM, cell);
	line_text(p, &line);
	buf_fini(&line);
	buf_fini(&name);
	buf_fini(&help);
}

static void
page_problems(struct view *v, const struct model *m, struct lines *p,
    unsigned rows)
{
	const struct grid_col cols[] = {
		{ "problems", p->columns < 120 ? 14 : 44, 0, true, 52 },
		{ "total", 6, 0, false, 0 },
		{ "now/s", 7, 0, false, 0 },
		{ "1min/s", 7, 1, false, 0 },
		{ " what it means", 40, 2, true, 160 },
	};
	struct grid t;
	unsigned i;

	(void)v;
	grid_fit(&t, cols, nitems(cols) - (p->columns < 120), p->columns);
	line_titles(p, &t, GRID_COLS);
	for (i = 0; i < m->nproblem && i + 1 < rows; i++)
		page_problem_row(&m->problem[i], &t, p);
}

static unsigned
page_want_problems(const struct view *v, const struct model *m)
{
	(void)v;
	return (m->nproblem > 0 ? 1 + m->nproblem : 0);
}

static void
page_workers(struct view *v, const struct model *m, struct lines *p,
    unsigned rows)
{
	list_processes(v, m, p, (struct list_place){ rows, false });
}

static unsigned
page_want_workers(const struct view *v, const struct model *m)
{
	return (1 + list_count(v, m, PAGE_WORKERS));
}

static void
page_namespaces(struct view *v, const struct model *m, struct lines *p,
    unsigned rows)
{
	list_namespaces(v, m, p, (struct list_place){ rows, false });
}

static unsigned
page_want_namespaces(const struct view *v, const struct model *m)
{
	unsigned n = list_count(v, m, PAGE_NAMESPACES);

	return (n > 0 ? 1 + n : 0);
}

/* --- the overview --------------------------------------------------------- */

enum pane_id {
	PANE_RATES, PANE_LATENCY, PANE_WORKERS, PANE_NAMESPACES,
	PANE_PROBLEMS, PANE__MAX
};

static const struct pane {
	void		(*draw)(struct view *, const struct model *,
			    struct lines *, unsigned rows);
	unsigned	(*want)(const struct view *, const struct model *);
	bool		 beside;	/* on a wide screen: beside the next */
} panes[PANE__MAX] = {
	[PANE_RATES] =		{ page_rates, page_want_rates, true },
	[PANE_LATENCY] =	{ page_latency, page_want_latency, false },
	[PANE_WORKERS] =	{ page_workers, page_want_workers, false },
	[PANE_NAMESPACES] =	{ page_namespaces, page_want_namespaces,
				    false },
	[PANE_PROBLEMS] =	{ page_problems, page_want_problems, false },
};

/* Who gets a place first. */
static const enum pane_id pane_importance[PANE__MAX] = {
	PANE_PROBLEMS, PANE_RATES, PANE_WORKERS, PANE_LATENCY, PANE_NAMESPACES
};

/* How many rows each pane gets of those there are. */
static void
page_share(const unsigned want[PANE__MAX], unsigned rows,
    unsigned get[PANE__MAX])
{
	unsigned i, before;
	enum pane_id id;

	memset(get, 0, PANE__MAX * sizeof *get);
	for (i = 0; i < PANE__MAX; i++) {
		id = pane_importance[i];
		if (want[id] >= 2 && rows >= 2) {
			get[id] = 2;
			rows -= 2;
		}
	}
	do {
		before = rows;
		for (i = 0; i < PANE__MAX && rows > 0; i++) {
			id = pane_importance[i];
			if (get[id] > 0 && get[id] < want[id]) {
				get[id]++;
				rows--;
			}
		}
	} while (rows > 0 && rows < before);
}

/* The next line of text, without its newline; NULL: no more. */
static char *
page_next_line(char **text)
{
	char *line = *text, *end;

	if (line == NULL || *line == '\0')
		return (NULL);
	end = strchr(line, '\n');
	*text = end != NULL ? end + 1 : NULL;
	if (end != NULL)
		*end = '\0';
	return (line);
}

/* Two panes in one page, each with half the columns. */
static void
page_beside(struct view *v, const struct model *m, struct lines *p,
    enum pane_id id, unsigned rows)
{
	struct lines half[2];
	struct buf text[2], line;
	char *next[2], *part;
	unsigned i, j;

	for (i = 0; i < 2; i++) {
		buf_init(&text[i]);
		half[i] = *p;
		half[i].out = &text[i];
		half[i].used = 0;
		half[i].rows = rows;
		half[i].columns = i == 0 ? (p->columns - 2) / 2 :
		    p->columns - 2 - half[0].columns;
		panes[id + i].draw(v, m, &half[i], rows);
		buf_byte(&text[i], '\0');
		next[i] = (char *)text[i].data;
	}
	buf_init(&line);
	for (j = 0; j < rows; j++) {
		buf_reset(&line);
		for (i = 0; i < 2; i++) {
			part = page_next_line(&next[i]);
			text_left(&line, part != NULL ? part : "",
			    half[i].columns);
			buf_byte(&line, STYLE_PLAIN);
			buf_str(&line, i == 0 ? "  " : "");
		}
		line_text(p, &line);
	}
	buf_fini(&line);
	buf_fini(&text[0]);
	buf_fini(&text[1]);
}

static void
page_overview(struct view *v, const struct model *m, struct lines *p)
{
	unsigned i, want[PANE__MAX], get[PANE__MAX], spare;
	bool wide = p->columns >= SIDE_BY_SIDE;

	for (i = 0; i < PANE__MAX; i++) {
		want[i] = panes[i].want(v, m);
		if (i > 0 && wide && panes[i - 1].beside) {
			if (want[i] > want[i - 1])
				want[i - 1] = want[i];
			want[i] = 0;
		}
	}
	page_share(want, p->rows - p->used, get);
	spare = p->rows - p->used;
	for (i = 0; i < PANE__MAX; i++)
		spare -= get[i];
	for (i = 0; i < PANE__MAX; i++) {
		if (i == PANE_PROBLEMS) {	/* at the very bottom */
			chart_draw(m, p, spare);
			while (p->used + get[i] < p->rows)
				line_blank(p);
		}
		if (get[i] == 0)
			continue;
		if (wide && panes[i].beside)
			page_beside(v, m, p, (enum pane_id)i, get[i]);
		else
			panes[i].draw(v, m, p, get[i]);
	}
}

/* --- all pages ------------------------------------------------------------ */

void
page_draw(struct view *v, const struct model *m, struct lines *p)
{
	struct list_place at = { p->rows - p->used, true };

	switch (v->page) {
	case PAGE_OVERVIEW:
		page_overview(v, m, p);
		break;
	case PAGE_COUNTERS:
		list_counters(v, m, p, at);
		break;
	case PAGE_NAMESPACES:
		list_namespaces(v, m, p, at);
		break;
	case PAGE_WORKERS:
		list_processes(v, m, p, at);
		break;
	case PAGE_RELAY:
		list_relay(v, m, p, at);
		break;
	case PAGE__MAX:
		break;
	}
}
