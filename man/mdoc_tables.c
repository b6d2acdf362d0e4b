/*
 * Prints the tables of the program as mdoc fragments for the manual pages:
 *
 *	mdoc_tables directives	the table of roost.conf(5)
 *	mdoc_tables restart	in it, what a reload refuses to change
 *	mdoc_tables names	for each directive a line with section, name,
 *				default and range, tabs between them
 *	mdoc_tables metrics	the metrics of roost-stats(5)
 *	mdoc_tables reasons	in it, why connections are closed
 *	mdoc_tables authfails	in roost-protocol(7), why tokens are refused
 *
 * The pages hold what it prints; tests/lint/tables.sh compares.
 */
#include <stdio.h>
#include <string.h>

#include "base/reason.h"
#include "conf/text/table.h"
#include "shm/counters.h"

#define MDOC_WIDTH	80	/* columns of a line of text */

static const char *const metric_types[] = {
	[COUNTERS_COUNTER] = "counter",
	[COUNTERS_GAUGE] = "gauge",
	[COUNTERS_HISTOGRAM] = "histogram",
};

static const struct {
	const char	*name;
	const char	*words;
} authfails[] = {
#define AUTHFAIL(name, words) { #name, words },
#include "proto/authfail.def"
#undef AUTHFAIL
};

/* An argument of a macro, in quotes; backslashes and quotes escaped. */
static void
mdoc_argument(const char *text)
{
	printf(" \"");
	for (; *text != '\0'; text++)
		if (*text == '\\')
			printf("\\e");
		else if (*text == '"')
			printf("\\(dq");
		else
			putchar(*text);
	putchar('"');
}

static void
mdoc_default(const struct conf_directive *d)
{
	if (d->def == NULL)
		printf(" Em required");
	else if (d->def[0] == '\0')
		printf(" Em %s", conf_type_is_list(d->type) ? "none" :
		    "empty");
	else {
		printf(" Cm");
		mdoc_argument(d->def);
	}
}

static void
mdoc_row(const struct conf_directive *d)
{
	printf(".It Ic %s Ta", d->name);
	mdoc_argument(conf_type_name(d->type));
	printf(" Ta");
	mdoc_default(d);
	printf(" Ta");
	mdoc_argument(strchr(d->range, ':') != NULL ? "see above" :
	    d->range);
	putchar('\n');
}

static void
mdoc_heading(enum conf_section section)
{
	const struct conf_section_row *row = &conf_sections[section];

	if (section == CONF_SEC_TOP)
		return;
	printf(".It Sy");
	if (row->parent != CONF_SEC_TOP)
		printf(" %s", conf_sections[row->parent].name);
	printf(" %s Ta Ta Ta\n", row->name);
}

static bool
mdoc_has_directives(enum conf_section section)
{
	size_t i;

	for (i = 0; i < CONF_NDIRECTIVES; i++)
		if (conf_directives[i].section == section)
			return (true);
	return (false);
}

/* The last column takes what is left of the line, whatever its width says. */
static void
mdoc_directives(void)
{
	unsigned s;
	size_t i;

	printf(".Bl -column \"namespaces_per_connection\" "
	    "\"room templ\" \"/socket.io\" \"x\"\n"
	    ".It Sy Directive Ta Sy Type Ta Sy Default Ta Sy Range\n");
	for (s = 0; s < CONF_SEC__MAX; s++) {
		if (!mdoc_has_directives((enum conf_section)s))
			continue;
		mdoc_heading((enum conf_section)s);
		for (i = 0; i < CONF_NDIRECTIVES; i++)
			if (conf_directives[i].section == s)
				mdoc_row(&conf_directives[i]);
	}
	printf(".El\n");
}

/* By section, those that take effect with a new start only. */
static void
mdoc_restart(void)
{
	unsigned s;
	size_t i, n;

	printf(".Bl -tag -width Ds -compact\n");
	for (s = 0; s < CONF_SEC__MAX; s++) {
		for (n = 0, i = 0; i < CONF_NDIRECTIVES; i++) {
			if (conf_directives[i].section != s ||
			    conf_directives[i].reload)
				continue;
			if (n++ == 0)
				printf(".It Sy %s\n", s == CONF_SEC_TOP ?
				    "outside of sections" :
				    conf_sections[s].name);
			printf(".Ic %s\n", conf_directives[i].name);
		}
	}
	printf(".El\n");
}

static void
mdoc_names(void)
{
	const struct conf_section_row *row;
	const struct conf_directive *d;
	size_t i;

	for (i = 0; i < CONF_NDIRECTIVES; i++) {
		d = &conf_directives[i];
		row = &conf_sections[d->section];
		if (row->parent != CONF_SEC_TOP)
			printf("%s ", conf_sections[row->parent].name);
		printf("%s\t%s\t%s\t%s\n", row->name, d->name,
		    d->def == NULL ? "" : d->def, d->range);
	}
}

/* --- what is counted ------------------------------------------------------ */

/* A line of its own for each sentence, none longer than they are. */
static void
mdoc_text(const char *text)
{
	size_t n, at = 0;

	while (*text != '\0') {
		n = strcspn(text, " ");
		if (at > 0 && at + 1 + n > MDOC_WIDTH) {
			putchar('\n');
			at = 0;
		}
		if (at == 0)
			at = (size_t)printf(*text == '.' || *text == '\'' ?
			    "\\&%.*s" : "%.*s", (int)n, text);
		else
			at += (size_t)printf(" %.*s", (int)n, text);
		if (text[n - 1] == '.') {
			putchar('\n');
			at = 0;
		}
		text += n + strspn(text + n, " ");
	}
	if (at > 0)
		putchar('\n');
}

/* One of those of reason.def and authfail.def, which are in other tables. */
static bool
mdoc_is_reason(const struct counters_row *row)
{
	return (strncmp(row->labels, "reason=", 7) == 0);
}

static void
mdoc_metric(const struct counters_row *row, bool labels)
{
	char name[128];

	(void)snprintf(name, sizeof name, row->labels[0] == '\0' ? "%s" :
	    labels ? "%s{%s}" : "%s{reason}", row->name, row->labels);
	printf(".It Li");
	mdoc_argument(name);
	printf(" Pq %s\n", metric_types[row->type]);
	mdoc_text(row->help);
}

static void
mdoc_metrics(void)
{
	struct counters_row row;
	const char *before = "";
	unsigned i;

	printf(".Bl -tag -width Ds\n");
	for (i = 0; counters_row(i, &row); i++) {
		if (!mdoc_is_reason(&row))
			mdoc_metric(&row, true);
		else if (strcmp(row.name, before) != 0)
			mdoc_metric(&row, false);
		before = row.name;
	}
	for (i = 0; counters_ns_row(i, &row); i++)
		mdoc_metric(&row, true);
	printf(".El\n");
}

static void
mdoc_reasons(void)
{
	const struct reason_row *row;
	unsigned i;

	printf(".Bl -column \"too_many_requests\" \"network\" \"1000\" "
	    "\"x\"\n.It Sy Reason Ta Sy By Ta Sy Code Ta Sy Meaning\n");
	for (i = 0; i < REASON__MAX; i++) {
		row = reason_row((enum reason)i);
		printf(".It Li %s Ta %s Ta ", row->name,
		    reason_by((enum reason)i));
		if (row->code != 0)
			printf("%u", row->code);
		else
			printf("\\(en");
		printf(" Ta");
		mdoc_argument(row->words);
		putchar('\n');
	}
	printf(".El\n");
}

static void
mdoc_authfails(void)
{
	size_t i;

	printf(".Bl -tag -width not_valid_yetx -compact\n");
	for (i = 0; i < nitems(authfails); i++) {
		printf(".It Li %s\n", authfails[i].name);
		mdoc_text(authfails[i].words);
	}
	printf(".El\n");
}

static const struct {
	const char	*name;
	void		(*print)(void);
} tables[] = {
	{ "directives", mdoc_directives },
	{ "restart", mdoc_restart },
	{ "names", mdoc_names },
	{ "metrics", mdoc_metrics },
	{ "reasons", mdoc_reasons },
	{ "authfails", mdoc_authfails },
};

int
main(int argc, char *argv[])
{
	size_t i;

	for (i = 0; argc == 2 && i < nitems(tables); i++)
		if (strcmp(argv[1], tables[i].name) == 0) {
			tables[i].print();
			return (ferror(stdout) != 0);
		}
	fprintf(stderr, "usage: mdoc_tables directives | restart | names | "
	    "metrics | reasons | authfails\n");
	return (64);
}
