/*
 * Sections by the table of directives, and those with a title; see
 * conf_section.h.
 */
#include "conf/conf_section.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/conf_type.h"

/* What the table says when the file says nothing. */
static void
set_default(struct conf_reading *parse, const struct conf_directive *row,
    void *object)
{
	char *text = conf_strdup(row->def == NULL ? "" : row->def);
	struct conf_token token = { .at = { "default", 0 }, .text = text };
	const struct conf_token *list[] = { &token };
	struct conf_value v = { .row = row, .tokens = list, .n = 1,
		.where = parse->where };

	if (conf_type_is_list(row->type))
		v.n = 0;
	if (row->def != NULL)
		conf_value_set(&parse->p, &v, object);
	free(text);
}

static void
set_given(struct conf_reading *parse, const struct conf_directive *row,
    const struct conf_token **tokens, size_t n, void *object)
{
	struct conf_value v = { .row = row, .tokens = tokens, .n = n,
		.where = parse->where };

	conf_value_set(&parse->p, &v, object);
}

static bool
set_substitute(struct conf_reading *parse, size_t row, void *object)
{
	const struct conf_token *tokens = parse->substitutes.rows[row].tokens;
	size_t n = parse->substitutes.rows[row].n;
	const struct conf_token **list;

	if (!parse->substitutes.rows[row].given)
		return (false);
	list = conf_calloc(n, sizeof(const struct conf_token *));
	for (size_t i = 0; i < n; i++)
		list[i] = &tokens[i];
	set_given(parse, &conf_directives[row], list, n, object);
	free(list);
	return (true);
}

/* false when the section doesn't say. */
static bool
set_from_file(struct conf_reading *parse, struct cfg_t *sec,
    const struct conf_directive *row, void *object)
{
	size_t n;
	const struct conf_token **list = conf_tree_values(sec, &parse->p.scan,
	    row, &n);

	if (list == NULL)
		return (false);
	set_given(parse, row, list, n, object);
	free(list);
	return (true);
}

void
conf_section_fill(struct conf_reading *parse, struct cfg_t *sec,
    enum conf_section section, struct conf_place at, void *object)
{
	const struct conf_directive *row;
	bool titled = conf_sections[section].title != NULL;

	for (size_t i = 0; i < CONF_NDIRECTIVES; i++) {
		row = &conf_directives[i];
		if (row->section != section)
			continue;
		set_default(parse, row, object);
		if (!titled && set_substitute(parse, i, object))
			continue;
		if (!set_from_file(parse, sec, row, object) &&
		    row->def == NULL)
			conf_diag(&parse->p.diags, at, "%s needs %s",
			    parse->where, row->name);
	}
}

/* `room "x"`: for messages. */
void
conf_section_name(struct conf_reading *parse, enum conf_section section,
    const char *title)
{
	if (title == NULL)
		(void)snprintf(parse->where, sizeof(parse->where), "%s",
		    conf_sections[section].name);
	else
		(void)snprintf(parse->where, sizeof(parse->where),
		    "%s \"%.60s\"", conf_sections[section].name, title);
}

void
conf_titled_bad(struct conf_reading *parse, const struct conf_titled *s,
    const char *wrong)
{
	if (!s->title->unset)
		conf_diag(&parse->p.diags, s->title->at, "%s \"%.60s\": %s",
		    conf_sections[s->id].name, s->title->text, wrong);
}

void
conf_titled_repeats(struct conf_reading *parse, const struct conf_titled *s,
    int first)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "is there already (line %d)",
	    first);
	conf_titled_bad(parse, s, text);
}

struct conf_titled
conf_titled_at(struct conf_reading *parse, struct cfg_t *tree,
    enum conf_section id, size_t i)
{
	struct conf_titled s = { .id = id };

	s.tree = conf_tree_section(tree, id, i);
	s.title = conf_tree_title(s.tree, &parse->p.scan);
	return (s);
}

void
conf_titled_fill(struct conf_reading *parse, const struct conf_titled *s,
    void *object)
{
	conf_section_name(parse, s->id, s->title->text);
	conf_section_fill(parse, s->tree, s->id, s->title->at, object);
}
