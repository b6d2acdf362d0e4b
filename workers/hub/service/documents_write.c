/*
 * A change of a document on its way: to the relay, which gives it its place, or says
 * how the key is instead.  See documents.h.
 */
#include "hub/service/documents_int.h"

#include <stdlib.h>

#include "hub/hub_int.h"
#include "hub/publish/publish.h"
#include "hub/session/principal.h"
#include "hub/store/document.h"
#include "hub/store/history.h"
#include "hub/store/keep.h"
#include "hub/store/waiter.h"
#include "proto/json.h"

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

bool
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
