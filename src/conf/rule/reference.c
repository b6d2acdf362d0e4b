/*
 * Namespaces that others name, and rooms that are made of a path.
 */
#include "conf/rule/reference.h"

#include <stdlib.h>

#include "conf/find.h"
#include "conf/pattern.h"
#include "conf/value/list.h"
#include "conf/value/string.h"

void
conf_set_nsref(struct conf_parser *p, const struct conf_value *v, void *object)
{
	struct conf_route *route = object;
	const char *name = v->tokens[0].text;

	route->ns = conf_namespace_find(p->conf, slice_str(name));
	if (route->ns == NULL)
		conf_value_bad(p, v, &v->tokens[0], "there is no such namespace"
		    "%s", *name == '/' ? "" : " (its name starts with \"/\")");
}

void
conf_set_nsnames(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	for (size_t i = 0; i < v->n; i++)
		if (conf_namespace_find(p->conf,
		    slice_str(v->tokens[i].text)) == NULL)
			conf_value_bad(p, v, &v->tokens[i],
			    "there is no such namespace%s",
			    v->tokens[i].text[0] == '/' ? "" :
			    " (its name starts with \"/\")");
	conf_set_strings(p, v, object);
}

void
conf_dump_nsref(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_route *route = object;

	(void)row;
	conf_string_print(route->ns->name, out);
}

void
conf_free_template(const struct conf_directive *row, void *object)
{
	struct conf_route *route = object;

	(void)row;
	conf_pieces_free(route->join, route->njoin);
	route->join = NULL;
	route->njoin = 0;
}

void
conf_set_template(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	struct conf_route *route = object;
	const struct conf_piece *piece;
	const char *wrong;

	conf_free_template(v->row, object);
	wrong = conf_template_parse(v->tokens[0].text, &route->join,
	    &route->njoin);
	if (wrong != NULL)
		conf_value_bad(p, v, &v->tokens[0], "%s", wrong);
	for (size_t i = 0; i < route->njoin; i++) {
		piece = &route->join[i];
		if (piece->param && route->path.text != NULL &&
		    conf_pattern_param(&route->path,
		    slice_of(piece->text, piece->len)) < 0)
			conf_value_bad(p, v, &v->tokens[0],
			    "the path has no parameter {%s}", piece->text);
	}
}

void
conf_dump_template(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_route *route = object;
	struct buf text;

	(void)row;
	buf_init(&text);
	conf_pieces_print(route->join, route->njoin, &text);
	buf_byte(&text, '\0');
	MUST(!text.oom);
	conf_string_print((const char *)text.data, out);
	buf_fini(&text);
}
