/*
 * Snapshots as text.  The exposition format wants all samples of a name
 * together, below one HELP and one TYPE; a snapshot links them.
 */
#include "shm/render.h"

#include <inttypes.h>
#include <stdio.h>

#define LEAST_BUCKET	4u		/* us; then each power of two */
#define GREATEST_BUCKET	(1u << 26)

/* How many of the name's last bytes give way to "_seconds". */
static size_t
render_scaled_suffix(const struct stats_metric *m)
{
	size_t n = strlen(m->name);
	bool us = m->unit == STATS_US && n > 3 &&
	    strcmp(m->name + n - 3, "_us") == 0;
	bool ms = m->unit == STATS_MS && n > 3 &&
	    strcmp(m->name + n - 3, "_ms") == 0;

	return (us || ms ? 3 : 0);
}

void
render_name(const struct stats_metric *m, char *out, size_t size)
{
	size_t cut = render_scaled_suffix(m);

	(void)snprintf(out, size, "roost_%.*s%s%s",
	    (int)(strlen(m->name) - cut), m->name, cut > 0 ? "_seconds" : "",
	    m->type == STATS_COUNTER ? "_total" : "");
}

/* A value in base units: seconds are written exactly, not as a float. */
static void
render_value(struct buf *out, const struct stats_metric *m, uint64_t v)
{
	if (m->unit == STATS_US)
		buf_printf(out, "%" PRIu64 ".%06" PRIu64, v / 1000000,
		    v % 1000000);
	else if (m->unit == STATS_MS)
		buf_printf(out, "%" PRIu64 ".%03" PRIu64, v / 1000, v % 1000);
	else if (m->type == STATS_GAUGE)
		buf_printf(out, "%" PRId64, (int64_t)v);
	else
		buf_u64(out, v);
}

static void
render_labels(struct buf *out, const struct stats_metric *m, const char *more)
{
	if (m->labels[0] == '\0' && more[0] == '\0')
		return;
	buf_printf(out, "{%s%s%s}", m->labels,
	    m->labels[0] != '\0' && more[0] != '\0' ? "," : "", more);
}

static void
render_bucket(struct buf *out, const struct stats_metric *m,
    const char *name, const char *le, uint64_t n)
{
	char more[64];

	(void)snprintf(more, sizeof more, "le=\"%s\"", le);
	buf_printf(out, "%s_bucket", name);
	render_labels(out, m, more);
	buf_printf(out, " %" PRIu64 "\n", n);
}

static void
render_le(const struct stats_metric *m, uint64_t v, char *out, size_t size)
{
	unsigned scale = m->unit == STATS_US ? 6 : m->unit == STATS_MS ? 3 : 0;
	uint64_t div = scale == 6 ? 1000000 : scale == 3 ? 1000 : 1;

	if (scale == 0)
		(void)snprintf(out, size, "%" PRIu64, v);
	else
		(void)snprintf(out, size, "%" PRIu64 ".%0*" PRIu64, v / div,
		    (int)scale, v % div);
}

static void
render_histogram(struct buf *out, const struct stats_metric *m,
    const char *name, const uint64_t *v)
{
	uint64_t lower, n = 0;
	char le[48];
	uint32_t i;

	for (i = 0; i + 1 < m->ncells; i++) {
		lower = stats_lower(m, i);
		if (lower >= LEAST_BUCKET && lower <= GREATEST_BUCKET &&
		    (lower & (lower - 1)) == 0) {
			render_le(m, lower, le, sizeof le);
			render_bucket(out, m, name, le, n);
		}
		n += v[m->first + i];
	}
	render_bucket(out, m, name, "+Inf", n);
	buf_printf(out, "%s_sum", name);
	render_labels(out, m, "");
	buf_byte(out, ' ');
	render_value(out, m, v[m->first + m->ncells - 1]);
	buf_printf(out, "\n%s_count", name);
	render_labels(out, m, "");
	buf_printf(out, " %" PRIu64 "\n", n);
}

static void
render_sample(struct buf *out, const struct stats_metric *m, const char *name,
    const uint64_t *v)
{
	if (m->type == STATS_HISTOGRAM) {
		render_histogram(out, m, name, v);
		return;
	}
	buf_str(out, name);
	render_labels(out, m, "");
	buf_byte(out, ' ');
	render_value(out, m, v[m->first]);
	buf_byte(out, '\n');
}

/* The format escapes backslash and newline in HELP. */
static void
render_help(struct buf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '\\')
			buf_str(out, "\\\\");
		else if (*s == '\n')
			buf_str(out, "\\n");
		else
			buf_byte(out, (uint8_t)*s);
	}
}

static const char *
render_type(uint8_t type)
{
	return (type == STATS_COUNTER ? "counter" :
	    type == STATS_GAUGE ? "gauge" : "histogram");
}

static void
render_start_time(struct buf *out, const struct stats_snapshot *s)
{
	buf_str(out, "# HELP roost_start_time_seconds Unix time of the "
	    "daemon's start.\n# TYPE roost_start_time_seconds gauge\n");
	buf_printf(out, "roost_start_time_seconds %" PRIu64 ".%03" PRIu64
	    "\n", s->started_ms / 1000, s->started_ms % 1000);
	buf_printf(out, "# HELP roost_build_info Version of the daemon.\n"
	    "# TYPE roost_build_info gauge\n"
	    "roost_build_info{version=\"%s\"} 1\n", s->version);
}

void
render_prometheus(const struct stats_snapshot *s, struct buf *out)
{
	const struct stats_metric *m;
	char name[256];
	unsigned i;
	uint32_t j;

	render_start_time(out, s);
	for (i = 0; i < s->nmetrics; i++) {
		m = &s->metric[i];
		if (!m->leads)
			continue;
		render_name(m, name, sizeof name);
		buf_printf(out, "# HELP %s ", name);
		render_help(out, m->help);
		buf_printf(out, "\n# TYPE %s %s\n", name, render_type(m->type));
		render_sample(out, m, name, s->total);
		for (j = m->next; j != 0; j = s->metric[j].next)
			render_sample(out, &s->metric[j], name, s->total);
	}
}

/* --- JSON ----------------------------------------------------------------- */

static void
render_json_string(struct buf *out, const char *s)
{
	buf_byte(out, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_byte(out, '\\');
		if ((unsigned char)*s < ' ')
			buf_printf(out, "\\u%04x", (unsigned)*s);
		else
			buf_byte(out, (uint8_t)*s);
	}
	buf_byte(out, '"');
}

/* k="v",k="v": the quoting of values is that of JSON already. */
static void
render_json_labels(struct buf *out, const char *p)
{
	bool quoted = false;

	buf_byte(out, '{');
	while (*p != '\0') {
		buf_byte(out, '"');
		while (*p != '\0' && *p != '=')
			buf_byte(out, (uint8_t)*p++);
		buf_str(out, "\":");
		if (*p == '=')
			p++;
		for (; *p != '\0' && (quoted || *p != ','); p++) {
			if (*p == '\\' && p[1] != '\0')
				buf_byte(out, (uint8_t)*p++);
			else if (*p == '"')
				quoted = !quoted;
			buf_byte(out, (uint8_t)*p);
		}
		if (*p == ',')
			buf_byte(out, (uint8_t)*p++);
	}
	buf_byte(out, '}');
}

static void
render_json_value(struct buf *out, const struct stats_metric *m,
    const uint64_t *v)
{
	static const struct {
		const char	*name;
		double		 q;
	} quantiles[] = {
		{ "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 },
		{ "p999", 0.999 },
	};
	unsigned i;

	if (m->type != STATS_HISTOGRAM) {
		render_value(out, m, v[m->first]);
		return;
	}
	buf_printf(out, "{\"count\":%" PRIu64 ",\"sum\":", stats_count(m, v));
	render_value(out, m, v[m->first + m->ncells - 1]);
	for (i = 0; i < nitems(quantiles); i++) {
		buf_printf(out, ",\"%s\":", quantiles[i].name);
		render_value(out, m, stats_quantile(m, v, quantiles[i].q));
	}
	buf_byte(out, '}');
}

static void
render_json_metric(const struct stats_snapshot *s, const struct stats_metric *m,
    struct buf *out)
{
	char name[256];
	const char *sep = "";
	unsigned r;

	render_name(m, name, sizeof name);
	buf_printf(out, "{\"name\":\"%s\",\"type\":\"%s\",\"labels\":", name,
	    render_type(m->type));
	render_json_labels(out, m->labels);
	buf_str(out, ",\"value\":");
	render_json_value(out, m, s->total);
	if (s->each != NULL) {
		buf_str(out, ",\"slots\":{");
		for (r = 0; r < s->nrows; r++) {
			if (s->row[r].state == STATS_SLOT_FREE)
				continue;
			buf_printf(out, "%s\"%u\":", sep, r);
			render_json_value(out, m,
			    s->each + (size_t)r * s->nvalues);
			sep = ",";
		}
		buf_byte(out, '}');
	}
	buf_byte(out, '}');
}

static void
render_json_rows(const struct stats_snapshot *s, struct buf *out)
{
	static const char *const states[] = { "free", "live", "dead" };
	static const char *const roles[] = { "relay", "worker", "master" };
	const struct stats_row *r;
	const char *sep = "";
	unsigned i;

	buf_str(out, "\"processes\":[");
	for (i = 0; i < s->nrows; i++) {
		r = &s->row[i];
		if (r->state == STATS_SLOT_FREE)
			continue;
		buf_printf(out, "%s{\"slot\":%u,\"name\":", sep, i);
		render_json_string(out, r->name);
		buf_printf(out, ",\"role\":\"%s\",\"state\":\"%s\",\"pid\":%"
		    PRIu32 ",\"generation\":%" PRIu32 ",\"started_ms\":%"
		    PRIu64 ",\"heartbeat_ms\":%" PRIu64 "}",
		    r->role < nitems(roles) ? roles[r->role] : "unknown",
		    r->state < nitems(states) ? states[r->state] : "unknown",
		    r->pid, r->generation, r->started_ms, r->heartbeat_ms);
		sep = ",";
	}
	buf_str(out, "]");
}

void
render_json(const struct stats_snapshot *s, struct buf *out)
{
	static const char *const states[] = { "making", "live", "ended" };
	unsigned i;

	buf_str(out, "{\"version\":");
	render_json_string(out, s->version);
	buf_printf(out, ",\"state\":\"%s\",\"pid\":%" PRIu32
	    ",\"started_ms\":%" PRIu64 ",\"heartbeat_ms\":%" PRIu64
	    ",\"start_id\":\"",
	    s->state < nitems(states) ? states[s->state] : "unknown",
	    s->master_pid, s->started_ms, s->heartbeat_ms);
	for (i = 0; i < sizeof s->start_id; i++)
		buf_printf(out, "%02x", s->start_id[i]);
	buf_str(out, "\",");
	render_json_rows(s, out);
	buf_str(out, ",\"metrics\":[");
	for (i = 0; i < s->nmetrics; i++) {
		if (i > 0)
			buf_byte(out, ',');
		render_json_metric(s, &s->metric[i], out);
	}
	buf_str(out, "]}");
}
