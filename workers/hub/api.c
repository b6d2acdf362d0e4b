/*
 * Publishing for back ends; see api.h.  Called by the worker with the body of
 * a request whose key was checked.
 */
#include "hub/api.h"

#include "hub/api_int.h"
#include "hub/publish.h"
#include "hub/service.h"
#include "hub/svc_presence.h"
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
 * to.arena. */
struct order {
	struct api_order to;
	struct slice	 event;		/* raw */
	struct slice	 args;
	struct slice	 first;
	bool		 is_volatile;
	bool		 bare;		/* "meta": false, no last argument */
};

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
		return (api_order_bad(&o->to, "bad_request",
		    "data or args, not both"));
	if (has_args && json_type(args) != JSON_ARRAY)
		return (api_order_bad(&o->to, "bad_request",
		    "args must be an array"));
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
		return (api_order_bad(&o->to, "bad_request",
		    "event must be a string of 1..256 bytes"));
	o->event = v;
	o->is_volatile = json_get(body, SLICE("volatile"), &v) &&
	    json_type(v) == JSON_TRUE;
	o->bare = json_get(body, SLICE("meta"), &v) &&
	    json_type(v) == JSON_FALSE;
	return (true);
}

int
api_presence(struct hub *h, const struct api_presence *q, struct buf *out)
{
	const struct conf_namespace *ns = api_namespace(h, q->ns);

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

static void
publish(struct hub *h, struct order *o, struct buf *out)
{
	struct slice id, meta;
	struct publication p;

	meta = publish_meta(h, slice_of(NULL, 0), slice_of(NULL, 0), &id);
	p = (struct publication){
		.nsp = slice_of(o->to.ns->name, o->to.ns->name_len),
		.event = o->event, .args = o->args, .first = o->first,
		.meta = o->bare ? slice_of(NULL, 0) : meta,
		.is_volatile = o->is_volatile,
		.sent_us = h->now.us,
	};
	(void)publish_audience(h, o->to.ns, &o->to.to, &p);
	counter_add(COUNTER_api_publishes, 1);
	buf_str(out, "{\"id\":\"");
	buf_slice(out, id);
	buf_str(out, "\"}");
}

static const struct slice members[] = {
	SLICE("namespace"), SLICE("event"), SLICE("data"), SLICE("args"),
	SLICE("room"), SLICE("rooms"), SLICE("user"), SLICE("users"),
	SLICE("sid"), SLICE("except"), SLICE("volatile"), SLICE("meta"),
};

/* One object of a body that is known to be valid JSON. */
static int
publish_one(struct hub *h, struct slice body, struct buf *out)
{
	static struct order o;	/* 4 KiB of lists; one at a time */
	bool ok;

	memset(&o, 0, sizeof o);
	ok = api_order_init(&o.to, body) &&
	    api_order_known(&o.to, body, members, nitems(members)) &&
	    api_order_namespace(&o.to, h, body) && read_event(&o, body) &&
	    read_args(&o, body) && api_order_audience(&o.to, body);
	if (ok)
		publish(h, &o, out);
	return (api_order_end(&o.to, ok, out));
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
