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

/* Who is put there needs no right. */
static enum refused
appoint_may(const struct session *s, struct slice room)
{
	(void)s;
	(void)room;
	return (REFUSED_NONE);
}

static bool
appoint_enter(struct session *s, struct slice name, const struct since *seen,
    bool lost)
{
	const struct inbound in = { .ack.kind = ACK_NONE };
	struct enter_ask ask = { .name = name, .since = *seen, .lost = lost,
		.may = appoint_may, .appointed = true };
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

/* Into all of them, of which ok says whether these places are theirs. */
static void
appoint_all(struct session *s, const struct join_names *all, unsigned n,
    struct since *places, bool ok)
{
	unsigned i;

	if (!ok)
		memset(places, 0, n * sizeof *places);
	for (i = 0; i < n; i++)
		if (!appoint_enter(s, all->names[i], &places[i], !ok))
			counter_add(COUNTER_memory_failures, 1);
}

void
appoint(struct session *s, struct slice seen)
{
	struct since places[CONF_JOINS_MAX];
	struct join_names all;
	unsigned n;

	if (likely(s->ns->njoins == 0))
		return;
	n = join_everybodys(s, &all);
	memset(places, 0, sizeof places);
	appoint_all(s, &all, n, places, seen.n == 0 ||
	    cursor_parse(places, n, seen));
}

void
appoint_auth(struct session *s, struct slice auth)
{
	uint8_t text[CURSOR_MAX];
	struct since places[CONF_JOINS_MAX];
	struct join_names all;
	struct slice raw = { NULL, 0 };
	ssize_t len = 0;
	unsigned n;

	if (likely(s->ns->njoins == 0))
		return;
	if (auth.n != 0)
		len = json_text(auth, SLICE("since"), text, sizeof text, &raw);
	if (raw.n == 0 || json_type(raw) == JSON_STRING) {
		appoint(s, raw.n == 0 ? raw : len < 0 ? SLICE("?") :
		    slice_of(text, (size_t)len));
		return;
	}
	/* of a single one as room:join has it, too */
	n = join_everybodys(s, &all);
	memset(places, 0, sizeof places);
	appoint_all(s, &all, n, places, json_type(raw) == JSON_NULL ||
	    (n == 1 && since_read(places, auth)));
}

void
appoint_room(struct session *s, struct slice name)
{
	const struct since nowhere = { .given = false };

	if (room_membership(s, ROOM_NAMED, name) == NULL &&
	    !appoint_enter(s, name, &nowhere, false))
		counter_add(COUNTER_memory_failures, 1);
}
