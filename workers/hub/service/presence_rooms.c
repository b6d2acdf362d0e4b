/*
 * A user has another status: the rooms hear of it from a worker that has the
 * user in them, which alone knows which they are; see presence.h.  Those who
 * watch the user, or the whole namespace, hear of it from the relay, which asks
 * for this.  Called by hub.c.
 */
#include "hub/service/presence_int.h"

#include "hub/audience/room.h"
#include "hub/publish/publish.h"
#include "proto/bus.h"

/* So many rooms at a time; who is in rooms of several lots hears once of
 * each. */
#define ROOMS_TOLD	BUS_LIST_MAX
#define ROOMS_WORK	16u	/* units of a lot: it goes to others, too */
#define ROOMS_SESSIONS	64u	/* of the user, here */

struct telling {
	struct hub	*h;
	const struct conf_namespace *ns;
	struct publication *p;
	struct slice	 rooms[ROOMS_TOLD];
	struct audience	 a;
	const struct session *before[ROOMS_SESSIONS];
	unsigned	 nbefore;
};

static void
rooms_tell_lot(struct telling *t)
{
	if (t->a.nrooms == 0)
		return;
	(void)publish_audience(t->h, t->ns, &t->a, t->p, NULL);
	work_add(&t->h->work, ROOMS_WORK);
	t->a.nrooms = 0;
}

/* Another session of the user has told it, here or on another worker. */
static bool
rooms_is_told(const struct telling *t, const struct membership *m)
{
	unsigned i;

	if (m->room->large)
		return (true);		/* it is told how many there are */
	for (i = 0; i < t->nbefore; i++)
		if (room_membership(t->before[i], ROOM_NAMED,
		    room_name(m->room)) != NULL)
			return (true);
	return (m->presence != PRESENCE_UNTRACKED && m->presence != 0 &&
	    presence_first(t->h->presence, m->presence) != t->h->slot);
}

static void
rooms_tell_session(struct telling *t, const struct session *s)
{
	const struct membership *m;

	if (s->client == NULL)
		return;
	for (m = s->memberships; m != NULL; m = m->next) {
		if (m->room->key[0] != ROOM_NAMED || rooms_is_told(t, m))
			continue;
		t->rooms[t->a.nrooms++] = room_name(m->room);
		if (t->a.nrooms == nitems(t->rooms))
			rooms_tell_lot(t);
	}
	t->before[t->nbefore++] = s;
}

static void
rooms_tell_user(struct telling *t, struct slice user)
{
	const struct room *r = room_find(t->h, t->ns->index, ROOM_USER, user);
	const struct room_wire *w;
	uint32_t i;

	for (w = r == NULL ? NULL : r->wires; w != NULL; w = w->next)
		for (i = 0; i < w->n && t->nbefore < ROOMS_SESSIONS; i++)
			if (w->v[i].out != NULL)
				rooms_tell_session(t, w->v[i].ship->session);
	rooms_tell_lot(t);
}

void
presence_bus_status(struct hub *h, const struct bus_envelope *e)
{
	const struct conf_namespace *ns = conf_namespace_find(h->conf,
	    e->publish.nsp);
	struct publication p = publish_received(e);
	struct telling t = { .h = h, .ns = ns, .p = &p };

	if (ns == NULL || ns->presence != CONF_PRESENCE_ROOMS ||
	    e->publish.to.nusers != 1)
		return;
	p.offset = slice_of(NULL, 0);	/* the rooms have their own */
	t.a.rooms = t.rooms;
	rooms_tell_user(&t, e->publish.to.users[0]);
}

void
presence_bus_count(struct hub *h, const struct bus_envelope *e)
{
	const struct conf_namespace *ns = conf_namespace_find(h->conf,
	    e->publish.nsp);
	struct room *r = ns == NULL || e->publish.to.nrooms != 1 ? NULL :
	    room_find(h, ns->index, ROOM_NAMED, e->publish.to.rooms[0]);

	if (r != NULL)
		r->large = (e->flags & BUS_MORE) != 0;
}
