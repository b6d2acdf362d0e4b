/*
 * Publishing for back ends; see api.h.  Called by the worker with the body of
 * a request whose key was checked.
 */
#include <stdio.h>

#include "base/digest.h"
#include "base/reserved.h"
#include "conf/name.h"
#include "hub/backend/api_int.h"
#include "hub/backend/ask.h"
#include "hub/publish/post.h"
#include "hub/publish/publish.h"
#include "hub/rule/check.h"
#include "hub/store/document.h"
#include "hub/store/keep.h"
#include "proto/error.h"
#include "proto/json.h"
#include "proto/sio.h"
#include "shm/once.h"

#define BATCH_MAX_ITEMS	1000

/* One publication as the body describes it; slices into the body, names into
 * to.arena. */
struct order {
	struct api_order to;
	struct slice	 event;		/* raw */
	struct slice	 args;
	struct slice	 first;
	struct slice	 conflate;	/* raw; empty: none */
	struct slice	 key;		/* plain; empty: none */
	bool		 has_version;
	uint64_t	 version;
	bool		 is_volatile, ack, meta, finish;
	bool		 near;		/* other hosts have it themselves */
	uint64_t	 timeout_ms;
	struct slice	 id;		/* empty: none given */
	struct slice	 attachments[BUS_ATTACHMENTS_MAX];
	unsigned	 nattach;
};

static bool
publish_read_args(struct order *o, struct slice body)
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
	o->args = has_args ? json_trim(slice_of(args.p + 1, args.n - 2)) : data;
	o->first = has_args ? slice_of(NULL, 0) : data;
	return (true);
}

static bool
publish_read_event(struct order *o, const struct hub *h, struct slice body)
{
	uint8_t name[CONF_EVENT_MAX];
	ssize_t n = json_text(body, SLICE("event"), name, sizeof name,
	    &o->event);

	if (n <= 0)
		return (api_order_bad(&o->to, "bad_request",
		    "event must be a string of 1..256 bytes without control "
		    "characters"));
	if (reserved_by_socketio(slice_of(name, (size_t)n)))
		return (api_order_bad(&o->to, "bad_request",
		    "event is a name that Socket.IO keeps for itself"));
	if (h->api_key != NULL &&
	    !conf_api_key_sends(h->api_key, slice_of(name, (size_t)n)))
		return (api_order_bad(&o->to, "forbidden",
		    "this key may not publish this event"));
	return (true);
}

/* As if a client had sent it; the words are the answer's. */
static bool
publish_checks(struct order *o)
{
	static char words[512];
	const struct conf_namespace *ns = o->to.ns;
	const struct conf_event *r;
	uint8_t name[CONF_EVENT_MAX];
	struct conf_fault f;
	ssize_t n;

	if (!ns->check_publishes)
		return (true);
	n = json_name(o->event, name, sizeof name);
	r = n <= 0 ? NULL : conf_event_find(ns, slice_of(name, (size_t)n));
	if (r == NULL || check_holds(r, o->args, &o->first, &f))
		return (true);
	(void)snprintf(words, sizeof words, "%s%s%s", f.path + f.at,
	    f.path[f.at] == '\0' ? "the first argument " : ": ", f.why);
	return (api_order_bad(&o->to, "invalid", words));
}

/* true or false; def when absent. */
static bool
publish_read_flag(struct order *o, struct slice body, struct slice name,
    bool def, bool *flag)
{
	struct slice v;

	*flag = def;
	if (!json_get(body, name, &v))
		return (true);
	*flag = json_type(v) == JSON_TRUE;
	return (*flag || json_type(v) == JSON_FALSE ||
	    api_order_bad(&o->to, "bad_request",
	    "volatile, ack, meta and finish are true or false"));
}

static bool
publish_read_flags(struct order *o, struct slice body)
{
	return (publish_read_flag(o, body, SLICE("volatile"), false,
	    &o->is_volatile) &&
	    publish_read_flag(o, body, SLICE("ack"), false, &o->ack) &&
	    publish_read_flag(o, body, SLICE("meta"), true, &o->meta) &&
	    publish_read_flag(o, body, SLICE("finish"), false, &o->finish));
}

/* As a rule has it from a member: raw, so that both may speak of one thing. */
static bool
publish_read_conflate(struct order *o, struct slice body)
{
	if (!json_get(body, SLICE("conflate"), &o->conflate))
		return (true);
	if (json_type(o->conflate) != JSON_STRING || o->conflate.n < 3 ||
	    o->conflate.n > CONFLATE_KEY_MAX)
		return (api_order_bad(&o->to, "bad_request",
		    "conflate is a string of 1..128 bytes"));
	return (o->is_volatile || api_order_bad(&o->to, "bad_request",
	    "conflate is for what is volatile"));
}

/* Of which its rooms keep the newest; with a version that of one that comes late does
 * not take its place. */
static bool
publish_read_key(struct order *o, struct slice body)
{
	struct buf *b = &o->to.arena;
	uint8_t *to = b->data + b->wpos;
	struct slice raw, v;
	int64_t i = 0;
	ssize_t n = json_text(body, SLICE("key"), to, DOCUMENT_KEY_MAX, &raw);

	if (raw.n != 0 && n <= 0)
		return (api_order_bad(&o->to, "bad_request",
		    "key is a string of 1..256 bytes"));
	if (n > 0) {
		o->key = slice_of(to, (size_t)n);
		b->wpos += (size_t)n;
	}
	o->has_version = json_get(body, SLICE("version"), &v);
	if (o->has_version && (o->key.n == 0 || json_type(v) != JSON_NUMBER ||
	    !json_int(v, &i) || i < 1))
		return (api_order_bad(&o->to, "bad_request",
		    "version is a whole number, 1 or more, beside a key"));
	o->version = (uint64_t)i;
	return (true);
}

/* Each room is one that keeps keys, and none is a document, whose changes are what
 * its clients make of them. */
static bool
publish_may_have_key(struct order *o)
{
	const struct audience *to = &o->to.to;
	bool good = to->nrooms != 0 && to->nusers + to->nsids == 0 &&
	    !o->is_volatile;
	const struct conf_room *r;
	size_t i;

	for (i = 0; good && i < to->nrooms; i++) {
		r = conf_room_keyed(o->to.ns, to->rooms[i]);
		good = r != NULL && r->latest;
	}
	return (good || api_order_bad(&o->to, "bad_request",
	    "key is for rooms with latest, and for nobody beside them; what is "
	    "volatile is not kept"));
}

/* The last of its rooms: each of them is one that can end. */
static bool
publish_may_finish(struct order *o)
{
	const struct audience *to = &o->to.to;
	bool good = to->nrooms != 0 && to->nusers + to->nsids == 0 &&
	    !o->is_volatile;
	size_t i;

	for (i = 0; good && i < to->nrooms; i++)
		good = conf_room_keeps(o->to.ns, to->rooms[i]);
	return (good || api_order_bad(&o->to, "bad_request",
	    "finish is for rooms that keep a history, and for nobody beside "
	    "them; what is volatile is not kept"));
}

static bool
publish_read_timeout(struct order *o, struct slice body)
{
	struct slice v;
	int64_t ms;

	o->timeout_ms = ASK_TIMEOUT_MS;
	if (!json_get(body, SLICE("timeout"), &v))
		return (true);
	if (!o->ack)
		return (api_order_bad(&o->to, "bad_request",
		    "timeout is for publications with ack"));
	if (json_type(v) != JSON_NUMBER || !json_int(v, &ms) || ms < 1 ||
	    ms > ASK_TIMEOUT_MAX)
		return (api_order_bad(&o->to, "bad_request",
		    "timeout is 1..60000 milliseconds"));
	o->timeout_ms = (uint64_t)ms;
	return (true);
}

/* Unescaped, and such that it goes into JSON and logs as it is. */
static bool
publish_read_id(struct order *o, struct slice body)
{
	struct buf *b = &o->to.arena;
	uint8_t *to = b->data + b->wpos;
	struct slice raw;
	ssize_t n;
	size_t i;

	n = json_text(body, SLICE("id"), to, ASK_ID_BYTES, &raw);
	if (raw.n == 0)
		return (true);
	if (n <= 0)
		goto bad;
	o->id = slice_of(to, (size_t)n);
	b->wpos += (size_t)n;
	for (i = 0; i < o->id.n; i++)
		if (o->id.p[i] <= ' ' || o->id.p[i] > '~' ||
		    o->id.p[i] == '\\' || o->id.p[i] == '"')
			goto bad;
	return (true);
bad:
	return (api_order_bad(&o->to, "bad_request",
	    "id is 1..64 characters of printable ASCII without \" and \\"));
}

static bool
publish_add_attachment(struct order *o, struct slice raw)
{
	struct buf *b = &o->to.arena;	/* as large as the body */
	uint8_t *to = b->data + b->wpos;
	ssize_t n = -1;

	if (json_type(raw) == JSON_STRING)
		n = json_unescape(raw, to);
	if (n >= 0)
		n = digest_base64_decode_loose(slice_of(to, (size_t)n), to);
	if (n < 0)
		return (api_order_bad(&o->to, "bad_request",
		    "attachments are strings of base64"));
	if (o->nattach == BUS_ATTACHMENTS_MAX)
		return (api_order_bad(&o->to, "bad_request",
		    "more than 10 attachments"));
	o->attachments[o->nattach++] = slice_of(to, (size_t)n);
	b->wpos += (size_t)n;
	return (true);
}

static bool
publish_read_attachments(struct order *o, struct slice body)
{
	struct slice v, key, element;
	struct json_iter it;

	if (!json_get(body, SLICE("attachments"), &v))
		return (true);
	if (json_type(v) != JSON_ARRAY || !json_enter(v, &it))
		return (api_order_bad(&o->to, "bad_request",
		    "attachments must be an array"));
	while (json_next(&it, &key, &element))
		if (!publish_add_attachment(o, element))
			return (false);
	return (sio_placeholders(o->args, o->nattach) ||
	    api_order_bad(&o->to, "bad_request",
	    "a placeholder names an attachment that is not there"));
}

/* --- publishing ------------------------------------------------------------ */

/* What the answer says at once. */
static void
publish_put_id(struct buf *out, struct slice id, const char *more)
{
	buf_str(out, "{\"id\":\"");
	buf_slice(out, id);
	buf_str(out, "\"");
	buf_str(out, more);
	buf_byte(out, '}');
}

/* Has the same id been published in this namespace? */
static bool
publish_is_known(struct hub *h, const struct order *o)
{
	return (o->id.n != 0 && once_claim_id(h->segment, o->to.ns->index,
	    o->id, h->now) == ONCE_AGAIN);
}

static struct publication
publish_of(struct hub *h, const struct order *o, struct slice *id)
{
	struct publication p = {
		.nsp = slice_of(o->to.ns->name, o->to.ns->name_len),
		.event = o->event, .args = o->args, .first = o->first,
		.is_volatile = o->is_volatile, .near = o->near,
		.finish = o->finish, .once = o->id, .conflate = o->conflate,
		.key = o->key, .keyed = o->has_version ? KEYED_VERSION : 0,
		.base = o->version,
		.attachments = o->attachments, .nattach = o->nattach,
		.sent_us = h->now.us,
	};
	const struct audience *to = &o->to.to;
	struct slice meta;

	*id = o->id;
	meta = publish_meta_api(h, to->nrooms == 1 &&
	    to->nusers + to->nsids == 0 ? to->rooms[0] : slice_of(NULL, 0), id);
	if (o->meta)
		p.meta = meta;
	return (p);
}

/* Some of its rooms keep a history. */
static bool
publish_has_kept_room(const struct order *o)
{
	size_t i;

	if (!o->to.ns->keeps)
		return (false);
	for (i = 0; i < o->to.to.nrooms; i++)
		if (conf_room_keeps(o->to.ns, o->to.to.rooms[i]))
			return (true);
	return (false);
}

/* The store has it first.  What asks clients for answers is told nobody again. */
static bool
publish_is_kept(const struct order *o)
{
	return (!o->is_volatile && (publish_has_kept_room(o) ||
	    (o->to.ns->journals && !o->ack)));
}

/* Its clients are asked: of one room, since each has answers of its own. */
static bool
publish_keep_asking(struct hub *h, struct order *o, const struct api_kept *k,
    void *asker, struct ask **later)
{
	struct ask *a = ask_new(h, asker, k->id, o->timeout_ms);

	if (a == NULL)
		return (api_order_bad(&o->to, "unavailable",
		    "too many publications wait for acknowledgements"));
	if (!api_keep_ask(h, k, a, o->timeout_ms)) {
		ask_forget(&a);
		return (false);
	}
	*later = a;
	return (true);
}

static bool
publish_keep_one(struct hub *h, struct order *o, const struct api_kept *k,
    void *asker, struct ask **later)
{
	return (o->ack ? publish_keep_asking(h, o, k, asker, later) :
	    api_keep(h, k, asker, later));
}

static bool
publish_keep(struct hub *h, struct order *o, const struct publication *p,
    struct slice id, void *asker, struct buf *out, struct ask **later)
{
	const struct audience *to = &o->to.to;
	uint8_t name[ASK_ID_BYTES];
	struct api_kept k = { .ns = o->to.ns, .to = to, .p = p,
		.id = id, .claimed = o->id };

	/* the one that stands in the meta goes with it */
	MUST(id.n <= sizeof name);
	memcpy(name, id.p, id.n);
	k.id = slice_of(name, id.n);

	if (o->ack && (to->nrooms != 1 || to->nusers + to->nsids != 0))
		return (api_order_bad(&o->to, "bad_request", "with ack a room "
		    "that keeps a history is alone"));
	if (o->ack && o->to.ns->journals)
		return (api_order_bad(&o->to, "bad_request", "ack is not for "
		    "rooms that keep a history where recovery = store"));
	if (o->ack && conf_redis_on(&h->conf->redis))
		return (api_order_bad(&o->to, "bad_request", "ack is not for "
		    "rooms that keep a history in Redis"));
	if (keep_is_too_large(h, o->to.ns, p, publish_has_kept_room(o)))
		return (api_order_bad(&o->to, "too_large",
		    keep_why(BUS_STORE_TOO_LARGE)));
	if (publish_is_known(h, o)) {
		counter_add(COUNTER_api_duplicates, 1);
		publish_put_id(out, k.id, ",\"duplicate\":true");
		return (true);
	}
	if (!publish_keep_one(h, o, &k, asker, later)) {
		if (o->id.n != 0)
			once_forget_id(h->segment, o->to.ns->index, o->id);
		if (o->to.code != NULL)
			return (false);
		return (api_order_bad(&o->to, "unavailable",
		    keep_why(BUS_STORE_UNAVAILABLE)));
	}
	counter_add(COUNTER_api_publishes, 1);
	if (later == NULL || *later == NULL)
		publish_put_id(out, k.id, "");
	return (true);
}

/* *later: the clients, or the store, are being asked; else the answer is in
 * out. */
static bool
publish_now(struct hub *h, struct order *o, void *asker, struct buf *out,
    struct ask **later)
{
	struct slice id;
	struct publication p = publish_of(h, o, &id);
	struct ask *a = NULL;

	if (id.n == 0)
		return (api_order_bad(&o->to, "unavailable", "out of memory"));
	if (publish_is_kept(o))
		return (publish_keep(h, o, &p, id, asker, out, later));
	if (o->ack && (a = ask_new(h, asker, id, o->timeout_ms)) == NULL)
		return (api_order_bad(&o->to, "unavailable",
		    "too many publications wait for acknowledgements"));
	if (publish_is_known(h, o)) {
		ask_forget(&a);
		counter_add(COUNTER_api_duplicates, 1);
		publish_put_id(out, id, ",\"duplicate\":true");
		return (true);
	}
	counter_add(COUNTER_api_publishes, 1);
	if (a == NULL) {
		(void)publish_audience(h, o->to.ns, &o->to.to, &p,
		    NULL);
		publish_put_id(out, id, "");
		return (true);
	}
	ask_publish(&a, o->to.ns, &o->to.to, &p, out);
	*later = a;
	return (true);
}

static const struct slice members[] = {
	SLICE("namespace"), SLICE("event"), SLICE("data"), SLICE("args"),
	SLICE("attachments"), SLICE("room"), SLICE("rooms"), SLICE("user"),
	SLICE("users"), SLICE("sid"), SLICE("except"), SLICE("volatile"),
	SLICE("meta"), SLICE("id"), SLICE("ack"), SLICE("timeout"),
	SLICE("finish"), SLICE("conflate"), SLICE("key"), SLICE("version"),
};

static bool
publish_read(struct order *o, struct hub *h, struct slice body)
{
	return (api_order_init(&o->to, body) &&
	    api_order_known(&o->to, body, members, nitems(members)) &&
	    api_order_namespace(&o->to, h, body) &&
	    publish_read_event(o, h, body) &&
	    publish_read_args(o, body) && publish_checks(o) &&
	    publish_read_flags(o, body) && publish_read_conflate(o, body) &&
	    publish_read_key(o, body) &&
	    publish_read_timeout(o, body) && publish_read_id(o, body) &&
	    publish_read_attachments(o, body) &&
	    api_order_audience(&o->to, body) &&
	    (!o->finish || publish_may_finish(o)) &&
	    (o->key.n == 0 || publish_may_have_key(o)));
}

/* One object of a body that is known to be valid JSON; later: NULL where no
 * answer can come later: in a batch, and by Redis. */
static int
publish_one(struct hub *h, struct slice body, void *asker, struct buf *out,
    struct ask **later, bool near)
{
	static struct order o;	/* 4 KiB of lists; one at a time */
	bool ok;
	int status;

	memset(&o, 0, sizeof o);
	o.near = near;
	ok = publish_read(&o, h, body);
	if (ok && o.ack && later == NULL)
		ok = api_order_bad(&o.to, "bad_request",
		    "ack is for POST publish, and not for batches");
	if (ok)
		ok = publish_now(h, &o, asker, out, later);
	status = api_order_end(&o.to, ok, out);
	return (later != NULL && *later != NULL ? 0 : status);
}

int
api_publish(struct hub *h, struct slice body, void *asker, struct buf *out,
    struct ask **later)
{
	struct slice v;

	*later = NULL;
	if (json_value(body, &v) != (ssize_t)body.n) {
		error_encode(out, "bad_request", "the body is not valid JSON");
		return (400);
	}
	return (publish_one(h, v, asker, out, later, false));
}

/* By its HTTP status. */
static void
api_count_bus(int status)
{
	counter_add(status == 200 ? COUNTER_redis_publishes :
	    status == 404 ? COUNTER_redis_refused_namespace :
	    status == 503 ? COUNTER_redis_refused_other :
	    COUNTER_redis_refused_request, 1);
}

/* Nobody waits for the answer: it is the operator's. */
static void
api_tell_refused(struct hub *h, struct slice error)
{
	uint8_t code[64], message[256];
	struct slice v;
	ssize_t n = -1, m = -1;

	if (h->ports.unpublished == NULL)
		return;
	if (json_get_path(error, SLICE("error.code"), &v))
		n = json_name(v, code, sizeof code);
	if (json_get_path(error, SLICE("error.message"), &v))
		m = json_name(v, message, sizeof message);
	h->ports.unpublished(h->ports.host,
	    slice_of(code, n < 0 ? 0 : (size_t)n),
	    slice_of(message, m < 0 ? 0 : (size_t)m));
}

/* All that was given before is published. */
static void
api_say_taken(struct hub *h, uint32_t ref)
{
	struct bus_envelope e;

	(void)bus_answers(&e);
	(void)post_to(h, 0, ref, &e);
}

void
api_publish_bus(struct hub *h, const struct bus_envelope *e)
{
	struct slice body = e->publish_body.body, v, order;
	struct ask *later;		/* nobody asks */
	struct buf out;
	int status = 400;

	if (e->ref != 0) {
		api_say_taken(h, e->ref);
		return;
	}
	buf_init(&out);
	api_asks(h, NULL);
	/* the frame is ours to write */
	json_mend((uint8_t *)(uintptr_t)body.p, body.n);
	if (body.n == 0 || json_value(body, &v) != (ssize_t)body.n)
		error_encode(&out, "bad_request", "the body is not valid JSON");
	else if (json_get(v, SLICE("revoke"), &order))
		status = api_revoke(h, order, NULL, &out, &later);
	else if (json_get(v, SLICE("inbox"), &order))
		status = api_inbox_bus(h, order, &out);
	else
		status = publish_one(h, v, NULL, &out, NULL, true);
	api_count_bus(status);
	if (status != 200)
		api_tell_refused(h, buf_unread(&out));
	buf_fini(&out);
}

/*
 * The array of a batch; false: it is none, or beside it stands what is not
 * known there: meant for all of them, perhaps, and they would not have it.  A
 * namespace does no harm: those that lack theirs are refused.
 */
static bool
publish_batch_array(struct slice body, struct slice *array)
{
	struct slice key, value;
	struct json_iter it;

	*array = body;
	if (json_type(body) != JSON_OBJECT)
		return (json_type(body) == JSON_ARRAY);
	if (!json_get(body, SLICE("publish"), array) ||
	    json_type(*array) != JSON_ARRAY || !json_enter(body, &it))
		return (false);
	while (json_next(&it, &key, &value))
		if (!json_string_eq(key, SLICE("publish")) &&
		    !json_string_eq(key, SLICE("namespace")))
			return (false);
	return (true);
}

/* {"publish":[{...},...]} or the array alone: an answer for each, in order. */
int
api_batch(struct hub *h, struct slice body, struct buf *out)
{
	struct slice v, key, item;
	struct json_iter it, ahead;
	unsigned n = 0;

	if (json_value(body, &v) != (ssize_t)body.n) {
		error_encode(out, "bad_request", "the body is not valid JSON");
		return (400);
	}
	if (!publish_batch_array(v, &v) || !json_enter(v, &it)) {
		error_encode(out, "bad_request",
		    "an array of publications, or {\"publish\":[...]}; "
		    "members are of each publication");
		return (400);
	}
	for (ahead = it; json_next(&ahead, &key, &item);)
		n++;
	if (n > BATCH_MAX_ITEMS) {
		error_encode(out, "too_large",
		    "more than 1000 in one batch; nothing was published");
		return (413);
	}
	buf_str(out, "{\"results\":[");
	for (n = 0; json_next(&it, &key, &item); n++) {
		if (n != 0)
			buf_byte(out, ',');
		(void)publish_one(h, item, NULL, out, NULL, false);
	}
	buf_str(out, "]}");
	return (200);
}
