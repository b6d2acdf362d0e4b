/*
 * The frame around each page: who the daemon is, how it is, which page this
 * is, and at the bottom which keys there are.
 */
#include "tools/rooststat/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "tools/rooststat/list.h"
#include "tools/rooststat/page.h"

#define VERDICT_LINES	3u	/* at most, for reasons */
#define NEWS_MS		30000u	/* how long a new start is news */

static const char *const page_names[PAGE__MAX] = {
	[PAGE_OVERVIEW] = "overview",
	[PAGE_COUNTERS] = "counters",
	[PAGE_NAMESPACES] = "namespaces",
	[PAGE_WORKERS] = "workers",
	[PAGE_RELAY] = "relay",
};

void
view_init(struct view *v)
{
	memset(v, 0, sizeof *v);
	v->interval_ms = 1000;
	v->sort[PAGE_NAMESPACES] = list_busiest();
}

unsigned
view_columns(enum view_page page)
{
	return (list_columns(page));
}

/* --- the head ------------------------------------------------------------ */

static const char *
view_plural(double n)
{
	return (n == 1 ? "" : "s");
}

/* The facts, the most wanted first; NULL-ended. */
static unsigned
view_head_facts(const struct model *m, char fact[][64])
{
	char a[TEXT_NUMBER];
	unsigned n = 0;

	(void)snprintf(fact[n++], 64, "roostd %.30s", m->cur->version);
	text_age(a, m->up_ms);
	(void)snprintf(fact[n++], 64, "up %s", a);
	if (m->workers_well == m->workers)
		(void)snprintf(fact[n++], 64, "%u worker%s", m->workers,
		    view_plural(m->workers));
	else
		(void)snprintf(fact[n++], 64, "%u/%u workers",
		    m->workers_well, m->workers);
	text_count(a, m->open);
	(void)snprintf(fact[n++], 64, "%s open", a);
	text_count(a, m->sessions);
	(void)snprintf(fact[n++], 64, "%s session%s", a,
	    view_plural(m->sessions));
	text_count(a, m->users);
	(void)snprintf(fact[n++], 64, "%s user%s", a, view_plural(m->users));
	text_count(a, m->rooms);
	(void)snprintf(fact[n++], 64, "%s room%s", a, view_plural(m->rooms));
	text_count(a, m->send_queue);
	(void)snprintf(fact[n++], 64, "%sB queued", a);
	(void)snprintf(fact[n++], 64, "pid %" PRIu32, m->cur->master_pid);
	return (n);
}

static void
view_head(const struct view *v, const struct model *m, struct lines *p)
{
	char fact[16][64], clock[16] = "";
	time_t t = (time_t)(m->now.ms / 1000);
	unsigned i, n, room = p->columns, used = 0;
	struct buf line, safe;
	struct tm tm;

	buf_init(&line);
	buf_init(&safe);
	if (p->columns >= 60 && localtime_r(&t, &tm) != NULL) {
		(void)strftime(clock, sizeof clock, "%H:%M:%S", &tm);
		room -= 10;
	}
	n = view_head_facts(m, fact);
	buf_byte(&line, STYLE_BOLD);
	for (i = 0; i < n; i++) {
		if (used + (unsigned)strlen(fact[i]) + 2 > room && i > 0)
			continue;
		buf_reset(&safe);
		text_safe(&safe, fact[i], v->utf8);
		buf_byte(&safe, '\0');
		buf_printf(&line, "%s%s%s", i > 0 ? "  " : "",
		    (const char *)safe.data, "");
		used += (unsigned)strlen(fact[i]) + 2;
	}
	buf_byte(&line, '\0');
	text_left(p->out, (const char *)line.data, p->columns -
	    (unsigned)strlen(clock));
	buf_str(p->out, clock);
	line_end(p);
	buf_fini(&line);
	buf_fini(&safe);
}

/* What is to be said when nothing is wrong. */
static void
view_well(const struct model *m, struct buf *out)
{
	buf_str(out, m->workers == 1 ? "the worker and the relay beat" :
	    "all workers and the relay beat");
}

static void
view_verdict_text(const struct model *m, struct buf *out)
{
	static const char *const words[] = {
		[VERDICT_HEALTHY] = "HEALTHY",
		[VERDICT_DEGRADED] = "DEGRADED",
		[VERDICT_DOWN] = "DOWN",
	};
	char age[TEXT_NUMBER];
	unsigned i;

	buf_printf(out, "%s  ", words[m->verdict]);
	if (m->nreasons == 0)
		view_well(m, out);
	for (i = 0; i < m->nreasons; i++)
		buf_printf(out, "%s%s", i > 0 ? "; " : "", m->reason[i]);
	if (m->source.restarted && m->source.daemon == DAEMON_LIVE &&
	    m->source.restarted_ms < NEWS_MS) {
		text_age(age, m->source.restarted_ms);
		buf_printf(out, "; started anew %s ago, rates begin again",
		    age);
	}
	if (m->generations > 1 && m->verdict != VERDICT_DOWN)
		buf_str(out, "; workers that leave hand over to the others");
	buf_byte(out, '\0');
}

void
view_verdict(const struct model *m, bool utf8, struct buf *out)
{
	struct buf raw;

	buf_init(&raw);
	view_verdict_text(m, &raw);
	if (!raw.oom)
		text_safe(out, (const char *)raw.data, utf8);
	buf_byte(out, '\0');
	buf_fini(&raw);
}

/* Broken between words, the last line cut. */
static void
view_verdict_lines(const struct view *v, const struct model *m, struct lines *p)
{
	static const uint8_t styles[] = {
		[VERDICT_HEALTHY] = STYLE_GOOD,
		[VERDICT_DEGRADED] = STYLE_WARN,
		[VERDICT_DOWN] = STYLE_BAD,
	};
	struct buf text, line;
	unsigned i, lines = p->rows < 12 ? 1 : VERDICT_LINES;
	const char *s, *end;

	buf_init(&text);
	buf_init(&line);
	view_verdict(m, v->utf8, &text);
	s = text.oom ? "" : (const char *)text.data;
	for (i = 1; *s != '\0'; i++, s = end) {
		end = i < lines ? line_break(s, p->columns) : s + strlen(s);
		buf_reset(&line);
		buf_byte(&line, styles[m->verdict]);
		buf_append(&line, s, (size_t)(end - s));
		line_text(p, &line);
		while (*end == ' ')
			end++;
	}
	buf_fini(&text);
	buf_fini(&line);
}

static void
view_tab_state(const struct view *v, struct buf *out)
{
	buf_byte(out, STYLE_PLAIN);
	if (v->paused)
		buf_printf(out, "  %cPAUSED%c", STYLE_WARN, STYLE_PLAIN);
	if (v->filter[0] != '\0') {
		buf_str(out, "  filter: ");
		text_safe(out, v->filter, v->utf8);
	}
	if (v->interval_ms % 1000 == 0)
		buf_printf(out, "  every %us", v->interval_ms / 1000);
	else
		buf_printf(out, "  every %.1fs", v->interval_ms / 1e3);
}

static void
view_tab_names(const struct view *v, bool all, struct buf *out)
{
	unsigned i;

	for (i = 0; i < PAGE__MAX; i++) {
		if (!all && i != (unsigned)v->page)
			continue;
		buf_printf(out, "%c%s%s%s%c ",
		    i == (unsigned)v->page ? STYLE_BOLD : STYLE_DIM,
		    i == (unsigned)v->page ? "[" : " ", page_names[i],
		    i == (unsigned)v->page ? "]" : " ", STYLE_PLAIN);
	}
	view_tab_state(v, out);
}

/* All names, where there is room; or only that of this page. */
static void
view_tabs(const struct view *v, struct lines *p)
{
	struct buf line;

	buf_init(&line);
	view_tab_names(v, true, &line);
	buf_byte(&line, '\0');
	if (line.oom || text_width((const char *)line.data) > p->columns) {
		buf_reset(&line);
		view_tab_names(v, false, &line);
	}
	line_text(p, &line);
	buf_fini(&line);
}

/* --- the foot ------------------------------------------------------------ */

static void
view_foot(const struct view *v, struct lines *p)
{
	struct buf line;

	buf_init(&line);
	switch (v->prompt) {
	case PROMPT_NONE:
		buf_printf(&line, "%cq quit  h help  v view  / filter  s sort"
		    "  space %s  w interval%s", STYLE_DIM,
		    v->paused ? "go on" : "pause",
		    v->page == PAGE_COUNTERS ? "  z zeros" : "");
		break;
	case PROMPT_FILTER:
		buf_printf(&line, "%cfilter: ", STYLE_BOLD);
		break;
	case PROMPT_INTERVAL:
		buf_printf(&line, "%cseconds between samples: ", STYLE_BOLD);
		break;
	}
	if (v->prompt != PROMPT_NONE) {
		text_safe(&line, v->input, v->utf8);
		buf_byte(&line, '_');
	}
	buf_byte(&line, '\0');
	text_left(p->out, (const char *)line.data, p->columns);
	buf_byte(p->out, '\n');
	buf_fini(&line);
}

static void
view_help(struct lines *p)
{
	static const char *const lines[] = {
		"q             quit",
		"v, Tab        next page; 1 to 5 go to one",
		"s, S          sort by the next column, the one before",
		"/             show only names with this text, or pattern",
		"              (* ? [); Esc shows all again",
		"arrows, PgUp, PgDn, Home, End",
		"              move in lists",
		"z             counters: those that are 0, too",
		"w             seconds between samples",
		"space         stop, go on",
		"",
		"Rates are per second since the last sample.  Latencies are",
		"of the same time; marked \"all\", since the daemon's start,",
		"when nothing was measured.  busy%: of one CPU, spent in",
		"turns of the event loop.  See rooststat(1).",
	};
	struct buf line;
	unsigned i;

	buf_init(&line);
	for (i = 0; i < nitems(lines) && p->used < p->rows; i++) {
		buf_reset(&line);
		buf_byte(&line, STYLE_PLAIN);
		buf_str(&line, lines[i]);
		line_text(p, &line);
	}
	buf_fini(&line);
}

void
view_draw(struct view *v, const struct model *m, unsigned columns,
    unsigned rows, struct buf *out)
{
	struct lines p = { .out = out, .columns = columns, .rows = rows,
		.utf8 = v->utf8 };

	if (rows > 0)
		view_head(v, m, &p);
	if (rows > 1)
		view_verdict_lines(v, m, &p);
	if (rows > 5)
		view_tabs(v, &p);
	p.rows = rows > 3 ? rows - 1 : rows;	/* the foot */
	if (v->help)
		view_help(&p);
	else
		page_draw(v, m, &p);
	while (p.used < p.rows)
		line_blank(&p);
	if (p.used < rows)
		view_foot(v, &p);
}
