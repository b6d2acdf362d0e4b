/*
 * Rooms of every session: names, in which {user} stands for whose it is.
 */
#include "conf/rule/joins.h"

#include <stdlib.h>
#include <string.h>

#include "conf/heap.h"
#include "conf/pattern.h"
#include "conf/value/string.h"

void
conf_free_joins(const struct conf_directive *row, void *object)
{
	struct conf_namespace *ns = object;
	size_t i;

	(void)row;
	for (i = 0; i < ns->njoins; i++)
		conf_pattern_fini(&ns->joins[i]);
	free(ns->joins);
	ns->joins = NULL;
	ns->njoins = 0;
}

static const char *
joins_wrong(const struct conf_namespace *ns, const struct conf_pattern *name)
{
	size_t i;

	if (name->npieces == 0)
		return ("is empty");
	if (strlen(name->text) > CONF_JOIN_MAX)
		return ("is longer than 128 bytes");
	for (i = 0; i < name->npieces; i++)
		if (name->pieces[i].param &&
		    strcmp(name->pieces[i].text, "user") != 0)
			return ("only {user} can stand in it");
	for (i = 0; i < ns->njoins; i++)
		if (strcmp(ns->joins[i].text, name->text) == 0)
			return ("is there twice");
	return (NULL);
}

void
conf_set_joins(struct conf_parser *p, const struct conf_value *v, void *object)
{
	struct conf_namespace *ns = object;
	struct conf_pattern name;
	const char *wrong;
	size_t i;

	conf_free_joins(v->row, ns);
	if (v->n > CONF_JOINS_MAX) {
		conf_value_bad(p, v, &v->tokens[0], "more than %d rooms",
		    CONF_JOINS_MAX);
		return;
	}
	if (v->n > 0)
		ns->joins = conf_calloc(v->n, sizeof *ns->joins);
	for (i = 0; i < v->n; i++) {
		wrong = conf_pattern_parse(v->tokens[i].text, &name);
		if (wrong == NULL && (wrong = joins_wrong(ns, &name)) != NULL)
			conf_pattern_fini(&name);
		if (wrong != NULL)
			conf_value_bad(p, v, &v->tokens[i], "%s", wrong);
		else
			ns->joins[ns->njoins++] = name;
	}
}

void
conf_dump_joins(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_namespace *ns = object;
	size_t i;

	(void)row;
	buf_byte(out, '{');
	for (i = 0; i < ns->njoins; i++) {
		buf_str(out, i == 0 ? "" : ", ");
		conf_string_print(ns->joins[i].text, out);
	}
	buf_byte(out, '}');
}
