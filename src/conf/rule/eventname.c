/*
 * Names of events that a rule gives to others.
 */
#include "conf/rule/eventname.h"

#include <stdlib.h>
#include <string.h>

#include "conf/name.h"
#include "conf/value/string.h"

void
conf_set_eventname(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	const char *name = v->tokens[0].text;
	const char *bad = *name == '\0' ? NULL : conf_event_name_bad(name);
	char **field = conf_field_of(v->row, object);

	if (bad == NULL && strcmp(name, "*") == 0)
		bad = "\"*\" is not a name";
	if (bad != NULL) {
		conf_value_bad(p, v, &v->tokens[0], "%s", bad);
		return;
	}
	free(*field);
	*field = *name == '\0' ? NULL : conf_json_string(name);
}

void
conf_dump_eventname(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_event *event = object;
	const char *json;

	memcpy(&json, conf_field_in(row, object), sizeof json);
	conf_json_print(json == NULL || json == event->name_json ? "\"\"" :
	    json, out);
}
