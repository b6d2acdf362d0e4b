/*
 * Presence for clients and back ends; see presence.h.  Called by
 * service.c with events, by api.c, and as sessions move (events.h).
 */
#include "hub/service/presence.h"

#include "hub/hub_int.h"
#include "hub/publish/publish.h"
#include "hub/recover/recover.h"
#include "hub/session/client.h"
#include "hub/session/principal.h"
#include "proto/bus.h"
#include "proto/json.h"
#include "proto/status.h"
#include "shm/presence.h"

/* Index under which the users of a namespace's rooms are kept. */
static uint16_t
presence_rooms_ns(const struct hub *h, const struct conf_namespace *ns)
{
	return (conf_rooms_index(h->conf, ns));
}

/* --- sessions and rooms --------------------------------------------------- */

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

/* --- status --------------------------------------------------------------- */

/*
 * as_told: for who hears of changes from now on, what was told so far.  A user
 * whose leave waits for its grace is online for him (who comes back in time is
 * no news); one whose coming is not told yet is offline, and told in a moment.
 */
static void
presence_entry_of(struct hub *h, const struct conf_namespace *ns,
    struct slice user, bool as_told, struct status_entry *e)
{
	struct presence_info info;

	*e = (struct status_entry){ .user = user };
	if (!presence_get(h->presence, ns->index, user, &info))
		return;
	e->online = as_told ? info.told : info.online;
	e->code = info.status;
	e->connections = e->online ? info.connections : 0;
	e->last_seen_ms = info.last_seen_ms;
}

void
presence_user_json(struct hub *h, const struct conf_namespace *ns,
    struct slice user, struct buf *b)
{
	struct status_entry e;

	presence_entry_of(h, ns, user, false, &e);
	status_encode(b, &e);
}

/* So many rooms at a time; who is in rooms of several lots hears once of
 * each. */
#define ROOMS_TOLD	BUS_LIST_MAX
#define ROOMS_WORK	16u	/* units of a lot: it goes to others, too */

static void
presence_tell_lot(struct session *s, struct audience *a,
    const struct publication *p)
{
	if (a->nrooms == 0)
		return;
	(void)publish_audience(s->hub, s->ns, a, p, NULL);
	work_add(&s->hub->work, ROOMS_WORK);
	a->nrooms = 0;
}

/*
 * The rooms of the session that has a new status hear of it from here; those
 * who watch the user, or the whole namespace, hear of it from the relay.
 */
static void
presence_tell_rooms(struct session *s)
{
	struct slice rooms[ROOMS_TOLD];
	struct audience a = { .rooms = rooms };
	struct publication p = { .nsp = slice_of(s->ns->name,
	    s->ns->name_len), .event = SLICE("\"presence:update\"") };
	struct membership *m;
	struct buf b;

	if (s->ns->presence != CONF_PRESENCE_ROOMS || s->nrooms == 0)
		return;
	buf_init(&b);
	presence_user_json(s->hub, s->ns, principal_user(s->who), &b);
	if (b.oom) {	/* nobody there hears of it */
		counter_add(COUNTER_dropped_memory, 1);
		buf_fini(&b);
		return;
	}
	p.args = p.first = buf_unread(&b);
	for (m = s->memberships; m != NULL; m = m->next) {
		if (m->room->key[0] != ROOM_NAMED)
			continue;
		rooms[a.nrooms++] = room_name(m->room);
		if (a.nrooms == nitems(rooms))
			presence_tell_lot(s, &a, &p);
	}
	presence_tell_lot(s, &a, &p);
	buf_fini(&b);
}

static void
presence_change(struct session *s, enum status code)
{
	struct hub *h = s->hub;

	presence_set_status(h->presence, s->presence_node, s->ns->index,
	    principal_user(s->who), (uint8_t)code, slice_of(NULL, 0),
	    h->wall);
	presence_tell_rooms(s);
}

static unsigned
presence_status_now(struct session *s, uint64_t *last_seen_ms)
{
	struct status_entry e;

	presence_entry_of(s->hub, s->ns, principal_user(s->who), false, &e);
	*last_seen_ms = e.last_seen_ms;
	return (e.code);
}

/* --- the idle clock ------------------------------------------------------- */

static void
presence_no_longer_idle(struct session *s)
{
	uint64_t seen;

	if (presence_status_now(s, &seen) == STATUS_IDLE)
		presence_change(s, STATUS_ONLINE);
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

void
presence_active(struct session *s)
{
	struct hub *h = s->hub;

	s->seen = when_of(h->now.us);
	if (s->who == NULL || s->ns->presence == CONF_PRESENCE_OFF)
		return;
	presence_seen(h->presence, s->presence_node, h->wall);
	if (!s->idle)
		return;
	s->idle = false;
	presence_no_longer_idle(s);
	client_schedule(s->client);
}

void
presence_session_silent(struct session *s)
{
	uint64_t seen, silent;
	unsigned code;

	/* another connection of the user may be busy */
	code = presence_status_now(s, &seen);
	silent = s->hub->wall.ms > seen ? s->hub->wall.ms - seen : 0;
	if (silent + 1000 < s->ns->idle_after_ms) {
		s->seen = when_of(s->hub->now.us - silent * 1000);
		return;
	}
	s->idle = true;
	if (code == STATUS_NONE || code == STATUS_ONLINE)
		presence_change(s, STATUS_IDLE);
}

/* --- lists ---------------------------------------------------------------- */

/* Walk the table: users of a namespace, or of one room of it. */
static bool
presence_put_list(struct hub *h, const struct conf_namespace *ns,
    struct slice room, bool as_told, uint32_t cursor, unsigned limit,
    struct buf *b)
{
	struct presence_entry found[32];
	struct slice name, user;
	struct status_entry e;
	unsigned i, n, got = 0;

	if (room.n != 0 && ns->presence < CONF_PRESENCE_ROOMS)
		return (false);
	buf_str(b, "{\"users\":[");
	do {
		n = presence_list(h->presence, room.n == 0 ? ns->index :
		    presence_rooms_ns(h, ns), &cursor, found, nitems(found));
		work_add(&h->work, 4 + n / 4);
		for (i = 0; i < n; i++) {
			user = found[i].user;
			if (!(as_told ? found[i].info.told :
			    found[i].info.online))
				continue;
			if (room.n != 0 && (!status_room_split(user, &name,
			    &user) || !slice_eq(name, room)))
				continue;
			presence_entry_of(h, ns, user, as_told, &e);
			if (got++ != 0)
				buf_byte(b, ',');
			status_encode(b, &e);
		}
	} while (cursor != 0 && got < limit);
	buf_byte(b, ']');
	if (cursor != 0) {
		buf_str(b, ",\"next\":");
		buf_u64(b, cursor);
	}
	buf_byte(b, '}');
	return (true);
}

bool
presence_list_json(struct hub *h, const struct conf_namespace *ns,
    struct slice room, uint32_t cursor, unsigned limit, struct buf *b)
{
	return (presence_put_list(h, ns, room, false, cursor, limit, b));
}

/* --- events --------------------------------------------------------------- */

static bool
presence_is_on(struct session *s, const struct inbound *in)
{
	if (s->ns->presence != CONF_PRESENCE_OFF)
		return (true);
	refuse(s, in, REFUSED_UNKNOWN_EVENT,
	    "presence is off in this namespace");
	return (false);
}

static struct slice
presence_first_arg(const struct inbound *in)
{
	struct slice first = in->first;

	if (first.n == 0 && in->args.n != 0)
		MUST(json_value(in->args, &first) > 0);
	return (first);
}

/* {"users":["a","b"]}: call one(s, user) for each; false: refused. */
static bool
presence_each_user(struct session *s, const struct inbound *in,
    struct slice users, bool (*one)(struct session *, const struct inbound *,
    struct slice, struct buf *), struct buf *b)
{
	uint8_t name[ROOM_NAME_MAX];
	struct slice key, raw;
	struct json_iter it;
	unsigned count = 0;
	ssize_t n;

	if (!json_enter(users, &it))
		return (false);
	while (json_next(&it, &key, &raw)) {
		n = json_name(raw, name, sizeof name);
		if (n <= 0 || ++count > PRESENCE_WATCH_MAX) {
			refuse(s, in, REFUSED_BAD_REQUEST,
			    "\"users\" must be at most %d names",
			    PRESENCE_WATCH_MAX);
			return (false);
		}
		if (!one(s, in, slice_of(name, (size_t)n), b))
			return (false);
	}
	return (true);
}

/* A comma behind the entry that stands there, if one does. */
static void
presence_next_entry(struct buf *b)
{
	if (b->wpos > 0 && b->data[b->wpos - 1] == '}')
		buf_byte(b, ',');
}

static bool
presence_add_entry(struct session *s, const struct inbound *in,
    struct slice user, struct buf *b)
{
	(void)in;
	presence_next_entry(b);
	presence_user_json(s->hub, s->ns, user, b);
	return (true);
}

static bool
presence_add_watched(struct session *s, struct slice user, struct buf *b)
{
	struct status_entry e;

	presence_next_entry(b);
	presence_entry_of(s->hub, s->ns, user, true, &e);
	status_encode(b, &e);
	return (true);
}

static bool
presence_add_watch(struct session *s, const struct inbound *in,
    struct slice user, struct buf *b)
{
	if (room_membership(s, ROOM_WATCH, user) == NULL) {
		if (s->nwatches >= PRESENCE_WATCH_MAX) {
			refuse(s, in, REFUSED_LIMIT,
			    "watching %u users already", s->nwatches);
			return (false);
		}
		if (!room_join(s->hub, s, ROOM_WATCH, user)) {
			refuse_memory(s, in);
			return (false);
		}
		recover_watches(s, user, true);
	}
	return (presence_add_watched(s, user, b));
}

static bool
presence_drop_watch(struct session *s, const struct inbound *in,
    struct slice user, struct buf *b)
{
	struct membership *m = room_membership(s, ROOM_WATCH, user);

	(void)in;
	(void)b;
	if (m != NULL) {
		recover_watches(s, user, false);
		room_leave(s->hub, s, m);
	}
	return (true);
}

/* Ack with what each user's function has written. */
static bool
presence_answer_users(struct session *s, const struct inbound *in,
    bool (*one)(struct session *, const struct inbound *, struct slice,
    struct buf *))
{
	struct slice users;
	struct buf b;
	bool ok;

	if (!json_get(presence_first_arg(in), SLICE("users"), &users) ||
	    json_type(users) != JSON_ARRAY) {
		refuse(s, in, REFUSED_BAD_REQUEST,
		    "\"users\" must be an array of names");
		return (false);
	}
	buf_init(&b);
	buf_str(&b, "{\"users\":[");
	ok = presence_each_user(s, in, users, one, &b);
	buf_str(&b, "]}");
	if (ok)
		refuse_or_ack(s, in, &b);
	buf_fini(&b);
	return (ok);
}

static bool
presence_answer_room(struct session *s, const struct inbound *in,
    struct slice room)
{
	struct buf b;
	bool ok;

	if (room.n == 0 || room_membership(s, ROOM_NAMED, room) == NULL) {
		refuse(s, in, REFUSED_NOT_MEMBER,
		    "you are not in this room");
		return (false);
	}
	buf_init(&b);
	ok = presence_put_list(s->hub, s->ns, room, true, 0,
	    PRESENCE_LIST_MAX, &b);
	if (ok)
		refuse_or_ack(s, in, &b);
	else
		refuse(s, in, REFUSED_FORBIDDEN,
		    "presence is not kept for rooms here");
	buf_fini(&b);
	return (ok);
}

bool
presence_do_get(struct session *s, const struct inbound *in)
{
	uint8_t room[ROOM_NAME_MAX];
	struct slice raw;
	ssize_t n;

	if (!presence_is_on(s, in))
		return (false);
	n = json_text(presence_first_arg(in), SLICE("room"), room,
	    sizeof room, &raw);
	if (raw.n != 0)
		return (presence_answer_room(s, in, slice_of(room, n < 0 ? 0 :
		    (size_t)n)));
	return (presence_answer_users(s, in, presence_add_entry));
}

bool
presence_do_watch(struct session *s, const struct inbound *in)
{
	return (presence_is_on(s, in) &&
	    presence_answer_users(s, in, presence_add_watch));
}

bool
presence_do_unwatch(struct session *s, const struct inbound *in)
{
	return (presence_is_on(s, in) &&
	    presence_answer_users(s, in, presence_drop_watch));
}

bool
presence_do_set(struct session *s, const struct inbound *in)
{
	uint8_t name[32];
	struct slice raw;
	struct buf b;
	int code = -1;
	ssize_t n;

	if (!presence_is_on(s, in))
		return (false);
	if (s->who == NULL) {
		refuse(s, in, REFUSED_UNAUTHORIZED,
		    "only a user with a token has a status");
		return (false);
	}
	n = json_text(presence_first_arg(in), SLICE("status"), name,
	    sizeof name, &raw);
	if (n > 0)
		code = status_from(slice_of(name, (size_t)n));
	if (code < 0) {
		refuse(s, in, REFUSED_INVALID,
		    "\"status\" must be online, away, busy or dnd");
		return (false);
	}
	presence_change(s, (enum status)code);
	buf_init(&b);
	presence_user_json(s->hub, s->ns, principal_user(s->who), &b);
	refuse_or_ack(s, in, &b);
	buf_fini(&b);
	return (true);
}
