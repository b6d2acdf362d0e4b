/*
 * May there be such an event stream?  All is found out before it is opened: what
 * is refused has a status of its own, and a browser does not come back.  Called
 * by the host through client.h.
 */
#include <assert.h>
#include <string.h>

#include "base/utf8.h"
#include "hub/dialect/sse.h"
#include "hub/hub_int.h"
#include "hub/rule/door.h"
#include "hub/rule/join.h"

static bool
sse_refuse(struct refusal *r, int status, const char *code,
    const char *message)
{
	*r = (struct refusal){ .status = status, .code = code,
		.message = message };
	return (false);
}

static bool
sse_is_twice(const struct sse_ask *ask, unsigned i)
{
	unsigned j;

	for (j = 0; j < i; j++)
		if (slice_eq(ask->rooms[i], ask->rooms[j]))
			return (true);
	return (false);
}

static bool
sse_asks_well(const struct hub *h, const struct sse_ask *ask,
    struct refusal *r)
{
	struct since seen[SSE_ROOMS_MAX];
	unsigned i;

	if (ask->nrooms > h->conf->rooms_per_session)
		return (sse_refuse(r, 400, "bad_request", "too many rooms"));
	for (i = 0; i < ask->nrooms; i++) {
		if (ask->rooms[i].n == 0 || ask->rooms[i].n > ROOM_NAME_MAX ||
		    !utf8_name(ask->rooms[i]))
			return (sse_refuse(r, 400, "bad_request",
			    "that is no room's name"));
		if (sse_is_twice(ask, i))
			return (sse_refuse(r, 400, "bad_request",
			    "a room is named twice"));
	}
	if (ask->strict && ask->last.n != 0 &&
	    !cursor_parse(seen, ask->nrooms, ask->last))
		return (sse_refuse(r, 400, "bad_request",
		    "last_event_id is no id of these rooms"));
	return (true);
}

/* All that a hook is asked about at once. */
static bool
sse_may_join(struct hub *h, const struct client_request *q,
    const struct admission *a, const struct sse_ask *ask, struct refusal *r)
{
	struct refusal one;
	bool known = true;
	unsigned i;

	for (i = 0; i < ask->nrooms; i++) {
		if (door_may_join(h, q, a, ask->rooms[i], &one))
			continue;
		*r = one;
		if (one.status != 0)
			return (false);
		known = false;
	}
	return (known);
}

/* Who names no room hears those of everybody. */
static void
sse_everybodys(const struct admission *a, struct sse_ask *ask)
{
	const struct session as = { .magic = SESSION_MAGIC, .ns = a->ns,
		.who = a->who };
	static struct join_names all;	/* until it is opened */

	static_assert(CONF_JOINS_MAX <= SSE_ROOMS_MAX, "a stream has room");
	ask->nrooms = join_everybodys(&as, &all);
	memcpy(ask->rooms, all.names, ask->nrooms * sizeof *ask->rooms);
}

bool
sse_admit(struct hub *h, const struct client_request *q, struct sse_ask *ask,
    struct admission *a, struct refusal *r)
{
	bool all = ask->nrooms == 0 && q->ns->njoins != 0;

	*a = (struct admission){ .ns = q->ns };
	if ((!all && !sse_asks_well(h, ask, r)) || !plain_admit(h, q, a, r))
		return (false);
	if (all)
		sse_everybodys(a, ask);
	if ((!all || sse_asks_well(h, ask, r)) && sse_may_join(h, q, a, ask, r))
		return (true);
	if (r->status == 0)	/* it asks again */
		return (false);
	counter_add(COUNTER_ns_refusals, 1);
	counter_ns_add(q->ns->index, NS_refusals, 1);
	return (false);
}
