/*
 * Names and attributes in HTTP; see http.h.
 */
#include "conf/value/http.h"

#include <stdlib.h>

#include "conf/heap.h"

bool
conf_http_is_token(const char *text)
{
	return (text[0] != '\0' && text[strspn(text,
	    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0');
}

static void
http_set(const struct conf_value *v, void *object)
{
	char **field = conf_field_of(v->row, object);

	free(*field);
	*field = conf_strdup(v->tokens[0].text);
}

void
conf_set_token(struct conf_parser *p, const struct conf_value *v, void *object)
{
	const struct conf_token *t = &v->tokens[0];

	if (t->text[0] != '\0' && !conf_http_is_token(t->text))
		conf_value_bad(p, v, t, "has a character that names in HTTP "
		    "do not have");
	else
		http_set(v, object);
}

void
conf_set_cookie_path(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	const struct conf_token *t = &v->tokens[0];
	const char *c = t->text;

	if (*c != '/') {
		conf_value_bad(p, v, t, "does not start with \"/\"");
		return;
	}
	while (*c > ' ' && *c < 0x7f && *c != ';')
		c++;
	if (*c != '\0')
		conf_value_bad(p, v, t, "has a character that paths of "
		    "cookies do not have");
	else
		http_set(v, object);
}
