/*
 * A value on its way to a field, and what is wrong with it.
 */
#include "conf/value/value.h"

#include <stdarg.h>
#include <stdio.h>

bool
conf_value_unset(const struct conf_value *v)
{
	size_t i;

	for (i = 0; i < v->n; i++)
		if (v->tokens[i].unset)
			return (true);
	return (false);
}

void
conf_value_bad(struct conf_parser *p, const struct conf_value *v,
    const struct conf_token *t, const char *wrong, ...)
{
	char text[256], shown[72] = "";
	va_list ap;

	va_start(ap, wrong);
	(void)vsnprintf(text, sizeof text, wrong, ap);
	va_end(ap);
	if (t != NULL && v->row->type != CONF_TYPE_SECRET)
		(void)snprintf(shown, sizeof shown, " = %.60s", t->text);
	conf_diag(&p->diags, t == NULL ? v->at : t->at, "%s%s%s%s: %s",
	    v->where,
	    *v->where == '\0' ? "" : ": ", v->row->name, shown, text);
}
