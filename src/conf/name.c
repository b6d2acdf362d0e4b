/*
 * Which names events and namespaces may have.
 */
#include "conf/name.h"

#include <string.h>

#include "base/bug.h"

/* Names that mean something to Socket.IO's clients themselves. */
static const char *const socketio_names[] = { "connect", "connect_error",
	"disconnect", "disconnecting", "newListener", "removeListener" };

/* Families of events that only the server sends and answers. */
static const char *const server_families[] = { "room:", "presence:",
	"history:", "notification:", "doc:", "auth:", "roost:" };

bool
conf_event_reserved(struct slice name)
{
	for (size_t i = 0; i < nitems(socketio_names); i++)
		if (slice_eq(name, slice_str(socketio_names[i])))
			return (true);
	return (false);
}

bool
conf_event_needs_rule(struct slice name)
{
	return (conf_event_reserved(name) || slice_eq(name, SLICE("error")));
}

const char *
conf_event_name_bad(const char *name)
{
	if (conf_event_reserved(slice_str(name)))
		return ("the name is reserved by Socket.IO");
	for (size_t i = 0; i < nitems(server_families); i++)
		if (strncmp(name, server_families[i],
		    strlen(server_families[i])) == 0)
			return ("the name is reserved to the server");
	if (*name == '\0')
		return ("the name is empty");
	if (strlen(name) > CONF_EVENT_MAX)
		return ("the name is longer than 256 bytes");
	for (const char *c = name; *c != '\0'; c++)
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
