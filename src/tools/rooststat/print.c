/*
 * rooststat -1: names first, so that grep and awk find them.
 */
#include "tools/rooststat/print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "tools/rooststat/list.h"
#include "tools/rooststat/match.h"

/* Columns, the least; wider where a name or a number is. */
struct print_widths {
	unsigned	 name, value, rate;
};

/* A line before it is laid out; to be measured, then to be printed. */
struct print_line {
	const struct stats_metric *metric;
	const char	*suffix;	/* "" or what comes behind the name */
	const char	*value;
	double		 rate;
};

struct print {
	const struct model *m;
	char *const	*patterns;
	bool		 utf8;
	struct print_widths width;
	struct buf	*out;		/* NULL: measure */
};

static void
print_head(const struct model *m, bool utf8, struct buf *out)
{
	char age[TEXT_NUMBER];
	struct buf text;

	buf_init(&text);
	view_verdict(m, utf8, &text);
	text_age(age, m->up_ms);
	buf_str(out, "# roostd ");
	text_safe(out, m->cur->version, utf8);
	buf_printf(out, "  pid %" PRIu32 "  up %s  %u of %u worker%s\n# %s\n",
	    m->cur->master_pid, age, m->workers_well, m->workers,
	    m->workers == 1 ? "" : "s",
	    text.oom ? "" : (const char *)text.data);
	buf_fini(&text);
}

static void
print_name(const struct print *p, const struct print_line *l, struct buf *out)
{
	list_metric(l->metric, p->utf8, out);
	buf_str(out, l->suffix);
	buf_byte(out, '\0');
}

static void
print_widen(unsigned *width, size_t columns)
{
	if (columns > *width)
		*width = (unsigned)columns;
}

/* Name, value, rate and help. */
static void
print_line(struct print *p, const struct print_line *l)
{
	char rate[32] = "-";
	const char *text;
	struct buf name;

	buf_init(&name);
	print_name(p, l, &name);
	text = name.oom ? "?" : (const char *)name.data;
	if (!isnan(l->rate))
		(void)snprintf(rate, sizeof rate, "%.2f", l->rate);
	if (p->out == NULL) {
		print_widen(&p->width.name, text_width(text));
		print_widen(&p->width.value, strlen(l->value));
		print_widen(&p->width.rate, strlen(rate));
	} else {
		text_left(p->out, text, p->width.name);
		buf_printf(p->out, " %*s %*s  ", (int)p->width.value,
		    l->value, (int)p->width.rate, rate);
		text_safe(p->out, l->metric->help, p->utf8);
		buf_byte(p->out, '\n');
	}
	buf_fini(&name);
}

static void
print_latency(struct print *p, const struct model_latency *l)
{
	const struct {
		const char	*name;
		uint64_t	 value;
	} rows[] = {
		{ ":p50", l->p50 }, { ":p90", l->p90 }, { ":p99", l->p99 },
		{ ":max", l->max },
	};
	uint64_t n = stats_count(l->metric, p->m->cur->total);
	char value[32];
	unsigned i;

	(void)snprintf(value, sizeof value, "%" PRIu64, n);
	print_line(p, &(struct print_line){ l->metric, "", value,
	    isnan(l->rate) ? model_per_second(0, n, p->m->up_ms * 1000) :
	    l->rate });
	for (i = 0; i < nitems(rows); i++) {
		(void)snprintf(value, sizeof value, "%" PRIu64,
		    rows[i].value);
		print_line(p, &(struct print_line){ l->metric, rows[i].name,
		    l->any ? value : "-", NAN });
	}
}

static unsigned
print_lines(struct print *p)
{
	const struct model_rate *r;
	unsigned i, n = 0;
	char value[32];

	for (i = 0; i < p->m->nrate; i++) {
		r = &p->m->rate[i];
		if (!match_metric(r->metric, p->patterns))
			continue;
		(void)snprintf(value, sizeof value, "%.0f", r->value);
		print_line(p, &(struct print_line){ r->metric, "", value,
		    isnan(r->now) ? r->start : r->now });
		n++;
	}
	for (i = 0; i < p->m->nlatency; i++) {
		if (!match_metric(p->m->latency[i].metric, p->patterns))
			continue;
		print_latency(p, &p->m->latency[i]);
		n++;
	}
	return (n);
}

unsigned
print_once(const struct model *m, char *const *patterns, bool utf8,
    struct buf *out)
{
	struct print p = { m, patterns, utf8, { 44, 14, 12 }, NULL };

	(void)print_lines(&p);
	p.out = out;
	print_head(m, utf8, out);
	return (print_lines(&p));
}
