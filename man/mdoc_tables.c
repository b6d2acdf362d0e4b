/*
 * Prints the tables of the program as mdoc fragments for the manual pages:
 *
 *	mdoc_tables directives	the table of roost.conf(5)
 *	mdoc_tables names	for each directive a line with section, name,
 *				default and range, tabs between them
 *
 * The pages hold what it prints; tests/lint/tables.sh compares.
 */
#include <stdio.h>
#include <string.h>

#include "conf/text/table.h"

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

static const struct {
	const char	*name;
	void		(*print)(void);
} tables[] = {
	{ "directives", mdoc_directives },
	{ "names", mdoc_names },
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
	fprintf(stderr, "usage: mdoc_tables directives | names\n");
	return (64);
}
