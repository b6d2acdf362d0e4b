/*
 * A number for each row of the table; see line.h.
 */
#include "conf/read/line.h"

#include <string.h>

#include "conf/errors.h"
#include "conf/heap.h"
#include "conf/read/section.h"

static int
line_noted(const struct conf_reading *parse, size_t row)
{
	enum conf_section section = conf_directives[row].section;
	const struct conf_tree *s = conf_tree_plain(&parse->tree, section);
	const struct conf_given *instead, *given;

	instead = conf_tree_given(&parse->substitutes, row);
	given = conf_tree_given(s, row);
	if (instead != NULL && instead->n > 0 &&
	    strcmp(instead->tokens[0].at.file, "-o") == 0)
		return (CONF_LINE_OPTION);
	if (given != NULL)
		return (given->line);
	return (s == NULL || section == CONF_SEC_TOP ? 0 : s->line);
}

void
conf_lines_note(struct conf_reading *parse)
{
	int *lines = conf_calloc(CONF_NDIRECTIVES, sizeof *lines);
	size_t i;

	for (i = 0; i < CONF_NDIRECTIVES; i++)
		if (conf_sections[conf_directives[i].section].title == NULL)
			lines[i] = line_noted(parse, i);
	parse->p.conf->lines = lines;
}

/* Up to what cannot be in a name. */
static struct slice
line_name(const char *at)
{
	return (slice_of(at, strspn(at, "abcdefghijklmnopqrstuvwxyz_0123456789")));
}

int
conf_line(const struct conf *conf, const char *what)
{
	struct slice name = line_name(what);
	int section = CONF_SEC_TOP, row;

	if (strncmp(what + name.n, ": ", 2) == 0) {
		section = conf_section_find(CONF_SEC_TOP, name);
		if (section < 0 || conf_sections[section].title != NULL)
			return (0);
		name = line_name(what + name.n + 2);
	}
	row = conf_directive_find((enum conf_section)section, name);
	return (row < 0 ? 0 : conf->lines[row]);
}
