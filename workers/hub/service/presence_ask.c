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
		if (n <= 0 || ++count > PRESENCE_USERS_MAX) {
			refuse(s, in, REFUSED_BAD_REQUEST,
			    "\"users\" must be at most %d names",
			    PRESENCE_USERS_MAX);
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

/* True: refused. */
static bool
presence_is_unseen(struct session *s, const struct inbound *in,
    struct slice user)
{
	if (presence_may_see(s, user))
		return (false);
	counter_add(COUNTER_presence_forbidden, 1);
	refuse(s, in, REFUSED_FORBIDDEN, "you may not see %.*s",
	    (int)user.n, (const char *)user.p);
	return (true);
}

static bool
presence_add_entry(struct session *s, const struct inbound *in,
    struct slice user, struct buf *b)
{
	struct status_entry e;

	if (presence_is_unseen(s, in, user))
		return (false);
	presence_next_entry(b);
	presence_entry_of(s->hub, s->ns, user, s, false, &e);
	status_encode(b, &e);
	return (true);
}

static bool
presence_add_watched(struct session *s, struct slice user, struct buf *b)
{
	struct status_entry e;

	presence_next_entry(b);
	presence_entry_of(s->hub, s->ns, user, s, true, &e);
	status_encode(b, &e);
	return (true);
}

static bool
presence_add_watch(struct session *s, const struct inbound *in,
    struct slice user, struct buf *b)
{
	if (presence_is_unseen(s, in, user))
		return (false);
	if (room_membership(s, ROOM_WATCH, user) == NULL) {
		if (s->nwatches >= s->ns->watches) {
			counter_add(COUNTER_presence_watches_refused, 1);
			refuse(s, in, REFUSED_LIMIT,
			    "watching %u users already, of %u", s->nwatches,
			    s->ns->watches);
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

/* A member that is a number from 0 to max; without it *n stays. */
static bool
presence_number(struct session *s, const struct inbound *in, const char *name,
    uint64_t max, uint64_t *n)
{
	struct slice v;
	int64_t i;

	if (!json_get(presence_first_arg(in), slice_str(name), &v))
		return (true);
	if (json_type(v) != JSON_NUMBER || !json_int(v, &i) || i < 0 ||
	    (uint64_t)i > max) {
		refuse(s, in, REFUSED_BAD_REQUEST,
		    "\"%s\" must be a number up to %llu", name,
		    (unsigned long long)max);
		return (false);
	}
	*n = (uint64_t)i;
	return (true);
}

/* Which page of the users of a room. */
static bool
presence_page(struct session *s, const struct inbound *in, uint64_t *cursor,
    uint64_t *limit)
{
	*cursor = 0;
	*limit = PRESENCE_LIST_MAX;
	return (presence_number(s, in, "cursor", UINT32_MAX, cursor) &&
	    presence_number(s, in, "limit", PRESENCE_LIST_MAX, limit));
}

static bool
presence_answer_room(struct session *s, const struct inbound *in,
    struct slice room)
{
	uint64_t cursor, limit;
	struct buf b;
	bool ok;

	if (!presence_page(s, in, &cursor, &limit))
		return (false);
	if (room.n == 0 || room_membership(s, ROOM_NAMED, room) == NULL) {
		refuse(s, in, REFUSED_NOT_MEMBER,
		    "you are not in this room");
		return (false);
	}
	buf_init(&b);
	ok = presence_put_list(s->hub, s->ns, room, s, (uint32_t)cursor,
	    (unsigned)limit, &b);
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
