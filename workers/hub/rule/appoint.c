/*
 * Rooms of every session; see appoint.h.  Called by dialect/ once a session has
 * begun.
 */
#include "hub/rule/appoint.h"

#include <string.h>

#include "hub/hub_int.h"
#include "hub/audience/room.h"
#include "hub/rule/join.h"
#include "hub/store/cursor.h"
#include "hub/store/enter.h"
#include "proto/json.h"

static bool
appoint_enter(struct session *s, struct slice name, const struct since *seen,
    bool lost)
{
	const struct inbound in = { .ack.kind = ACK_NONE };
	struct enter_ask ask = { .name = name, .since = *seen, .lost = lost,
		.may = join_may, .appointed = true };
	struct buf raw;
	bool ok;

	if (!conf_room_keeps(s->ns, name))
		return (room_appoint(s->hub, s, name));
	buf_init(&raw);
	json_escape(&raw, name);
	ask.raw = buf_unread(&raw);
	ok = !raw.oom && enter_room(s, &in, &ask);
	buf_fini(&raw);
	return (ok);
}

/* Into all of them, from these places on. */
static void
appoint_from(struct session *s, const struct since *places, bool lost)
{
	const struct conf_namespace *ns = s->ns;
	uint8_t bytes[ROOM_NAME_MAX];
	struct slice name;
	size_t i;

	for (i = 0; i < ns->njoins; i++) {
		if (s->who == NULL && ns->joins[i].nparams != 0)
			continue;
		name = join_name(s, &ns->joins[i], bytes);
		if (name.n == 0)
			counter_add(COUNTER_joins_refused, 1);
		else if (!appoint_enter(s, name, &places[i], lost))
			counter_add(COUNTER_memory_failures, 1);
	}
}

void
appoint(struct session *s, struct slice seen)
{
	struct since places[CONF_JOINS_MAX];
	bool ok;

	if (likely(s->ns->njoins == 0))
		return;
	memset(places, 0, sizeof places);
	ok = seen.n == 0 || cursor_parse(places, s->ns->njoins, seen);
	if (!ok)
		memset(places, 0, sizeof places);
	appoint_from(s, places, !ok);
}

void
appoint_auth(struct session *s, struct slice auth)
{
	uint8_t text[CURSOR_MAX];
	struct since places[CONF_JOINS_MAX];
	struct slice raw = { NULL, 0 };
	ssize_t n = 0;
	bool ok;

	if (likely(s->ns->njoins == 0))
		return;
	if (auth.n != 0)
		n = json_text(auth, SLICE("since"), text, sizeof text, &raw);
	if (raw.n == 0) {
		appoint(s, raw);
		return;
	}
	if (json_type(raw) == JSON_STRING) {
		appoint(s, n < 0 ? SLICE("?") : slice_of(text, (size_t)n));
		return;
	}
	/* of a single one as room:join has it, too */
	memset(places, 0, sizeof places);
	ok = json_type(raw) == JSON_NULL || (s->ns->njoins == 1 &&
	    since_read(places, auth));
	if (!ok)
		memset(places, 0, sizeof places);
	appoint_from(s, places, !ok);
}
