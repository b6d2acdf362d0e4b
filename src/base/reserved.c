/*
 * Which names of events are reserved; see reserved.h.
 */
#include "base/reserved.h"

#include "base/bug.h"

bool
reserved_by_socketio(struct slice name)
{
	static const struct slice names[] = { SLICE("connect"),
		SLICE("connect_error"), SLICE("disconnect"),
		SLICE("disconnecting"), SLICE("newListener"),
		SLICE("removeListener") };
	size_t i;

	for (i = 0; i < nitems(names); i++)
		if (slice_eq(name, names[i]))
			return (true);
	return (false);
}

bool
reserved_by_server(struct slice name)
{
	static const struct slice families[] = { SLICE("room:"),
		SLICE("presence:"), SLICE("history:"), SLICE("notification:"),
		SLICE("doc:"), SLICE("auth:"), SLICE("roost:") };
	size_t i;

	for (i = 0; i < nitems(families); i++)
		if (slice_starts(name, families[i]))
			return (true);
	return (false);
}
