/*
 * Who receives an event: room:FIELD, user:FIELD, joined, namespace, sender,
 * backend, nowhere.
 */
#include "conf/rule/receiver.h"

#include <stdlib.h>
#include <string.h>

#include "conf/heap.h"
#include "conf/rule/argument.h"
#include "conf/value/string.h"

static const struct {
	const char	*name;
	enum conf_to	 to;
	bool		 field;		/* is followed by :FIELD */
} receivers[] = {
	{ "room", CONF_TO_ROOM, true },
	{ "user", CONF_TO_USER, true },
	{ "joined", CONF_TO_JOINED, false },
	{ "namespace", CONF_TO_NAMESPACE, false },
	{ "sender", CONF_TO_SENDER, false },
	{ "backend", CONF_TO_BACKEND, false },
	{ "nowhere", CONF_TO_NOWHERE, false },
};

void
conf_set_to(struct conf_parser *p, const struct conf_value *v, void *object)
{
	struct conf_event *event = object;
	const char *text = v->tokens[0].text, *field;
	size_t i, n = strcspn(text, ":");

	for (i = 0; i < nitems(receivers); i++)
		if (slice_eq(slice_str(receivers[i].name), slice_of(text, n)))
			break;
	if (i == nitems(receivers) || (!receivers[i].field && text[n] != '\0'))
		conf_value_bad(p, v, &v->tokens[0], "must be one of %s",
		    v->row->range);
	else if (receivers[i].field && conf_argument(text, receivers[i].name) ==
	    NULL)
		conf_value_bad(p, v, &v->tokens[0], "needs the member of the "
		    "first argument that names it: %s:FIELD",
		    receivers[i].name);
	else {
		field = conf_argument(text, receivers[i].name);
		free(event->field);
		event->to = receivers[i].to;
		event->field = field == NULL ? NULL : conf_strdup(field);
	}
}

void
conf_dump_to(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_event *event = object;
	struct buf text;
	size_t i;

	(void)row;
	buf_init(&text);
	for (i = 0; i < nitems(receivers); i++)
		if (receivers[i].to == event->to)
			buf_str(&text, receivers[i].name);
	if (event->field != NULL)
		buf_printf(&text, ":%s", event->field);
	buf_byte(&text, '\0');
	MUST(!text.oom);
	conf_string_print((const char *)text.data, out);
	buf_fini(&text);
}

void
conf_free_to(const struct conf_directive *row, void *object)
{
	struct conf_event *event = object;

	(void)row;
	free(event->field);
	event->field = NULL;
}
