/*
 * Sections by the table of directives, and those with a title; see
 * section.h.
 */
#include "conf/read/section.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/heap.h"
#include "conf/read/type.h"

/* What the table says when the file says nothing; a list has nothing or one
 * word. */
static void
section_set_default(struct conf_reading *parse,
    const struct conf_directive *row, void *object)
{
	struct conf_token token = { .at = { "default", 0 } };
	struct conf_value v = { .row = row, .tokens = &token, .n = 1,
		.where = parse->where, .at = token.at };

	if (row->def == NULL ||
	    (conf_type_is_list(row->type) && row->def[0] == '\0'))
		return;
	token.text = conf_strdup(row->def);
	conf_value_set(&parse->p, &v, object);
	free(token.text);
}

/* What is given; false: nothing is, nor an empty list where there must be
 * something. */
static bool
section_set_given(struct conf_reading *parse,
    const struct conf_directive *row, const struct conf_given *given,
    void *object)
{
	struct conf_value v = { .row = row, .where = parse->where };

	if (given == NULL || (row->def == NULL && given->n == 0))
		return (false);
	v.tokens = given->tokens;
	v.n = given->n;
	v.at = (struct conf_place){ parse->p.src->file, given->line };
	conf_value_set(&parse->p, &v, object);
	return (true);
}

void
conf_section_fill(struct conf_reading *parse, const struct conf_tree *tree,
    enum conf_section section, struct conf_place at, void *object)
{
	const struct conf_directive *row;
	const struct conf_given *given;
	size_t i;

	(void)snprintf(parse->where, sizeof parse->where, "%s%s%.60s%s",
	    conf_sections[section].name,
	    conf_sections[section].title == NULL ? "" : " \"",
	    conf_sections[section].title == NULL ? "" : tree->title.text,
	    conf_sections[section].title == NULL ? "" : "\"");
	for (i = 0; i < CONF_NDIRECTIVES; i++) {
		row = &conf_directives[i];
		if (row->section != section)
			continue;
		section_set_default(parse, row, object);
		given = conf_tree_given(&parse->substitutes, i);
		if (given == NULL)
			given = conf_tree_given(tree, i);
		if (!section_set_given(parse, row, given, object) &&
		    row->def == NULL)
			conf_diag(&parse->p.diags, at, "%s needs %s",
			    parse->where, row->name);
	}
}

struct conf_place
conf_section_place(struct conf_reading *parse, enum conf_section section,
    const char *name)
{
	const struct conf_given *given = conf_tree_given(
	    conf_tree_plain(&parse->tree, section),
	    (size_t)conf_directive_find(section, slice_str(name)));

	return ((struct conf_place){ parse->p.src->file,
	    given == NULL ? 0 : given->line });
}

void
conf_titled_fill(struct conf_reading *parse, const struct conf_tree *s,
    void *object)
{
	conf_section_fill(parse, s, s->section, s->title.at, object);
}

void
conf_titled_bad(struct conf_reading *parse, const struct conf_tree *s,
    const char *wrong)
{
	if (!s->title.unset)
		conf_diag(&parse->p.diags, s->title.at, "%s \"%.60s\": %s",
		    conf_sections[s->section].name, s->title.text, wrong);
}

char *
conf_titled_name(struct conf_reading *parse, const struct conf_tree *s,
    int *line)
{
	if (s->title.text[0] == '\0')
		conf_titled_bad(parse, s, "the name is empty");
	*line = s->title.at.line;
	return (conf_strdup(s->title.text));
}

void
conf_section_again(struct conf_reading *parse, enum conf_section section,
    const char *title, int line, int first)
{
	conf_diag(&parse->p.diags,
	    (struct conf_place){ parse->p.src->file, line },
	    "%s \"%.60s\": is there already (line %d)",
	    conf_sections[section].name, title, first);
}

static bool
section_same(const struct conf_tree *a, const struct conf_tree *b)
{
	return (strcmp(a->title.text, b->title.text) == 0);
}

void
conf_titled_repeats(struct conf_reading *parse, const struct conf_tree *in,
    const struct conf_tree *s, const void *objects, size_t size,
    bool (*same)(const void *, const void *))
{
	const char *object = objects, *last = objects;
	const struct conf_tree *o = NULL;

	while ((o = conf_tree_next(in, s->section, o)) != NULL && o != s)
		last += size;
	while (object < last) {
		o = conf_tree_next(in, s->section, o == s ? NULL : o);
		if (same == NULL ? section_same(o, s) : same(object, last)) {
			if (!s->title.unset)
				conf_section_again(parse, s->section,
				    s->title.text, s->title.at.line,
				    o->title.at.line);
			return;
		}
		object += size;
	}
}
