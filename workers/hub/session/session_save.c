/*
 * A session from one worker to another: who it is and which rooms it is in;
 * see session.h.  Its user's and its namespace's channel, presence, counts and
 * the index of sids are made again.
 */
#include <stdlib.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "hub/hub_int.h"
#include "hub/audience/room.h"
#include "hub/audience/sids.h"
#include "hub/session/principal_save.h"
#include "hub/session/session.h"
#include "proto/status.h"

/* Each field is saved here, or made by session_made(), room_take(),
 * limit_take(), presence_take() and recover_load(). */
STATE_FIELDS(session, 128);
STATE_FIELDS(membership, 32);

#define SESSION_TAG	0x5353		/* "SS" */
#define SESSION_VERSION	2	/* 1: no status */

/* --- save ----------------------------------------------------------------- */

static bool
session_is_chosen(const struct membership *m)
{
	return (room_kind(m->room) == ROOM_NAMED ||
	    room_kind(m->room) == ROOM_WATCH);
}

static void
session_save_room(const struct membership *m, struct buf *b)
{
	state_put_u8(b, (uint8_t)room_kind(m->room));
	state_put_bool(b, m->asked);
	state_put_slice(b, room_name(m->room));
}

/* The first one joined comes first, which is the last of the list. */
static void
session_save_rooms(const struct session *s, struct buf *b)
{
	const struct membership *m, **v;
	size_t n = 0, i;

	for (m = s->memberships; m != NULL; m = m->next)
		n += session_is_chosen(m);
	v = reallocarray(NULL, n + 1, sizeof(struct membership *));
	if (v == NULL) {
		b->oom = true;
		return;
	}
	for (i = 0, m = s->memberships; m != NULL; m = m->next)
		if (session_is_chosen(m))
			v[i++] = m;
	state_put_u32(b, (uint32_t)n);
	while (i > 0)
		session_save_room(v[--i], b);
	free(v);
}

void
session_save(const struct session *s, const struct principals *all,
    struct buf *b)
{
	size_t at = state_open(b, SESSION_TAG, SESSION_VERSION);

	state_put_slice(b, slice_of(s->ns->name, s->ns->name_len));
	state_put_u32(b, principals_number(all, s->who));
	state_put_bytes(b, s->sid, sizeof s->sid);
	state_put_u8(b, s->status);
	state_put_bool(b, s->idle);
	state_put_bool(b, s->warned);
	state_put_u32(b, s->seen);
	session_save_rooms(s, b);
	state_close(b, at);
}

/* --- load ----------------------------------------------------------------- */

static bool
session_load_room(struct session *s, struct state_in *in)
{
	uint8_t kind = state_get_u8(in);
	bool asked = state_get_bool(in);
	struct slice name = state_get_slice(in);

	if (in->bad || (kind != ROOM_NAMED && kind != ROOM_WATCH) ||
	    name.n == 0 || name.n > ROOM_NAME_MAX || !utf8_name(name))
		return (false);
	if (kind == ROOM_WATCH && s->ns->presence == CONF_PRESENCE_OFF)
		return (true);		/* nobody will be told anything */
	return (room_take(s->hub, s, (enum room_kind)kind, name, asked));
}

static bool
session_load_rest(struct session *s, uint16_t version, struct state_in *in)
{
	uint32_t n;

	s->status = version > 1 ? state_get_u8(in) : STATUS_NONE;
	if (s->status >= STATUS__MAX || s->status == STATUS_IDLE)
		return (false);
	s->idle = state_get_bool(in);
	s->warned = state_get_bool(in);
	s->seen = state_get_u32(in);
	for (n = state_get_u32(in); n > 0; n--)
		if (!session_load_room(s, in))
			return (false);
	return (state_end(in));
}

static bool
session_is_letter(char c)
{
	return ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
}

/* base64url, as sid_add() makes them. */
static bool
session_has_sid_form(const char sid[SESSION_SID_LEN])
{
	size_t i;

	for (i = 0; i < SESSION_SID_LEN; i++)
		if (!session_is_letter(sid[i]) && !ascii_digit((uint8_t)sid[i]) &&
		    sid[i] != '-' && sid[i] != '_')
			return (false);
	return (true);
}

struct session *
session_load(struct hub *h, struct outq *out, enum wire wire,
    const struct principals *all, struct state_in *in, struct slice *gone)
{
	const struct conf_namespace *ns;
	char sid[SESSION_SID_LEN];
	struct principal *who;
	struct state_in body;
	struct session *s;
	struct slice name;
	uint16_t version;

	*gone = slice_of(NULL, 0);
	if (!state_section(in, SESSION_TAG, &version, &body) ||
	    version == 0 || version > SESSION_VERSION)
		return (NULL);
	name = state_get_slice(&body);
	if (!principals_get(all, &body, &who))
		return (NULL);
	state_get_bytes(&body, sid, sizeof sid);
	if (body.bad || !session_has_sid_form(sid) || name.n == 0)
		return (NULL);
	ns = conf_namespace_find(h->conf, name);
	if (ns == NULL) {
		*gone = name;
		return (NULL);
	}
	s = session_made(h, out, wire, ns, who, slice_of(sid, sizeof sid));
	if (s != NULL && !session_load_rest(s, version, &body))
		session_give(&s);
	return (s);
}
