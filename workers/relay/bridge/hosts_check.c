/*
 * What other daemons say is checked like what anybody does; see hosts_int.h.
 * Called with each envelope that came; namespaces are not its affair.
 */
#include "relay/bridge/hosts_int.h"

#include "base/utf8.h"
#include "proto/bus.h"
#include "proto/json.h"
#include "relay/bridge/hosts_inquiries.h"
#include "shm/interest.h"
#include "shm/once.h"

#define HOSTS_TIMEOUT_MAX	60000u	/* ms, for clients to answer */

static bool
hosts_is_json(struct slice s, enum json_type type)
{
	struct slice v;

	return (json_value(s, &v) == (ssize_t)s.n && json_type(v) == type);
}

/* Elements without brackets; objects: and nothing else. */
static bool
hosts_are_values(struct slice s, bool objects)
{
	struct slice v;
	ssize_t n;

	while (s.n > 0) {
		n = json_value(s, &v);
		if (n <= 0 || (objects && json_type(v) != JSON_OBJECT))
			return (false);
		s = slice_from(s, (size_t)n);
		if (s.n == 0)
			return (true);
		if (s.p[0] != ',' || s.n == 1)
			return (false);
		s = slice_from(s, 1);
	}
	return (true);
}

static bool
hosts_is_publication(const struct bus_envelope *e)
{
	const struct bus_publish *p = &e->publish;

	return ((e->flags & ~(BUS_VOLATILE | BUS_NAMED |
	    BUS_WANT_ANSWERS)) == 0 && p->timeout_ms <= HOSTS_TIMEOUT_MAX &&
	    hosts_is_json(p->event, JSON_STRING) &&
	    hosts_are_values(p->args, false) && p->offset.n == 0 &&
	    p->once.n <= ONCE_ID_MAX &&
	    (p->meta.n == 0 || hosts_is_json(p->meta, JSON_OBJECT)));
}

static bool
hosts_are_names(const struct slice *names, size_t n)
{
	while (n > 0)
		if (names[--n].n == 0 || names[n].n > INTEREST_NAME_MAX ||
		    !utf8_valid(names[n]))
			return (false);
	return (true);
}

static bool
hosts_is_order(const struct bus_envelope *e)
{
	uint16_t flags = e->flags & (uint16_t)~BUS_WANT_COUNT;

	if (e->kind == BUS_ROOMS)
		return (flags == 0 &&
		    hosts_are_names(e->rooms.join, e->rooms.njoin) &&
		    hosts_are_names(e->rooms.leave, e->rooms.nleave));
	return ((flags == 0 || flags == BUS_CLOSE ||
	    flags == BUS_RECONNECT) && (e->disconnect.reason.n == 0 ||
	    hosts_is_json(e->disconnect.reason, JSON_STRING)));
}

static bool
hosts_is_page(const struct bus_envelope *e)
{
	const struct bus_members *m = &e->members;

	return (e->flags == 0 && m->what >= BUS_MEMBERS_PAGE_ROOMS &&
	    m->what <= BUS_MEMBERS_PAGE_USER && m->limit >= 1 &&
	    m->limit <= BUS_PAGE_MAX && m->after.n <= INTEREST_NAME_MAX &&
	    utf8_valid(m->after) &&
	    m->to.nrooms == (m->what == BUS_MEMBERS_PAGE_ROOM) &&
	    m->to.nusers == (m->what == BUS_MEMBERS_PAGE_USER) &&
	    m->to.nsids + m->to.nexcept == 0);
}

static bool
hosts_is_reply(const struct bus_envelope *e)
{
	const struct bus_publish *p = &e->publish;
	const struct bus_audience *to = &p->to;

	return (e->flags == BUS_WANT_COUNT && to->nsids == 1 &&
	    to->nrooms + to->nusers + to->nexcept == 0 && p->nsp.n != 0 &&
	    p->once.n != 0 && p->once.n <= ONCE_ID_MAX && p->nattach == 0 &&
	    hosts_are_values(p->args, false) && p->kept <= 1 &&
	    (p->meta.n == 0 || hosts_is_json(p->meta, JSON_STRING)));
}

bool
hosts_is_fit(const struct bus_envelope *e)
{
	if (inquiries_is_one(e) != (e->ref != 0))
		return (false);
	return (e->kind == BUS_PUBLISH ? hosts_is_publication(e) :
	    e->kind == BUS_MEMBERS ? hosts_is_page(e) :
	    e->kind == BUS_REPLY ? hosts_is_reply(e) : hosts_is_order(e));
}

bool
hosts_is_answer(const struct bus_envelope *e)
{
	return (e->kind == BUS_ANSWERS && e->from == 0 &&
	    (e->flags & ~(BUS_MORE | BUS_TRUNCATED)) == 0 &&
	    hosts_are_values(e->answers.elements, true));
}

bool
hosts_fits(const struct bus_envelope *e)
{
	return (e->kind == BUS_PUBLISH && hosts_is_publication(e) &&
	    hosts_are_names(e->publish.to.rooms, e->publish.to.nrooms) &&
	    hosts_are_names(e->publish.to.users, e->publish.to.nusers) &&
	    hosts_are_names(e->publish.to.sids, e->publish.to.nsids) &&
	    hosts_are_names(e->publish.to.except, e->publish.to.nexcept));
}

/* --- whom it is for -------------------------------------------------------*/

const struct bus_audience *
hosts_whom(const struct bus_envelope *e, struct slice *nsp)
{
	switch ((unsigned)e->kind) {
	case BUS_PUBLISH:
		*nsp = e->publish.nsp;
		return (&e->publish.to);
	case BUS_DISCONNECT:
		*nsp = e->disconnect.nsp;
		return (&e->disconnect.to);
	case BUS_ROOMS:
		*nsp = e->rooms.nsp;
		return (&e->rooms.to);
	case BUS_REPLY:
		*nsp = e->publish.nsp;
		return (&e->publish.to);
	case BUS_MEMBERS:
		*nsp = e->members.nsp;
		return (&e->members.to);
	}
	return (NULL);
}

bool
hosts_may_be_for_all(const struct bus_envelope *e)
{
	return (e->kind == BUS_DISCONNECT || (e->kind == BUS_MEMBERS &&
	    e->members.what == BUS_MEMBERS_PAGE_USER));
}

bool
hosts_has_channel(struct slice name)
{
	return (name.n < HOSTS_KEY_MAX);
}

bool
hosts_has_rest(const struct bus_audience *to)
{
	size_t i;

	for (i = 0; i < to->nrooms; i++)
		if (to->rooms[i].n >= HOSTS_KEY_MAX)
			return (true);
	for (i = 0; i < to->nusers; i++)
		if (to->users[i].n >= HOSTS_KEY_MAX)
			return (true);
	return (to->nsids > 0 || to->nrooms + to->nusers == 0);
}

bool
hosts_is_for_several(const struct bus_audience *to)
{
	return (to->nrooms + to->nusers + to->nsids > 1);
}
