/*
 * What clients do to documents; see documents.h.  Called by service.c.
 */
#include "hub/service/documents_int.h"

#include "hub/audience/room.h"
#include "hub/hub_int.h"
#include "hub/rule/check.h"
#include "hub/rule/join.h"
#include "hub/session/principal.h"
#include "hub/store/document.h"
#include "hub/store/enter.h"
#include "hub/store/keep.h"
#include "proto/json.h"

static bool
documents_bad(struct session *s, const struct inbound *in, const char *why)
{
	refuse(s, in, REFUSED_BAD_REQUEST, "%s", why);
	return (false);
}

/* One name of the object; false: refused. */
static bool
documents_name(struct session *s, const struct inbound *in, struct slice object,
    const char *member, uint8_t *text, size_t max, struct slice *name)
{
	struct slice raw;
	ssize_t n = json_text(object, slice_str(member), text, max, &raw);

	*name = slice_of(text, n < 0 ? 0 : (size_t)n);
	if (n > 0)
		return (true);
	refuse(s, in, REFUSED_BAD_REQUEST,
	    "\"%s\" must be a string of at most %zu bytes", member, max);
	return (false);
}

static bool
documents_raw(struct session *s, const struct inbound *in, struct order *o)
{
	size_t n;

	json_escape(&o->b, o->doc);
	n = o->b.wpos;
	if (o->key.n != 0)
		json_escape(&o->b, o->key);
	if (o->b.oom) {
		refuse_memory(s, in);
		return (false);
	}
	o->doc_raw = slice_of(o->b.data, n);
	o->key_raw = slice_of(o->b.data + n, o->b.wpos - n);
	return (true);
}

/* Reads them; false: refused.  The caller lets go of o->b in any case. */
static bool
documents_read(struct session *s, const struct inbound *in, bool key,
    struct order *o)
{
	buf_init(&o->b);
	o->key = slice_of(NULL, 0);
	if (!s->ns->keyed) {
		refuse(s, in, REFUSED_UNKNOWN_EVENT,
		    "this name is the server's, and no such service is on");
		return (false);
	}
	o->object = slice_of(NULL, 0);
	if (in->args.n != 0)
		MUST(json_value(in->args, &o->object) > 0);
	if (json_type(o->object) != JSON_OBJECT)
		return (documents_bad(s, in, "the argument is an object"));
	if (!documents_name(s, in, o->object, "doc", o->doc_text,
	    sizeof o->doc_text, &o->doc) || (key &&
	    !documents_name(s, in, o->object, "key", o->key_text,
	    sizeof o->key_text, &o->key)))
		return (false);
	o->room = conf_room_keyed(s->ns, o->doc);
	if (o->room == NULL || !o->room->documents) {
		refuse(s, in, REFUSED_FORBIDDEN, "this is no document");
		return (false);
	}
	return (documents_raw(s, in, o));
}

/* --- open and close -------------------------------------------------------- */

/* {"epoch":"...","rev":N}: the place that it has seen last. */
static bool
documents_since(struct session *s, const struct inbound *in,
    const struct order *o, struct since *since)
{
	struct slice v, epoch, rev;
	int64_t n;

	*since = (struct since){ .given = false };
	if (!json_get(o->object, SLICE("since"), &v) ||
	    json_type(v) == JSON_NULL)
		return (true);
	if (json_type(v) == JSON_OBJECT &&
	    json_get(v, SLICE("epoch"), &epoch) &&
	    json_type(epoch) == JSON_STRING && epoch.n > 2 &&
	    epoch.n - 2 <= EPOCH_MAX &&
	    json_get(v, SLICE("rev"), &rev) && json_type(rev) == JSON_NUMBER &&
	    json_int(rev, &n) && n >= 0) {
		since_set(since, slice_of(epoch.p + 1, epoch.n - 2),
		    (uint64_t)n);
		if (since_is_good(since))
			return (true);
	}
	return (documents_bad(s, in, "\"since\" must be {\"epoch\":STRING,"
	    "\"rev\":NUMBER}"));
}

static bool
documents_open(struct session *s, const struct inbound *in, struct order *o)
{
	struct enter_ask ask = { .name = o->doc, .raw = o->doc_raw,
		.may = join_may, .opens = true };
	struct membership *m;
	enum refused why = join_may(s, o->doc);

	if (why != REFUSED_NONE) {
		counter_add(COUNTER_joins_refused, 1);
		refuse(s, in, why, "you may not open this document");
		return (false);
	}
	if (!documents_since(s, in, o, &ask.since))
		return (false);
	/* what it is told has to end where changes begin to come to it */
	m = room_membership(s, ROOM_NAMED, o->doc);
	if (m != NULL)
		room_leave(s->hub, s, m);
	counter_add(COUNTER_documents_opened, 1);
	return (enter_room(s, in, &ask));
}

bool
documents_do_open(struct session *s, const struct inbound *in)
{
	struct order o;
	bool ok = documents_read(s, in, false, &o) && documents_open(s, in, &o);

	buf_fini(&o.b);
	return (ok);
}

bool
documents_not_open(struct session *s, const struct inbound *in)
{
	refuse(s, in, REFUSED_NOT_MEMBER,
	    "you have not opened this document");
	return (false);
}

static bool
documents_close(struct session *s, const struct inbound *in,
    const struct order *o)
{
	struct membership *m = room_membership(s, ROOM_NAMED, o->doc);
	struct buf b;

	if (m == NULL)
		return (documents_not_open(s, in));
	room_leave(s->hub, s, m);
	buf_init(&b);
	buf_str(&b, "{\"doc\":");
	buf_slice(&b, o->doc_raw);
	buf_byte(&b, '}');
	refuse_or_ack(s, in, &b);
	buf_fini(&b);
	return (true);
}

bool
documents_do_close(struct session *s, const struct inbound *in)
{
	struct order o;
	bool ok = documents_read(s, in, false, &o) &&
	    documents_close(s, in, &o);

	buf_fini(&o.b);
	return (ok);
}

/* --- changes --------------------------------------------------------------- */

/* base: the revision that it has seen, null: whichever; epoch: in which that was. */
static bool
documents_base(struct session *s, const struct inbound *in,
    const struct order *o, struct publication *p)
{
	struct slice v;
	int64_t n;

	if (!json_get(o->object, SLICE("base"), &v) ||
	    (json_type(v) != JSON_NULL && (json_type(v) != JSON_NUMBER ||
	    !json_int(v, &n) || n < 0)))
		return (documents_bad(s, in, "\"base\" must be the key's rev, 0 "
		    "where there is none, or null for whatever it is"));
	if (json_type(v) == JSON_NULL)
		return (true);
	p->keyed |= KEYED_BASE;
	p->base = (uint64_t)n;
	if (!json_get(o->object, SLICE("epoch"), &v))
		return (true);
	if (json_type(v) != JSON_STRING || v.n < 3 || v.n - 2 > EPOCH_MAX)
		return (documents_bad(s, in, "\"epoch\" must be that of the "
		    "document"));
	p->based = slice_of(v.p + 1, v.n - 2);
	return (true);
}

/* Who it is, and whether by the rule of the key that may change it. */
static bool
documents_may(struct session *s, const struct inbound *in, struct order *o,
    const struct publication *p)
{
	o->rule = conf_key_find(o->room, o->key);
	if (o->rule == NULL ? o->room->nkey_rules != 0 :
	    o->rule->write == CONF_WRITE_SERVER ||
	    (o->rule->write == CONF_WRITE_OWNER && s->who == NULL) ||
	    !principal_has_role(s->who, o->rule->rule.roles,
	    o->rule->rule.nroles)) {
		refuse(s, in, REFUSED_FORBIDDEN, "you may not change this key");
		return (false);
	}
	if (o->rule == NULL || o->rule->write != CONF_WRITE_OWNER ||
	    (p->keyed & KEYED_BASE) != 0)
		return (true);
	/* whose it is is known of what was there */
	return (documents_bad(s, in, "this key is changed with a \"base\""));
}

static bool
documents_checks(struct session *s, const struct inbound *in,
    const struct order *o, struct slice value)
{
	struct conf_fault f;

	if (o->rule == NULL ||
	    check_holds(&o->rule->rule, value, &value, &f))
		return (true);
	refuse(s, in, REFUSED_INVALID, "%s%s%s", f.path + f.at,
	    f.path[f.at] == '\0' ? "the value " : ": ", f.why);
	return (false);
}

static bool
documents_value(struct session *s, const struct inbound *in,
    const struct order *o, struct slice *value)
{
	uint64_t max = o->room->value_bytes;

	if (!json_get(o->object, SLICE("value"), value))
		return (documents_bad(s, in, "\"value\" is missing"));
	if (o->rule != NULL && o->rule->rule.max_bytes != 0)
		max = o->rule->rule.max_bytes;
	if (value->n <= max)
		return (documents_checks(s, in, o, *value));
	refuse(s, in, REFUSED_TOO_LARGE, "a value has at most %llu bytes",
	    (unsigned long long)max);
	return (false);
}

static bool
documents_change(struct session *s, const struct inbound *in,
    struct order *o, bool set)
{
	struct document_change c = { .doc = o->doc_raw, .key = o->key_raw,
		.ts = s->hub->wall.ms };
	struct publication p = { .event = document_event, .key = o->key,
		.keyed = KEYED_REV | (set ? 0 : KEYED_GONE) };
	struct buf b;
	bool ok;

	if (room_membership(s, ROOM_NAMED, o->doc) == NULL)
		return (documents_not_open(s, in));
	if (!documents_base(s, in, o, &p) || !documents_may(s, in, o, &p) ||
	    (set && !documents_value(s, in, o, &c.value)))
		return (false);
	if (s->who != NULL)
		c.from = principal_user_json(s->who);
	buf_init(&b);
	document_put_change(&b, &c);
	p.args = p.first = buf_unread(&b);
	if (b.oom)
		refuse_memory(s, in);
	ok = !b.oom && documents_send(s, in, o, &p);
	buf_fini(&b);
	counter_add(COUNTER_documents_changes, ok);
	return (ok);
}

bool
documents_do_set(struct session *s, const struct inbound *in)
{
	struct order o;
	bool ok = documents_read(s, in, true, &o) &&
	    documents_change(s, in, &o, true);

	buf_fini(&o.b);
	return (ok);
}

bool
documents_do_delete(struct session *s, const struct inbound *in)
{
	struct order o;
	bool ok = documents_read(s, in, true, &o) &&
	    documents_change(s, in, &o, false);

	buf_fini(&o.b);
	return (ok);
}
