/*
 * Names of events that are not free: those that mean something to Socket.IO's
 * clients themselves, and the families that only the server sends and answers.
 * Asked where names are configured, decoded and served.
 */
#ifndef BASE_RESERVED_H
#define BASE_RESERVED_H

#include <stdbool.h>

#include "base/slice.h"

#define RESERVED_SOCKETIO_MAX	14	/* bytes of the longest of them */

bool	reserved_by_socketio(struct slice name);
bool	reserved_by_server(struct slice name);

#endif
