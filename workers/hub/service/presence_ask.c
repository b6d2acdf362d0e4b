/*
 * What clients ask about users and rooms, and whom they watch; see presence.h.
 * Called by service.c.
 */
#include "hub/service/presence_int.h"

#include "hub/audience/room.h"
#include "hub/recover/recover.h"
#include "proto/json.h"

bool
presence_is_on(struct session *s, const struct inbound *in)
{
	if (s->ns->presence != CONF_PRESENCE_OFF)
		return (true);
	refuse(s, in, REFUSED_UNKNOWN_EVENT,
	    "presence is off in this namespace");
	return (false);
}

struct slice
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
