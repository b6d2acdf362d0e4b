/*
 * Namespaces and events that others name, and rooms that are made of a path.
 */
#include "conf/rule/reference.h"

#include <stdlib.h>
#include <string.h>

#include "base/reserved.h"
#include "conf/find.h"
#include "conf/name.h"
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

#define EVERY	"*"	/* namespace: an empty list in the struct */

void
conf_set_nsnames(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	const struct conf_token *t;

	if (v->n == 0)
		conf_value_bad(p, v, NULL, "has no namespace: write \""
		    EVERY "\" for all, or leave it out");
	if (v->n == 1 && strcmp(v->tokens[0].text, EVERY) == 0) {
		conf_free_strings(v->row, object);
		return;
	}
	for (t = v->tokens; t < v->tokens + v->n; t++)
		if (strcmp(t->text, EVERY) == 0)
			conf_value_bad(p, v, t, "is all of them, and stands "
			    "alone");
		else if (conf_namespace_find(p->conf, slice_str(t->text)) ==
		    NULL)
			conf_value_bad(p, v, t, "there is no such namespace%s",
			    t->text[0] == '/' ? "" :
			    " (its name starts with \"/\")");
	conf_set_strings(p, v, object);
}

/* The rules of an event are not needed to publish it, so that the names need not
 * be those of sections. */
static const char *
reference_event_bad(const char *name)
{
	const char *star = strchr(name, '*');

	if (star != NULL && star[1] != '\0')
		return ("a \"*\" may only be its last character");
	if (strlen(name) > CONF_EVENT_MAX)
		return ("the name is longer than 256 bytes");
	return (reserved_by_socketio(slice_str(name)) ?
	    "the name is reserved by Socket.IO" : NULL);
}

void
conf_set_eventnames(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	const struct conf_token *t;
	const char *wrong;

	for (t = v->tokens; t < v->tokens + v->n; t++)
		if ((wrong = reference_event_bad(t->text)) != NULL)
			conf_value_bad(p, v, t, "%s", wrong);
	conf_set_strings(p, v, object);
}

void
conf_dump_nsnames(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	void *names;

	if (conf_list_get(row, object, &names) == 0)
		buf_str(out, "{\"" EVERY "\"}");
	else
		conf_dump_strings(row, object, out);
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
	size_t i;

	conf_free_template(v->row, object);
	wrong = conf_template_parse(v->tokens[0].text, &route->join,
	    &route->njoin);
	if (wrong != NULL)
		conf_value_bad(p, v, &v->tokens[0], "%s", wrong);
	for (i = 0; i < route->njoin; i++) {
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
