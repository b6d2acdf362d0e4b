/*
 * Which names events and namespaces may have.
 */
#include "conf/name.h"

#include <string.h>

#include "base/reserved.h"

bool
conf_event_needs_rule(struct slice name)
{
	return (reserved_by_socketio(name) || slice_eq(name, SLICE("error")));
}

const char *
conf_event_name_bad(const char *name)
{
	const char *c;

	if (reserved_by_socketio(slice_str(name)))
		return ("the name is reserved by Socket.IO");
	if (reserved_by_server(slice_str(name)))
		return ("the name is reserved to the server");
	if (*name == '\0')
		return ("the name is empty");
	if (strlen(name) > CONF_EVENT_MAX)
		return ("the name is longer than 256 bytes");
	for (c = name; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return ("the name has a control character");
	if (strchr(name, '*') != NULL && strcmp(name, "*") != 0)
		return ("\"*\" stands alone: there are no patterns of events");
	return (NULL);
}

const char *
conf_namespace_name_bad(const char *name)
{
	if (*name != '/')
		return ("a namespace's name starts with \"/\"");
	if (strlen(name) > CONF_NAMESPACE_MAX)
		return ("the name is longer than 128 bytes");
	for (; *name != '\0'; name++)
		if ((unsigned char)*name <= ' ' || *name == 0x7f ||
		    strchr(",?#{}*\"\\", *name) != NULL)
			return ("the name has blanks or one of ,?#{}*\"\\");
	return (NULL);
}
