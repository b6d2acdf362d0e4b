/*
 * The kinds of clients that have no header of their own, for who has one of them
 * by its number (hub/move/kind.h).
 */
#ifndef HUB_DIALECT_KIND_H
#define HUB_DIALECT_KIND_H

#include "hub/session/client.h"

extern const struct client_kind plain_kind, sse_kind, sockjs_kind,
	    sockjs_polling_kind;

#endif
