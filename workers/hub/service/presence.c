/*
 * Where sessions are present; see presence.h.  Called as they move
 * (events.h): a session that has a client holds its user in the namespace, and
 * in each named room that it is in, in the table of shared memory.
 */
#include "hub/service/presence_int.h"

/* A name that is not kept whole could not be listed: it is not tracked. */
static uint32_t
presence_track(struct hub *h, uint16_t ns, struct slice key)
{
	if (key.n > 0 && key.n <= presence_key_max(h->presence))
		return (presence_join(h->presence, ns, key));
	counter_add(COUNTER_presence_too_long, 1);
	return (PRESENCE_UNTRACKED);
}

void
presence_room_enter(struct session *s, struct membership *m)
{
	uint8_t key[STATUS_KEY_MAX];
	size_t n;

	m->presence = PRESENCE_UNTRACKED;
	/* a parked session is not present; it will enter when it is back */
	if (s->who == NULL || s->client == NULL || !conf_keeps_rooms(s->ns))
		return;
	n = status_room_key(key, room_name(m->room),
	    principal_user(s->who));
	m->presence = presence_track(s->hub, presence_rooms_ns(s->hub, s->ns),
	    slice_of(key, n));
}

void
presence_room_leave(struct session *s, struct membership *m)
{
	uint8_t key[STATUS_KEY_MAX];
	size_t n;

	if (m->presence == PRESENCE_UNTRACKED)
		return;
	n = status_room_key(key, room_name(m->room),
	    principal_user(s->who));
	presence_leave(s->hub->presence, m->presence,
	    presence_rooms_ns(s->hub, s->ns), slice_of(key, n),
	    s->hub->ending);
}

/* A parked session is in its rooms, but not present. */
static void
presence_leave_rooms(struct session *s)
{
	struct membership *m;

	for (m = s->memberships; m != NULL; m = m->next) {
		if (m->room->key[0] != ROOM_NAMED)
			continue;
		presence_room_leave(s, m);
		m->presence = PRESENCE_UNTRACKED;
	}
}

void
presence_session_end(struct session *s)
{
	enum status was;
	bool said;

	presence_leave_rooms(s);
	if (s->who == NULL || s->presence_node == PRESENCE_UNTRACKED)
		return;
	said = presence_status_goes(s, &was);
	presence_leave(s->hub->presence, s->presence_node, s->ns->index,
	    principal_user(s->who), s->hub->ending);
	if (said)
		presence_status_went(s, was);
}

/* Of a session that is back. */
static void
presence_enter_rooms(struct session *s)
{
	struct membership *m;

	for (m = s->memberships; m != NULL; m = m->next)
		if (m->room->key[0] == ROOM_NAMED)
			presence_room_enter(s, m);
}

void
presence_session_begin(struct session *s)
{
	s->seen = when_of(s->hub->now.us);
	if (s->who == NULL)
		return;
	presence_status_comes(s, true);
	s->presence_node = presence_track(s->hub, s->ns->index,
	    principal_user(s->who));
	presence_active(s);
	presence_status_came(s);
	presence_enter_rooms(s);
}

void
presence_session_take(struct session *s)
{
	if (s->who == NULL)
		return;
	presence_status_comes(s, false);
	s->presence_node = presence_track(s->hub, s->ns->index,
	    principal_user(s->who));
	presence_enter_rooms(s);
}

static void
presence_room_give(struct session *s, struct membership *m)
{
	uint8_t key[STATUS_KEY_MAX];
	size_t n;

	if (m->presence == PRESENCE_UNTRACKED)
		return;
	n = status_room_key(key, room_name(m->room), principal_user(s->who));
	presence_leave_unseen(s->hub->presence, m->presence,
	    presence_rooms_ns(s->hub, s->ns), slice_of(key, n));
	m->presence = PRESENCE_UNTRACKED;
}

void
presence_session_give(struct session *s)
{
	struct membership *m;

	if (s->who == NULL)
		return;
	for (m = s->memberships; m != NULL; m = m->next)
		if (m->room->key[0] == ROOM_NAMED)
			presence_room_give(s, m);
	if (s->presence_node != PRESENCE_UNTRACKED)
		presence_leave_unseen(s->hub->presence, s->presence_node,
		    s->ns->index, principal_user(s->who));
	s->presence_node = PRESENCE_UNTRACKED;
	presence_status_given(s);
}
