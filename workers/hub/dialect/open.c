/*
 * Which kind of engine is opened, after admission.  Called by the host through
 * client.h.
 */
#include "hub/dialect/engine.h"

static const struct engine_kind *
open_kind(const struct admission *a)
{
	return (a->route == NULL ? &engine_socketio : &engine_messages);
}

struct client *
engine_open(struct hub *h, struct admission *a, bool b64, struct outq *out)
{
	const struct engine_kind *k = open_kind(a);

	return (engine_new(h, k, a, b64 ? k->b64 : k->ws, b64, out));
}

struct client *
engine_open_polling(struct hub *h, struct admission *a, bool b64,
    struct outq *out)
{
	const struct engine_kind *k = open_kind(a);

	return (engine_new(h, k, a, k->polling, b64, out));
}
