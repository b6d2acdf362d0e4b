/*
 * The kinds of clients, for who has one of them by its number: a worker that
 * takes clients from another.
 */
#ifndef HUB_DIALECT_KIND_H
#define HUB_DIALECT_KIND_H

#include "hub/session/client.h"

extern const struct client_kind plain_kind, sse_kind, sockjs_kind,
	    sockjs_polling_kind, yjs_kind;

/* NULL: there is none with this number. */
const struct client_kind *kind_numbered(uint8_t);

#endif
