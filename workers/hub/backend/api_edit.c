/*
 * POST history/NS/ROOM: a body in, an answer out; see api.h.  What is done is
 * change.c's.
 *
 *	{"offset":N | "id":ID, "epoch"?, "data" | "args" | "redact":true}
 */
#include "hub/backend/api_int.h"

#include "hub/backend/ask.h"
#include "hub/backend/change.h"
#include "proto/json.h"

/* --- reading ---------------------------------------------------------------- */

struct edit_body {
	struct api_order to;
	struct slice	 args;
	struct since	 at;
	size_t		 id_len;
	uint8_t		 id[ASK_ID_BYTES];
	bool		 redact;
};

static const struct slice members[] = {
	SLICE("offset"), SLICE("id"), SLICE("epoch"), SLICE("data"),
	SLICE("args"), SLICE("redact"),
};

static bool
edit_read_which(struct edit_body *o, struct slice body)
{
	struct slice v, raw;
	bool has_offset = json_get(body, SLICE("offset"), &v);
	bool has_id = json_get(body, SLICE("id"), &raw);
	int64_t offset = 0;
	ssize_t n;

	if (has_offset == has_id)
		return (api_order_bad(&o->to, "bad_request",
		    "which: offset, or id"));
	if (has_offset && (json_type(v) != JSON_NUMBER ||
	    !json_int(v, &offset) || offset < 1))
		return (api_order_bad(&o->to, "bad_request",
		    "offset is a number from 1 on"));
	o->at.offset = (uint64_t)offset;
	if (!has_id)
		return (true);
	n = json_name(raw, o->id, sizeof o->id);
	o->id_len = n < 0 ? 0 : (size_t)n;
	return (n > 0 || api_order_bad(&o->to, "bad_request",
	    "id is a string of 1..64 bytes"));
}

static bool
edit_read_epoch(struct edit_body *o, struct slice body)
{
	uint8_t epoch[EPOCH_MAX];
	struct slice raw;
	uint64_t offset = o->at.offset;
	ssize_t n = json_text(body, SLICE("epoch"), epoch, sizeof epoch, &raw);

	if (raw.n == 0)
		return (true);
	if (n > 0) {
		since_set(&o->at, slice_of(epoch, (size_t)n), offset);
		if (since_is_good(&o->at))
			return (true);
	}
	return (api_order_bad(&o->to, "bad_request", "epoch is a string, as "
	    "meta and pages have it"));
}

static bool
edit_read_what(struct edit_body *o, struct slice body)
{
	struct slice data = { NULL, 0 }, args = { NULL, 0 }, redact;
	bool has_data = json_get(body, SLICE("data"), &data);
	bool has_args = json_get(body, SLICE("args"), &args);

	o->redact = json_get(body, SLICE("redact"), &redact);
	if (o->redact && json_type(redact) != JSON_TRUE)
		return (api_order_bad(&o->to, "bad_request",
		    "redact is true, or not there"));
	if (has_data + has_args + o->redact != 1)
		return (api_order_bad(&o->to, "bad_request",
		    "one of data, args and redact"));
	if (has_args && json_type(args) != JSON_ARRAY)
		return (api_order_bad(&o->to, "bad_request",
		    "args must be an array"));
	o->args = has_args ? json_trim(slice_of(args.p + 1, args.n - 2)) : data;
	return (true);
}

/* Its log is of messages that tell of each other. */
static bool
edit_is_of_yjs(const struct conf_namespace *ns, struct slice room)
{
	struct slice values[CONF_PARAMS_MAX];
	const struct conf_room *r = ns->documents ?
	    conf_room_find(ns, room, values) : NULL;

	return (r != NULL && r->document);
}

static bool
edit_read_body(struct edit_body *o, struct hub *h, const struct api_edit *q,
    struct slice whole)
{
	const char *code, *why;
	struct slice body;

	memset(o, 0, sizeof *o);
	if (!api_order_init(&o->to, whole))
		return (false);
	if (whole.n == 0 || json_value(whole, &body) != (ssize_t)whole.n)
		return (api_order_bad(&o->to, "bad_request",
		    "the body is not valid JSON"));
	if (!api_order_known(&o->to, body, members, nitems(members)) ||
	    !edit_read_which(o, body) || !edit_read_epoch(o, body) ||
	    !edit_read_what(o, body))
		return (false);
	o->to.ns = api_namespace(h, q->ns, &code, &why);
	if (o->to.ns == NULL)
		return (api_order_bad(&o->to, code, why));
	if (!conf_room_keeps(o->to.ns, q->room))
		return (api_order_bad(&o->to, "not_found",
		    "this room keeps no history"));
	if (conf_room_keyed(o->to.ns, q->room) != NULL)
		return (api_order_bad(&o->to, "conflict", "what has keys is "
		    "changed by its keys: documents, or a newer value"));
	return (!edit_is_of_yjs(o->to.ns, q->room) ||
	    api_order_bad(&o->to, "conflict", "a document of Yjs is changed by "
	    "updates alone"));
}

/* --- doing ------------------------------------------------------------------ */

static bool
edit_order_do(struct hub *h, struct edit_body *o, struct slice room,
    void *asker, struct ask **later)
{
	const struct change_order order = { .ns = o->to.ns,
		.key = h->api_key, .room = room, .at = o->at,
		.id = slice_of(o->id, o->id_len), .args = o->args,
		.redact = o->redact };
	struct ask *a = ask_store(h, asker);

	if (a != NULL && change_begin(h, &order, ask_ref(a))) {
		*later = a;
		return (true);
	}
	ask_forget(&a);
	return (api_order_bad(&o->to, "unavailable",
	    "what was kept cannot be read now"));
}

int
api_edit(struct hub *h, const struct api_edit *q, struct slice body,
    void *asker, struct buf *out, struct ask **later)
{
	static struct edit_body o;	/* lists of names; one at a time */
	bool ok;
	int status;

	*later = NULL;
	ok = edit_read_body(&o, h, q, body) &&
	    edit_order_do(h, &o, q->room, asker, later);
	status = api_order_end(&o.to, ok, out);
	return (*later != NULL ? 0 : status);
}
