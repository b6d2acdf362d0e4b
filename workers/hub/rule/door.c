/*
 * Who may come, and what he finds; see door.h.  Called by admit.c, by way of the
 * hub's events, and by dialect/.
 */
#include "hub/rule/door.h"

#include "hub/client.h"
#include "hub/hub_int.h"
#include "hub/rule/appoint.h"
#include "hub/rule/join.h"
#include "hub/stream/hearing.h"
#include "proto/json.h"
#include "proto/json_verdict.h"

/* As if he had a session. */
static struct session
door_session(const struct admission *a)
{
	return ((struct session){ .magic = SESSION_MAGIC, .ns = a->ns,
	    .who = a->who });
}

bool
door_may_join(struct hub *h, const struct client_request *q,
    const struct admission *a, struct slice room, struct refusal *r)
{
	const struct session as = door_session(a);

	if (unlikely(join_asks(&as, room)))
		return (hearing_join(h, q, a, room, r));
	if (join_may(&as, room) == REFUSED_NONE)
		return (true);
	counter_add(COUNTER_joins_refused, 1);
	*r = (struct refusal){ .status = 403, .code = "forbidden",
		.message = "you may not join this room" };
	return (false);
}

bool
door_hearing(struct hub *h, const struct client_request *q,
    struct admission *a, struct refusal *r)
{
	struct session as;
	struct slice room;

	if (q->ns->asks_connect && !hearing_connect(h, q, a, r))
		return (false);
	if (a->room == NULL)
		return (true);
	as = door_session(a);
	room = slice_of(a->room, a->room_len);
	return (!join_asks(&as, room) || hearing_join(h, q, a, room, r));
}

/* --- welcome ----------------------------------------------------------------*/

static void
door_rooms(struct session *s, struct slice array)
{
	uint8_t name[ROOM_NAME_MAX];
	struct slice key, element;
	struct json_iter it;
	ssize_t n;

	if (array.n == 0 || !json_enter(array, &it))
		return;
	while (json_next(&it, &key, &element)) {
		n = json_name(element, name, sizeof name);
		if (n <= 0 || s->nrooms >= s->hub->conf->rooms_per_session)
			counter_add(COUNTER_joins_refused, 1);
		else
			appoint_room(s, slice_of(name, (size_t)n));
	}
}

void
door_welcome(struct session *s, struct slice text)
{
	struct verdict v;

	if (text.n == 0 || !verdict_decode(text, &v))
		return;
	door_rooms(s, v.rooms);
	if (v.data.n != 0)
		session_emit(s, v.event.n != 0 ? v.event :
		    SLICE("\"roost:welcome\""), v.data);
}
