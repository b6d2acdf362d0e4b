/*
 * May there be such a long poll?  Called by the host through client.h.
 */
#include "base/utf8.h"
#include "hub/client.h"
#include "hub/dialect/longpoll.h"
#include "hub/hub_int.h"
#include "hub/rule/door.h"

static bool
longpoll_refuse(struct refusal *r, int status, const char *code,
    const char *message)
{
	*r = (struct refusal){ .status = status, .code = code,
		.message = message };
	return (false);
}

bool
longpoll_since(struct since *s, struct slice text)
{
	*s = (struct since){ .given = false };
	if (text.n == 1 && text.p[0] - '0' == 0)
		since_set(s, slice_of(NULL, 0), 0);
	return (text.n == 0 || s->given || since_parse(s, text));
}

static bool
longpoll_asks_well(const struct conf_namespace *ns,
    const struct longpoll_ask *ask, struct refusal *r)
{
	struct since since;

	if (ask->room.n == 0 || ask->room.n > ROOM_NAME_MAX ||
	    !utf8_name(ask->room))
		return (longpoll_refuse(r, 400, "bad_request",
		    "one room is to be named"));
	if (!longpoll_since(&since, ask->since))
		return (longpoll_refuse(r, 400, "bad_request",
		    "since is EPOCH:OFFSET, as next in an answer, or 0"));
	if (!conf_room_keeps(ns, ask->room))
		return (longpoll_refuse(r, 404, "not_found",
		    "this room keeps no history"));
	return (true);
}

bool
longpoll_admit(struct hub *h, const struct client_request *q,
    const struct longpoll_ask *ask, struct admission *a, struct refusal *r)
{
	*a = (struct admission){ .ns = q->ns };
	if (!plain_admit(h, q, a, r))
		return (false);
	if (!longpoll_asks_well(q->ns, ask, r))
		return (false);
	if (door_may_join(h, q, a, ask->room, r))
		return (true);
	if (r->status == 0)	/* it asks again */
		return (false);
	counter_add(COUNTER_ns_refusals, 1);
	counter_ns_add(q->ns->index, NS_refusals, 1);
	return (false);
}
