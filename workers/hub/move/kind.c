/*
 * Kinds by number; see kind.h.
 */
#include "hub/move/kind.h"

#include "hub/dialect/engine.h"
#include "hub/dialect/kind.h"
#include "hub/yjs/yjs.h"

const struct client_kind *
kind_numbered(uint8_t number)
{
	switch ((enum client_number)number) {
	case CLIENT_IS_PLAIN:
		return (&plain_kind);
	case CLIENT_IS_SOCKETIO:
		return (&engine_socketio.client);
	case CLIENT_IS_MESSAGES:
		return (&engine_messages.client);
	case CLIENT_IS_SSE:
		return (&sse_kind);
	case CLIENT_IS_SOCKJS:
		return (&sockjs_kind);
	case CLIENT_IS_SOCKJS_POLLING:
		return (&sockjs_polling_kind);
	case CLIENT_IS_YJS:
		return (&yjs_kind);
	}
	return (NULL);
}
