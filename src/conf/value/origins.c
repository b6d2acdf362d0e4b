/*
 * Lists of origins and of hosts; see origins.h.
 */
#include "conf/value/origins.h"

#include <stdlib.h>
#include <string.h>

#include "conf/heap.h"
#include "conf/origin.h"
#include "conf/value/list.h"

void
conf_set_hosts(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	const char *wrong;
	char **s = NULL;
	size_t n = 0;
	size_t i;

	conf_free_strings(v->row, object);
	if (v->n > 0)
		s = conf_calloc(v->n, sizeof *s);
	for (i = 0; i < v->n; i++) {
		wrong = conf_host_parse(v->tokens[i].text, &s[n]);
		if (wrong != NULL)
			conf_value_bad(p, v, &v->tokens[i], "%s", wrong);
		else
			n++;
	}
	conf_list_put(v->row, object, s, n);
}

void
conf_free_origins(const struct conf_directive *row, void *object)
{
	struct conf_origin *o;
	size_t n = conf_list_get(row, object, &o);
	size_t i;

	for (i = 0; i < n; i++)
		conf_origin_fini(&o[i]);
	free(o);
	conf_list_put(row, object, NULL, 0);
}

void
conf_set_origins(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	struct conf_origin origin, *o = NULL;
	const char *wrong;
	size_t n = 0;
	size_t i;

	conf_free_origins(v->row, object);
	if (v->n > 0)
		o = conf_calloc(v->n, sizeof *o);
	for (i = 0; i < v->n; i++) {
		wrong = conf_origin_parse(v->tokens[i].text, &origin);
		if (wrong != NULL)
			conf_value_bad(p, v, &v->tokens[i], "%s", wrong);
		else
			o[n++] = origin;
	}
	conf_list_put(v->row, object, o, n);
}

void
conf_dump_origins(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	struct conf_origin *all, *o;
	size_t n = conf_list_get(row, object, &all);
	size_t i;

	buf_byte(out, '{');
	for (i = 0; i < n; i++) {
		o = &all[i];
		buf_str(out, i == 0 ? "\"" : ", \"");
		if (o->scheme == NULL)
			buf_byte(out, '*');
		else if (strcmp(o->scheme, "null") == 0)
			buf_str(out, "null");
		else
			buf_printf(out, "%s://%s%s%s", o->scheme, o->host,
			    o->port[0] == '\0' ? "" : ":", o->port);
		buf_byte(out, '"');
	}
	buf_byte(out, '}');
}
