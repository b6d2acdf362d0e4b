/*
 * Whose presence a session may ask for and watch: what presence_of of its
 * namespace says; see presence.h.  It is asked as a watch begins, and again when
 * the session has another token.
 */
#include "hub/service/presence_int.h"

#include "hub/audience/room.h"
#include "hub/recover/recover.h"
#include "hub/rule/join.h"

#define SEE_ROOMS	64u	/* of the session, those that it joined last */

static bool
see_in_rooms(const struct session *s, struct slice user)
{
	uint8_t key[STATUS_KEY_MAX];
	const struct membership *m;
	struct presence_info info;
	unsigned left = SEE_ROOMS;
	size_t n;

	for (m = s->memberships; m != NULL && left > 0; m = m->next) {
		if (m->room->key[0] != ROOM_NAMED)
			continue;
		left--;
		n = status_room_key(key, room_name(m->room), user);
		if (n != 0 && presence_get(s->hub->presence,
		    presence_rooms_ns(s->hub, s->ns), slice_of(key, n),
		    &info) && (info.online || info.told))
			return (true);
	}
	return (false);
}

/* Who may be asked about and is offline would be known to be invisible. */
static bool
see_not(const struct session *s, struct slice user)
{
	struct status_entry e;

	presence_entry_of(s->hub, s->ns, user, NULL, true, &e);
	return (e.online && e.code == STATUS_INVISIBLE);
}

bool
presence_may_see(const struct session *s, struct slice user)
{
	struct slice claim;

	if (s->ns->sees == CONF_SEES_EVERYBODY || (s->who != NULL &&
	    slice_eq(principal_user(s->who), user)))
		return (true);
	if (s->ns->sees == CONF_SEES_ROOMS)
		return (see_in_rooms(s, user) && !see_not(s, user));
	return (principal_claim(s->who, s->ns->sees_claim, &claim) &&
	    join_claim_has(claim, user));
}

void
presence_see_again(struct session *s)
{
	struct membership *m, *next;

	if (s->ns->sees != CONF_SEES_CLAIM || s->nwatches == 0)
		return;
	for (m = s->memberships; m != NULL; m = next) {
		next = m->next;
		if (m->room->key[0] != ROOM_WATCH ||
		    presence_may_see(s, room_name(m->room)))
			continue;
		recover_watches(s, room_name(m->room), false);
		room_leave(s->hub, s, m);
	}
}
