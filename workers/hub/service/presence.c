/*
 * Where sessions are present; see presence.h.  Called as they move
 * (events.h): a session that has a client holds its user in the namespace, and
 * in each named room that it is in, in the table of shared memory.
 */
#include "hub/service/presence_int.h"

#include "proto/status.h"
#include "shm/presence.h"

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
	presence_leave_rooms(s);
	if (s->who != NULL && s->presence_node != PRESENCE_UNTRACKED)
		presence_leave(s->hub->presence, s->presence_node,
		    s->ns->index, principal_user(s->who), s->hub->ending);
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

/* Who comes is not silent, though the user's other sessions, or this one
 * before it was cut, may have been. */
void
presence_session_begin(struct session *s)
{
	struct hub *h = s->hub;

	s->seen = when_of(h->now.us);
	if (s->who == NULL)
		return;
	s->presence_node = presence_track(h, s->ns->index,
	    principal_user(s->who));
	presence_active(s);
	if (s->ns->idle_after_ms != 0 &&
	    s->ns->presence != CONF_PRESENCE_OFF)
		presence_no_longer_idle(s);
	presence_enter_rooms(s);
}

void
presence_session_take(struct session *s)
{
	if (s->who == NULL)
		return;
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
}
