/*
 * Publishing for back ends; see api.h.  Called by the worker with the body of
 * a request whose key was checked.
 */
#include "hub/api.h"

#include "hub/hub_int.h"
#include "hub/publish.h"
#include "hub/service.h"
#include "hub/svc_presence.h"
#include "proto/bus.h"
#include "proto/json.h"

#define BATCH_MAX_ITEMS	1000

void
api_error(struct buf *out, const char *code, const char *message)
{
	buf_str(out, "{\"error\":{\"code\":");
	json_escape(out, slice_str(code));
	buf_str(out, ",\"message\":");
	json_escape(out, slice_str(message));
	buf_str(out, "}}");
}

/* One publication as the body describes it; slices into the body, names into
 * arena. */
struct order {
	const struct conf_namespace *ns;
	struct slice	 event;		/* raw */
	struct slice	 args;
	struct slice	 first;
	bool		 is_volatile;
	struct slice	 rooms[BUS_LIST_MAX], users[BUS_LIST_MAX],
			 sids[BUS_LIST_MAX], except[BUS_LIST_MAX];
	struct audience	 to;
	struct buf	 arena;		/* unescaped names */
	const char	*code;		/* why not */
	const char	*why;
};

static bool
bad(struct order *o, const char *code, const char *why)
{
	o->code = code;
	o->why = why;
	return (false);
}

/* A name (room, user, sid) unescaped into the arena, which never moves: it
 * was made as large as the body. */
static bool
add_name(struct order *o, struct slice raw, struct slice *list, size_t *n)
{
	uint8_t *to = o->arena.data + o->arena.wpos;
	ssize_t len = -1;

	if (json_type(raw) == JSON_STRING && raw.n <= 2 + 6 * ROOM_NAME_MAX)
		len = json_unescape(raw, to);
	if (len <= 0 || len > ROOM_NAME_MAX)
		return (bad(o, "bad_request",
		    "rooms, users and sids are strings of 1..256 bytes"));
	if (*n == BUS_LIST_MAX)
		return (bad(o, "bad_request", "more than 64 names"));
	list[(*n)++] = slice_of(to, (size_t)len);
	o->arena.wpos += (size_t)len;
	return (true);
}

/* "room": "a" or ["a", "b"] */
static bool
add_names(struct order *o, struct slice body, struct slice member,
    struct slice *list, size_t *n)
{
	struct slice v, key, element;
	struct json_iter it;

	if (!json_get(body, member, &v) || json_type(v) == JSON_NULL)
		return (true);
	if (json_type(v) != JSON_ARRAY)
		return (add_name(o, v, list, n));
	if (!json_enter(v, &it))
		return (false);
	while (json_next(&it, &key, &element))
		if (!add_name(o, element, list, n))
			return (false);
	/* an empty list must not become "everybody" */
	if (*n == 0)
		return (bad(o, "bad_request", "an empty list of receivers"));
	return (true);
}

static bool
read_audience(struct order *o, struct slice body)
{
	struct audience *a = &o->to;
	struct slice v;

	a->rooms = o->rooms;
	a->users = o->users;
	a->sids = o->sids;
	a->except = o->except;
	if (!add_names(o, body, SLICE("room"), o->rooms, &a->nrooms) ||
	    !add_names(o, body, SLICE("rooms"), o->rooms, &a->nrooms) ||
	    !add_names(o, body, SLICE("user"), o->users, &a->nusers) ||
	    !add_names(o, body, SLICE("users"), o->users, &a->nusers) ||
	    !add_names(o, body, SLICE("sid"), o->sids, &a->nsids))
		return (false);
	if (json_get(body, SLICE("except"), &v) &&
	    json_type(v) == JSON_ARRAY && v.n == 2)
		return (true);
	return (add_names(o, body, SLICE("except"), o->except, &a->nexcept));
}

/* The elements between the brackets of an array. */
static struct slice
inner(struct slice array)
{
	struct slice in = slice_of(array.p + 1, array.n - 2);

	while (in.n != 0 && strchr(" \t\r\n", in.p[0]) != NULL)
		in = slice_from(in, 1);
	return (in);
}

static bool
read_args(struct order *o, struct slice body)
{
	struct slice data = { NULL, 0 }, args = { NULL, 0 };
	bool has_data = json_get(body, SLICE("data"), &data);
	bool has_args = json_get(body, SLICE("args"), &args);

	if (has_data && has_args)
		return (bad(o, "bad_request", "data or args, not both"));
	if (has_args && json_type(args) != JSON_ARRAY)
		return (bad(o, "bad_request", "args must be an array"));
	o->args = has_args ? inner(args) : data;
	o->first = has_args ? slice_of(NULL, 0) : data;
	return (true);
}

static bool
read_event(struct order *o, struct slice body)
{
	struct slice v;

	if (!json_get(body, SLICE("event"), &v) ||
	    json_type(v) != JSON_STRING || v.n < 3 || v.n > 258)
		return (bad(o, "bad_request",
		    "event must be a string of 1..256 bytes"));
	o->event = v;
	o->is_volatile = json_get(body, SLICE("volatile"), &v) &&
	    json_type(v) == JSON_TRUE;
	return (true);
}

/* A namespace by its name with or without the slash. */
static const struct conf_namespace *
find_namespace(struct hub *h, struct slice name)
{
	uint8_t full[ROOM_NAME_MAX + 1];

	if (name.n != 0 && name.p[0] == '/')
		return (conf_namespace_find(h->conf, name));
	if (name.n > ROOM_NAME_MAX)
		return (NULL);
	full[0] = '/';
	if (name.n != 0)
		memcpy(full + 1, name.p, name.n);
	return (conf_namespace_find(h->conf, slice_of(full, name.n + 1)));
}

static bool
read_namespace(struct order *o, struct hub *h, struct slice body)
{
	uint8_t name[ROOM_NAME_MAX];
	struct slice v;
	ssize_t n = -1;

	if (json_get(body, SLICE("namespace"), &v) &&
	    json_type(v) == JSON_STRING && v.n <= sizeof name)
		n = json_unescape(v, name);
	if (n < 0)
		return (bad(o, "bad_request", "namespace must be a string"));
	o->ns = find_namespace(h, slice_of(name, (size_t)n));
	return (o->ns != NULL || bad(o, "not_found", "no such namespace"));
}

int
api_presence(struct hub *h, const struct api_presence *q, struct buf *out)
{
	const struct conf_namespace *ns = find_namespace(h, q->ns);

	if (ns == NULL) {
		api_error(out, "not_found", "no such namespace");
		return (404);
	}
	if (q->user.n != 0) {
		presence_user_json(h, ns, q->user, out);
		return (200);
	}
	if (!presence_list_json(h, ns, q->room, q->cursor, q->limit, out)) {
		api_error(out, "bad_request",
		    "presence is not kept for rooms in this namespace");
		return (400);
	}
	return (200);
}

/* What is not built is refused, not ignored. */
static bool
refuse_unknown(struct order *o, struct slice body)
{
	static const struct slice known[] = {
		SLICE("\"namespace\""), SLICE("\"event\""), SLICE("\"data\""),
		SLICE("\"args\""), SLICE("\"room\""), SLICE("\"rooms\""),
		SLICE("\"user\""), SLICE("\"users\""), SLICE("\"sid\""),
		SLICE("\"except\""), SLICE("\"volatile\""),
	};
	struct slice key, value;
	struct json_iter it;
	size_t i;

	if (!json_enter(body, &it))
		return (bad(o, "bad_request", "the body must be an object"));
	while (json_next(&it, &key, &value)) {
		for (i = 0; i < nitems(known); i++)
			if (slice_eq(key, known[i]))
				break;
		if (i == nitems(known))
			return (bad(o, "bad_request",
			    "a member is not known: namespace, event, data, "
			    "args, room, user, sid, except, volatile are"));
	}
	return (true);
}

static void
publish(struct hub *h, struct order *o, struct buf *out)
{
	struct slice id, meta;
	struct publication p;

	meta = publish_meta(h, slice_of(NULL, 0), slice_of(NULL, 0), &id);
	p = (struct publication){
		.nsp = slice_of(o->ns->name, o->ns->name_len),
		.event = o->event, .args = o->args, .first = o->first,
		.meta = meta, .is_volatile = o->is_volatile,
		.sent_us = h->now.us,
	};
	(void)publish_audience(h, o->ns, &o->to, &p);
	counter_add(COUNTER_api_publishes, 1);
	buf_str(out, "{\"id\":\"");
	buf_slice(out, id);
	buf_str(out, "\"}");
}

/* One object of a body that is known to be valid JSON. */
static int
publish_one(struct hub *h, struct slice body, struct buf *out)
{
	static struct order o;	/* 4 KiB of lists; one at a time */
	bool ok;

	memset(&o, 0, sizeof o);
	buf_init(&o.arena);
	ok = buf_reserve(&o.arena, body.n + 1) && refuse_unknown(&o, body) &&
	    read_namespace(&o, h, body) && read_event(&o, body) &&
	    read_args(&o, body) && read_audience(&o, body);
	if (ok)
		publish(h, &o, out);
	else if (o.code == NULL)
		api_error(out, "internal", "out of memory");
	else
		api_error(out, o.code, o.why);
	buf_fini(&o.arena);
	if (ok)
		return (200);
	if (o.code == NULL)
		return (503);
	return (strcmp(o.code, "not_found") == 0 ? 404 : 400);
}

int
api_publish(struct hub *h, struct slice body, struct buf *out)
{
	struct slice v;

	if (json_value(body, &v) != (ssize_t)body.n) {
		api_error(out, "bad_request", "the body is not valid JSON");
		return (400);
	}
	return (publish_one(h, v, out));
}

/* {"publish":[{...},...]} or the array alone: an answer for each, in order. */
int
api_batch(struct hub *h, struct slice body, struct buf *out)
{
	struct slice v, key, item;
	struct json_iter it, ahead;
	unsigned n = 0;

	if (json_value(body, &v) != (ssize_t)body.n) {
		api_error(out, "bad_request", "the body is not valid JSON");
		return (400);
	}
	if (json_type(v) == JSON_OBJECT &&
	    !json_get(v, SLICE("publish"), &v))
		v = slice_of(NULL, 0);
	if (json_type(v) != JSON_ARRAY || !json_enter(v, &it)) {
		api_error(out, "bad_request",
		    "an array of publications, or {\"publish\":[...]}");
		return (400);
	}
	for (ahead = it; json_next(&ahead, &key, &item);)
		n++;
	if (n > BATCH_MAX_ITEMS) {
		api_error(out, "too_large",
		    "more than 1000 in one batch; nothing was published");
		return (413);
	}
	buf_str(out, "{\"results\":[");
	for (n = 0; json_next(&it, &key, &item); n++) {
		if (n != 0)
			buf_byte(out, ',');
		(void)publish_one(h, item, out);
	}
	buf_str(out, "]}");
	return (200);
}
