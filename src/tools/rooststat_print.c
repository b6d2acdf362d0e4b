/*
 * rooststat -1: names first, so that grep and awk find them.
 */
#include "tools/rooststat_print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "tools/rooststat_list.h"
#include "tools/rooststat_match.h"

#define NAME_COLUMNS	44u

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

/* name, value, rate and help; quantile: "" or what comes behind the name. */
static void
print_line(const struct stats_metric *m, const char *quantile,
    const char *value, double rate, bool utf8, struct buf *out)
{
	char per_second[32] = "-";
	struct buf name;

	buf_init(&name);
	list_metric(m, utf8, &name);
	buf_str(&name, quantile);
	buf_byte(&name, '\0');
	if (!isnan(rate))
		(void)snprintf(per_second, sizeof per_second, "%.2f", rate);
	if (!name.oom && text_width((const char *)name.data) < NAME_COLUMNS)
		text_left(out, (const char *)name.data, NAME_COLUMNS);
	else
		buf_str(out, name.oom ? "?" : (const char *)name.data);
	buf_printf(out, " %14s %12s  ", value, per_second);
	text_safe(out, m->help, utf8);
	buf_byte(out, '\n');
	buf_fini(&name);
}

static void
print_latency(const struct model *m, const struct model_latency *l, bool utf8,
    struct buf *out)
{
	const struct {
		const char	*name;
		uint64_t	 value;
	} rows[] = {
		{ ":p50", l->p50 }, { ":p90", l->p90 }, { ":p99", l->p99 },
		{ ":max", l->max },
	};
	uint64_t n = stats_count(l->metric, m->cur->total);
	char value[32];
	unsigned i;

	(void)snprintf(value, sizeof value, "%" PRIu64, n);
	print_line(l->metric, "", value, isnan(l->rate) ?
	    model_per_second(0, n, m->up_ms * 1000) : l->rate, utf8, out);
	for (i = 0; i < nitems(rows); i++) {
		(void)snprintf(value, sizeof value, "%" PRIu64,
		    rows[i].value);
		print_line(l->metric, rows[i].name, l->any ? value : "-", NAN,
		    utf8, out);
	}
}

unsigned
print_once(const struct model *m, char *const *patterns, bool utf8,
    struct buf *out)
{
	const struct model_rate *r;
	unsigned i, n = 0;
	char value[32];

	print_head(m, utf8, out);
	for (i = 0; i < m->nrate; i++) {
		r = &m->rate[i];
		if (!match_metric(r->metric, patterns))
			continue;
		(void)snprintf(value, sizeof value, "%.0f", r->value);
		print_line(r->metric, "", value,
		    isnan(r->now) ? r->start : r->now, utf8, out);
		n++;
	}
	for (i = 0; i < m->nlatency; i++) {
		if (!match_metric(m->latency[i].metric, patterns))
			continue;
		print_latency(m, &m->latency[i], utf8, out);
		n++;
	}
	return (n);
}
