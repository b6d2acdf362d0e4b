/*
 * What clients do to documents; see documents.h.  Called by service.c.
 */
#include "hub/service/documents.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub/audience/room.h"
#include "hub/hub_int.h"
#include "hub/publish/publish.h"
#include "hub/rule/check.h"
#include "hub/rule/join.h"
#include "hub/session/principal.h"
#include "hub/store/document.h"
#include "hub/store/enter.h"
#include "hub/store/history.h"
#include "hub/store/keep.h"
#include "hub/store/waiter.h"
#include "proto/json.h"

/* What the first argument of all of them has. */
struct order {
	struct slice	 object;
	struct slice	 doc, key;	/* plain */
	struct slice	 doc_raw, key_raw;	/* as we write them, in b */
	const struct conf_room *room;
	const struct conf_key *rule;	/* NULL: there are none */
	uint8_t		 doc_text[ROOM_NAME_MAX];
	uint8_t		 key_text[DOCUMENT_KEY_MAX];
	struct buf	 b;
};

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

static bool
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

static uint8_t *
documents_put(uint8_t *to, struct slice s)
{
	if (s.n != 0)
		memcpy(to, s.p, s.n);
	return (to + s.n);
}

/* A change that waits for its place, or for how the key is instead. */
struct writing {
	struct history_ask ask;
	struct waiter	 waiter;
	const struct conf_namespace *ns;
	uint64_t	 ts, keyed, base;
	uint16_t	 doc_n, key_n, raw_n, based_n;
	size_t		 args_n;
	uint8_t		*names;		/* doc, key, doc as JSON, based, args;
					 * behind: */
	uint8_t		 bytes[];	/* the ack's */
};

static struct slice
documents_of(const struct writing *w)
{
	return (slice_of(w->names, w->doc_n));
}

static struct slice
documents_key(const struct writing *w)
{
	return (slice_of(w->names + w->doc_n, w->key_n));
}

static struct slice
documents_of_raw(const struct writing *w)
{
	return (slice_of(w->names + w->doc_n + w->key_n, w->raw_n));
}

/* As it is published; what it says of the sender comes last. */
static struct publication
documents_publication(const struct writing *w)
{
	const uint8_t *at = w->names + w->doc_n + w->key_n + w->raw_n;
	struct slice args = slice_of(at + w->based_n, w->args_n);

	return ((struct publication){ .event = document_event,
	    .key = documents_key(w), .args = args, .first = args,
	    .nsp = slice_of(w->ns->name, w->ns->name_len),
	    .keyed = w->keyed, .base = w->base,
	    .based = slice_of(at, w->based_n) });
}

static void
documents_free(struct hub *h, struct writing *w)
{
	waiter_end(h, &w->waiter);
	free(w);
}

static void
documents_ack(struct session *s, const struct writing *w,
    const struct keep_told *t)
{
	struct buf b;

	buf_init(&b);
	buf_printf(&b, "{\"rev\":%llu,\"epoch\":\"%.*s\",\"ts\":%llu}",
	    (unsigned long long)t->kept, (int)t->epoch.n,
	    t->epoch.n == 0 ? "" : (const char *)t->epoch.p,
	    (unsigned long long)w->ts);
	session_ack_buf(s, &w->waiter.ack, &b);
	buf_fini(&b);
}

/* ,"current":{...} of the one publication that a page has, or of none. */
static void
documents_current(struct buf *b, const struct writing *w,
    const struct bus_envelope *page)
{
	static struct bus_envelope one;	/* large; one at a time */
	struct slice frames = page->page.frames, change;

	buf_str(b, ",\"current\":");
	if (history_next(&frames, &one) &&
	    json_value(one.publish.args, &change) > 0 &&
	    json_type(change) == JSON_OBJECT)
		document_put_entry(b, change, documents_of_raw(w));
	else {
		buf_str(b, "{\"key\":");
		json_escape(b, documents_key(w));
		buf_str(b, ",\"rev\":0,\"deleted\":true}");
	}
	buf_str(b, ",\"epoch\":\"");
	buf_slice(b, page->page.epoch);
	buf_byte(b, '"');
}

/* How the key is, for who has lost against another one. */
static void
documents_page(struct hub *h, struct history_ask *a,
    const struct bus_envelope *page)
{
	struct writing *w = container_of(a, struct writing, ask);
	struct session *s = waiter_session(h, &w->waiter);
	struct inbound in = { .ack = w->waiter.ack };
	struct buf b;

	buf_init(&b);
	if (s != NULL && page != NULL)
		documents_current(&b, w, page);
	if (s != NULL && room_membership(s, ROOM_NAMED, documents_of(w)) == NULL)
		(void)documents_not_open(s, &in);
	else if (s != NULL)
		refuse_with(s, &in, REFUSED_CONFLICT,
		    slice_str(keep_why(BUS_STORE_CONFLICT)),
		    b.oom ? slice_of(NULL, 0) : buf_unread(&b));
	buf_fini(&b);
	documents_free(h, w);
}

static void
documents_told(struct hub *h, void *arg, const struct keep_told *t)
{
	struct writing *w = arg;
	struct session *s = waiter_session(h, &w->waiter);
	struct inbound in = { .ack = w->waiter.ack };
	struct history_part part = { .from = BUS_HISTORY_KEY, .limit = 1,
		.key = documents_key(w) };

	if (s != NULL && t->result == BUS_STORE_CONFLICT) {
		counter_add(COUNTER_documents_conflicts, 1);
		if (history_ask(h, &w->ask, w->ns, documents_of(w), &part))
			return;
		documents_page(h, &w->ask, NULL);
		return;
	}
	if (s == NULL)
		;		/* nobody is there to be told */
	else if (t->result == BUS_STORE_OK)
		documents_ack(s, w, t);
	else
		refuse(s, &in, keep_refused(t->result), "%s",
		    keep_why(t->result));
	documents_free(h, w);
}

/* It goes to the relay.  false: it does not, and the client is not told. */
static bool
documents_go(struct session *s, struct writing *w)
{
	struct slice doc = documents_of(w), id = { NULL, 0 };
	struct audience to = { .rooms = &doc, .nrooms = 1 };
	struct publication p = documents_publication(w);
	struct keep k = { .ns = w->ns, .to = &to, .p = &p };

	p.sent_us = s->hub->now.us;
	p.meta = publish_meta(s->hub, s->who == NULL ? slice_of(NULL, 0) :
	    principal_user_json(s->who), slice_of(NULL, 0), documents_of_raw(w),
	    &id);
	w->ask.page = documents_page;
	return (p.meta.n != 0 && keep_ask(s->hub, &k, documents_told, w));
}

static void
documents_unsent(struct session *s, const struct inbound *in, struct writing *w)
{
	documents_free(s->hub, w);
	refuse(s, in, REFUSED_UNAVAILABLE, "%s",
	    keep_why(BUS_STORE_UNAVAILABLE));
}

/* What is there is of the same revision, and this user's; or is not there. */
static bool
documents_is_owners(const struct session *s, const struct writing *w,
    const struct bus_envelope *page, bool *stale)
{
	static struct bus_envelope one;	/* large; one at a time */
	struct slice frames = page->page.frames, change, from;

	*stale = false;
	if (!history_next(&frames, &one))
		return (true);
	*stale = one.publish.kept != w->base;
	if (*stale || json_value(one.publish.args, &change) <= 0)
		return (false);
	if (!json_get(change, SLICE("value"), &from))
		return (true);		/* it was deleted: another one */
	return (s->who != NULL && json_get(change, SLICE("from"), &from) &&
	    slice_eq(from, principal_user_json(s->who)));
}

/* Of a key that its owner alone may change: as the change is made only of what was
 * seen here, nobody is between that and this. */
static void
documents_owned(struct hub *h, struct history_ask *a,
    const struct bus_envelope *page)
{
	struct writing *w = container_of(a, struct writing, ask);
	struct session *s = waiter_session(h, &w->waiter);
	struct inbound in = { .ack = w->waiter.ack };
	bool stale;

	if (s == NULL)
		documents_free(h, w);
	else if (page == NULL)
		documents_unsent(s, &in, w);
	else if (documents_is_owners(s, w, page, &stale)) {
		if (!documents_go(s, w))
			documents_unsent(s, &in, w);
	} else if (stale) {
		counter_add(COUNTER_documents_conflicts, 1);
		documents_page(h, a, page);
	} else {
		refuse(s, &in, REFUSED_FORBIDDEN,
		    "this key is another user's");
		documents_free(h, w);
	}
}

static struct writing *
documents_new(struct session *s, const struct inbound *in, const struct order *o,
    const struct publication *p)
{
	struct writing *w = calloc(1, sizeof *w + in->ack.raw.n + o->doc.n +
	    o->key.n + o->doc_raw.n + p->based.n + p->args.n);
	uint8_t *to;

	if (w == NULL)
		return (NULL);
	w->ns = s->ns;
	w->keyed = p->keyed;
	w->base = p->base;
	w->based_n = (uint16_t)p->based.n;
	w->args_n = p->args.n;
	w->ts = s->hub->wall.ms;
	w->names = w->bytes + in->ack.raw.n;
	w->doc_n = (uint16_t)o->doc.n;
	w->key_n = (uint16_t)o->key.n;
	w->raw_n = (uint16_t)o->doc_raw.n;
	to = documents_put(w->names, o->doc);
	to = documents_put(to, o->key);
	to = documents_put(to, o->doc_raw);
	to = documents_put(to, p->based);
	(void)documents_put(to, p->args);
	waiter_begin(&w->waiter, WAITER_DOCUMENT, s, &in->ack, w->bytes);
	return (w);
}

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
documents_send(struct session *s, const struct inbound *in,
    const struct order *o, const struct publication *p)
{
	struct history_part part = { .from = BUS_HISTORY_KEY, .limit = 1,
		.key = o->key };
	struct writing *w;
	bool sent;

	if (keep_is_too_large(s->hub, s->ns, p, true)) {
		refuse(s, in, REFUSED_TOO_LARGE, "%s",
		    keep_why(BUS_STORE_TOO_LARGE));
		return (false);
	}
	w = documents_new(s, in, o, p);
	if (w == NULL) {
		refuse_memory(s, in);
		return (false);
	}
	w->ask.page = documents_owned;
	sent = o->rule != NULL && o->rule->write == CONF_WRITE_OWNER ?
	    history_ask(s->hub, &w->ask, s->ns, o->doc, &part) :
	    documents_go(s, w);
	if (!sent)
		documents_unsent(s, in, w);
	return (sent);
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
