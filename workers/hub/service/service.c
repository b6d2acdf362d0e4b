/*
 * The server's own events, as a table; see service.h.  Called by
 * inbound.c before a rule is looked for.
 */
#include "hub/service/service.h"

#include <stdio.h>

#include "base/reserved.h"
#include "hub/hub_int.h"
#include "hub/audience/room.h"
#include "hub/rule/join.h"
#include "hub/service/auth.h"
#include "hub/service/documents.h"
#include "hub/service/notices.h"
#include "hub/service/presence.h"
#include "hub/store/enter.h"
#include "hub/store/page.h"
#include "hub/stream/consult.h"
#include "proto/json.h"

/*
 * A string member of the first argument (or the first argument itself) as
 * plain text in out, which has room for max bytes.  0 length: refused here.
 */
static size_t
service_text(struct session *s, const struct inbound *in, const char *member,
    uint8_t *out, size_t max, struct slice *raw)
{
	struct slice first = { NULL, 0 };
	ssize_t n;

	if (in->args.n != 0)
		MUST(json_value(in->args, &first) > 0);
	*raw = first;
	if (json_type(first) == JSON_OBJECT)
		n = json_text(first, slice_str(member), out, max, raw);
	else
		n = json_name(first, out, max);
	if (n <= 0) {
		refuse(s, in, REFUSED_BAD_REQUEST,
		    "\"%s\" must be a string of at most %zu bytes", member,
		    max);
		return (0);
	}
	return ((size_t)n);
}

static void
service_unknown(struct session *s, const struct inbound *in)
{
	refuse(s, in, REFUSED_UNKNOWN_EVENT,
	    "this name is the server's, and no such service is on");
}

/* --- rooms ---------------------------------------------------------------- */

static void
service_ack_room(struct session *s, const struct inbound *in, struct slice raw)
{
	struct buf b;

	buf_init(&b);
	buf_str(&b, "{\"room\":");
	buf_slice(&b, raw);
	buf_byte(&b, '}');
	refuse_or_ack(s, in, &b);
	buf_fini(&b);
}

/* The object that an event of such a service has. */
static struct slice
service_object(const struct inbound *in)
{
	struct slice first = { NULL, 0 };

	if (in->args.n != 0)
		MUST(json_value(in->args, &first) > 0);
	return (first);
}

static bool
service_since(struct session *s, const struct inbound *in, struct since *since)
{
	if (since_read(since, service_object(in)))
		return (true);
	refuse(s, in, REFUSED_BAD_REQUEST,
	    "\"since\" must be {\"epoch\":STRING,\"offset\":NUMBER}");
	return (false);
}

/* Into a room that keeps a history, or the client says what it has seen. */
static bool
service_enter(struct session *s, const struct inbound *in, struct slice room,
    struct slice raw)
{
	struct enter_ask ask = { .name = room, .raw = raw,
		.may = join_may_heard };

	if (!service_since(s, in, &ask.since))
		return (false);
	if (room_membership(s, ROOM_NAMED, room) == NULL)
		return (enter_room(s, in, &ask));
	enter_again(s, in, &ask);
	return (true);
}

static bool
service_full(struct session *s, const struct inbound *in)
{
	if (s->nrooms < s->hub->conf->rooms_per_session)
		return (false);
	counter_add(COUNTER_joins_refused, 1);
	refuse(s, in, REFUSED_LIMIT, "in %u rooms already", s->nrooms);
	return (true);
}

/* It may, as a rule or the hook says. */
static bool
service_join_now(struct session *s, const struct inbound *in,
    struct slice room, struct slice raw)
{
	if (conf_room_keeps(s->ns, room))
		return (service_enter(s, in, room, raw));
	if (room_membership(s, ROOM_NAMED, room) != NULL) {
		service_ack_room(s, in, raw);
		return (true);
	}
	if (service_full(s, in))
		return (false);
	if (!room_join(s->hub, s, ROOM_NAMED, room)) {
		refuse_memory(s, in);
		return (false);
	}
	room_membership(s, ROOM_NAMED, room)->asked = true;
	service_ack_room(s, in, raw);
	return (true);
}

static bool
service_may_join(struct session *s, const struct inbound *in,
    enum refused r)
{
	if (r == REFUSED_NONE)
		return (true);
	counter_add(COUNTER_joins_refused, 1);
	refuse(s, in, r, "you may not join this room");
	return (false);
}

/* The hook lets it. */
static void
service_join_heard(struct session *s, const struct inbound *in,
    struct slice event, struct slice answer)
{
	uint8_t name[ROOM_NAME_MAX];
	struct slice raw, room;

	(void)event;
	(void)answer;
	room = slice_of(name, service_text(s, in, "room", name, sizeof name,
	    &raw));
	if (room.n != 0 && service_may_join(s, in,
	    join_may_heard(s, room)) && service_join_now(s, in, room, raw))
		counter_add(COUNTER_events_accepted, 1);
}

static bool
service_join(struct session *s, const struct inbound *in)
{
	struct forward asks = { .event = in->event, .args = in->args,
		.kind = FORWARD_ASKS_JOIN };
	uint8_t name[ROOM_NAME_MAX];
	struct slice raw, room;

	room = slice_of(name, service_text(s, in, "room", name, sizeof name,
	    &raw));
	if (room.n == 0)
		return (false);
	if (unlikely(join_asks(s, room)) &&
	    room_membership(s, ROOM_NAMED, room) == NULL) {
		asks.room = room;
		if (!service_full(s, in))
			consult_ask(s, in, SLICE("room:join"), &asks,
			    service_join_heard);
		return (false);		/* not yet */
	}
	return (service_may_join(s, in, join_may_heard(s, room)) &&
	    service_join_now(s, in, room, raw));
}

static bool
service_leave(struct session *s, const struct inbound *in)
{
	uint8_t name[ROOM_NAME_MAX];
	struct slice raw, room;
	struct membership *m;

	room = slice_of(name, service_text(s, in, "room", name, sizeof name,
	    &raw));
	if (room.n == 0)
		return (false);
	m = room_membership(s, ROOM_NAMED, room);
	if (m == NULL && enter_leave(s, room, "you have left this room")) {
		service_ack_room(s, in, raw);
		return (true);
	}
	if (m == NULL) {
		refuse(s, in, REFUSED_NOT_MEMBER,
		    "you are not in this room");
		return (false);
	}
	room_leave(s->hub, s, m);
	service_ack_room(s, in, raw);
	return (true);
}

/* 1..1000 events, 100 when it does not say. */
static bool
service_limit(struct session *s, const struct inbound *in, uint64_t *limit)
{
	struct slice object = service_object(in), v;
	int64_t i = PAGE_LIMIT;

	if (json_type(object) == JSON_OBJECT &&
	    json_get(object, SLICE("limit"), &v) &&
	    (json_type(v) != JSON_NUMBER || !json_int(v, &i) || i < 1 ||
	    i > 1000)) {
		refuse(s, in, REFUSED_BAD_REQUEST, "\"limit\" is 1..1000");
		return (false);
	}
	*limit = (uint64_t)i;
	return (true);
}

static bool
service_history(struct session *s, const struct inbound *in)
{
	uint8_t name[ROOM_NAME_MAX];
	struct slice raw, room;
	struct since since;
	uint64_t limit;

	if (!s->ns->keeps) {
		service_unknown(s, in);
		return (false);
	}
	room = slice_of(name, service_text(s, in, "room", name, sizeof name,
	    &raw));
	if (room.n == 0 || !service_since(s, in, &since) ||
	    !service_limit(s, in, &limit))
		return (false);
	if (room_membership(s, ROOM_NAMED, room) == NULL) {
		refuse(s, in, REFUSED_NOT_MEMBER,
		    "you are not in this room");
		return (false);
	}
	if (!conf_room_keeps(s->ns, room)) {
		refuse(s, in, REFUSED_INVALID,
		    "this room keeps no history");
		return (false);
	}
	return (page_get(s, in, room, raw, &since, limit));
}

/* --- others --------------------------------------------------------------- */

static bool
service_refresh(struct session *s, const struct inbound *in)
{
	static uint8_t token[TOKEN_MAX];	/* too large for the stack */
	struct slice raw;
	size_t n = service_text(s, in, "token", token, sizeof token, &raw);

	return (n != 0 && auth_refresh(s, in, slice_of(token, n)));
}

static bool
service_ping(struct session *s, const struct inbound *in)
{
	char text[64];
	int n = snprintf(text, sizeof text, "{\"ts\":%llu,\"worker\":%u}",
	    (unsigned long long)s->hub->wall.ms, s->hub->slot);

	session_ack(s, &in->ack, slice_of(text, (size_t)n));
	return (true);
}

static const struct {
	struct slice	 name;
	/* false: refused, and the sender knows */
	bool		(*run)(struct session *, const struct inbound *);
} services[] = {
	{ SLICE("room:join"),		service_join },
	{ SLICE("room:leave"),		service_leave },
	{ SLICE("history:get"),		service_history },
	{ SLICE("auth:refresh"),	service_refresh },
	{ SLICE("roost:ping"),		service_ping },
	{ SLICE("doc:open"),		documents_do_open },
	{ SLICE("doc:set"),		documents_do_set },
	{ SLICE("doc:delete"),		documents_do_delete },
	{ SLICE("doc:close"),		documents_do_close },
	{ SLICE("presence:get"),	presence_do_get },
	{ SLICE("presence:set"),	presence_do_set },
	{ SLICE("presence:watch"),	presence_do_watch },
	{ SLICE("presence:unwatch"),	presence_do_unwatch },
	{ SLICE("notification:list"),	notices_do_list },
	{ SLICE("notification:get_unread_count"), notices_do_count },
	{ SLICE("notification:mark_read"), notices_do_read },
	{ SLICE("notification:mark_all_read"), notices_do_read_all },
	{ SLICE("notification:delete"),	notices_do_delete },
	{ SLICE("notification:preferences"), notices_do_prefs },
};

bool
service_event(struct session *s, const struct inbound *in, struct slice name)
{
	size_t i;

	if (name.n == 0 || memchr(name.p, ':', name.n) == NULL)
		return (false);
	for (i = 0; i < nitems(services); i++) {
		if (slice_eq(name, services[i].name)) {
			if (services[i].run(s, in))
				counter_add(COUNTER_events_accepted, 1);
			return (true);
		}
	}
	if (!reserved_by_server(name))
		return (false);
	service_unknown(s, in);
	return (true);
}
