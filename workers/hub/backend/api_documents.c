/*
 * Documents for back ends; see api.h.  What there is, as a page or one key; and changes,
 * which clients get as those of each other.  Called by the worker with a request whose
 * key was checked.
 */
#include "hub/backend/api_int.h"

#include <stdlib.h>

#include "hub/backend/ask.h"
#include "hub/publish/publish.h"
#include "hub/store/document.h"
#include "hub/store/history.h"
#include "hub/store/keep.h"
#include "hub/store/since.h"
#include "proto/error.h"
#include "proto/json.h"

/* A request that waits for the store. */
struct document_asked {
	struct history_ask ask;
	uint32_t	 ref;		/* of the request */
	bool		 page;		/* of all keys */
	size_t		 doc_n, key_n;
	uint8_t		 names[];	/* doc, key */
};

static struct slice
api_documents_key(const struct document_asked *d)
{
	return (slice_of(d->names + d->doc_n, d->key_n));
}

static int
api_documents_refuse(struct buf *out, int status, const char *code, const char *why)
{
	error_encode(out, code, why);
	return (status);
}

/* The document that it is about; NULL: refused, with this status. */
static const struct conf_namespace *
api_documents_of(struct hub *h, const struct api_document *q, struct buf *out,
    int *status)
{
	const char *code, *why;
	const struct conf_namespace *ns = api_namespace(h, q->ns, &code, &why);
	const struct conf_room *r;

	if (ns == NULL) {
		*status = api_documents_refuse(out, strcmp(code, "forbidden") == 0 ?
		    403 : 404, code, why);
		return (NULL);
	}
	r = conf_room_keyed(ns, q->doc);
	if (r != NULL && r->documents)
		return (ns);
	*status = api_documents_refuse(out, 404, "not_found",
	    "this room is no document");
	return (NULL);
}

static struct document_asked *
api_documents_asked(struct hub *h, const struct api_document *q, void *asker,
    struct ask **a)
{
	struct document_asked *d = calloc(1, sizeof *d + q->doc.n + q->key.n);

	*a = ask_store(h, asker);
	if (d == NULL || *a == NULL) {
		free(d);
		ask_forget(a);
		return (NULL);
	}
	d->ref = ask_ref(*a);
	d->page = q->key.n == 0;
	d->doc_n = q->doc.n;
	d->key_n = q->key.n;
	memcpy(d->names, q->doc.p, q->doc.n);
	if (q->key.n != 0)
		memcpy(d->names + q->doc.n, q->key.p, q->key.n);
	return (d);
}

/* --- reading --------------------------------------------------------------- */

static bool
api_documents_change(const struct bus_envelope *one, struct slice *change)
{
	return (json_value(one->publish.args, change) > 0 &&
	    json_type(*change) == JSON_OBJECT);
}

/* {"doc","epoch","rev","entries":[...],"next"?} */
static void
api_documents_put_page(struct buf *b, struct slice raw,
    const struct bus_envelope *page)
{
	static struct bus_envelope one;	/* large; one at a time */
	struct slice frames = page->page.frames, change;
	uint64_t last = page->page.top;
	bool any = false;

	buf_str(b, "{\"doc\":");
	buf_slice(b, raw);
	buf_str(b, ",\"epoch\":\"");
	buf_slice(b, page->page.epoch);
	buf_str(b, "\",\"rev\":");
	buf_u64(b, page->page.top);
	buf_str(b, ",\"entries\":[");
	while (history_next(&frames, &one)) {
		last = one.publish.kept;
		if (one.publish.key.n == 0 || !api_documents_change(&one, &change))
			continue;
		if (any)
			buf_byte(b, ',');
		any = true;
		document_put_entry(b, change, raw);
	}
	buf_byte(b, ']');
	if (page->flags & BUS_MORE) {
		buf_str(b, ",\"next\":\"");
		buf_slice(b, page->page.epoch);
		buf_byte(b, ':');
		buf_u64(b, last);
		buf_byte(b, '"');
	}
	buf_byte(b, '}');
}

/* What one key has; false: nothing. */
static bool
api_documents_put_key(struct buf *b, struct slice raw,
    const struct bus_envelope *page)
{
	static struct bus_envelope one;	/* large; one at a time */
	struct slice frames = page->page.frames, change, v;

	if (!history_next(&frames, &one) || !api_documents_change(&one, &change) ||
	    !json_get(change, SLICE("value"), &v))
		return (false);
	document_put_entry(b, change, raw);
	if (b->oom)
		return (true);
	b->wpos--;
	buf_str(b, ",\"epoch\":\"");
	buf_slice(b, page->page.epoch);
	buf_str(b, "\"}");
	return (true);
}

static void
api_documents_page(struct hub *h, struct history_ask *a,
    const struct bus_envelope *page)
{
	struct document_asked *d = container_of(a, struct document_asked, ask);
	struct buf b, raw;
	int status = 200;

	buf_init(&b);
	buf_init(&raw);
	json_escape(&raw, slice_of(d->names, d->doc_n));
	if (page == NULL)
		status = api_documents_refuse(&b, 503, "unavailable",
		    "what was kept cannot be read now");
	else if (d->page)
		api_documents_put_page(&b, buf_unread(&raw), page);
	else if (!api_documents_put_key(&b, buf_unread(&raw), page))
		status = api_documents_refuse(&b, 404, "not_found",
		    "the document has no such key");
	b.oom |= raw.oom;
	ask_stored(h, d->ref, status, &b);
	buf_fini(&b);
	buf_fini(&raw);
	free(d);
}

int
api_document_get(struct hub *h, const struct api_document *q, void *asker,
    struct buf *out, struct ask **later)
{
	struct history_part part = { .from = q->key.n != 0 ? BUS_HISTORY_KEY :
		BUS_HISTORY_STATE, .limit = q->limit, .key = q->key };
	const struct conf_namespace *ns;
	struct since since = { .given = false };
	struct document_asked *d;
	int status;

	*later = NULL;
	if ((ns = api_documents_of(h, q, out, &status)) == NULL)
		return (status);
	if (q->cursor.n != 0 && (q->key.n != 0 ||
	    !since_parse(&since, q->cursor)))
		return (api_documents_refuse(out, 400, "bad_request",
		    "cursor is the member next of the page before"));
	if (since.given && since.epoch_len != 0) {
		part.from = BUS_HISTORY_AFTER;
		part.epoch = since_epoch(&since);
		part.since = since.offset;
	}
	if ((d = api_documents_asked(h, q, asker, later)) != NULL) {
		d->ask.page = api_documents_page;
		if (history_ask(h, &d->ask, ns, q->doc, &part))
			return (0);
		free(d);
		ask_forget(later);
	}
	return (api_documents_refuse(out, 503, "unavailable",
	    "what was kept cannot be read now"));
}

/* --- changing -------------------------------------------------------------- */

static void
api_documents_told(struct hub *h, void *arg, const struct keep_told *t)
{
	struct document_asked *d = arg;
	struct buf b;
	int status = 200;

	buf_init(&b);
	if (t->result == BUS_STORE_OK) {
		buf_str(&b, "{\"key\":");
		json_escape(&b, api_documents_key(d));
		buf_printf(&b, ",\"rev\":%llu,\"epoch\":\"%.*s\"}",
		    (unsigned long long)t->kept, (int)t->epoch.n,
		    t->epoch.n == 0 ? "" : (const char *)t->epoch.p);
	} else {
		status = api_kept_status(t->result);
		error_begin(&b, api_kept_code(t->result),
		    keep_why(t->result));
		if (t->result == BUS_STORE_CONFLICT)
			buf_printf(&b, ",\"rev\":%llu",
			    (unsigned long long)t->kept);
		error_end(&b);
	}
	ask_stored(h, d->ref, status, &b);
	buf_fini(&b);
	free(d);
}

/* base, a revision; absent or null: whatever is there.  epoch: in which it was. */
static const char *
api_documents_base(struct slice body, struct publication *p)
{
	struct slice v;
	int64_t n;

	if (!json_get(body, SLICE("base"), &v) || json_type(v) == JSON_NULL)
		return (NULL);
	if (json_type(v) != JSON_NUMBER || !json_int(v, &n) || n < 0)
		return ("base is a revision, or null");
	p->keyed |= KEYED_BASE;
	p->base = (uint64_t)n;
	if (!json_get(body, SLICE("epoch"), &v))
		return (NULL);
	if (json_type(v) != JSON_STRING || v.n < 3 || v.n - 2 > EPOCH_MAX)
		return ("epoch is that of the document");
	p->based = slice_of(v.p + 1, v.n - 2);
	return (NULL);
}

/* What is wrong with the body; NULL: nothing. */
static const char *
api_documents_body(const struct api_document *q, struct slice body,
    struct document_change *c, struct publication *p)
{
	struct slice v, key, value;
	struct json_iter it;

	if (body.n == 0 && q->deletes)
		return (NULL);
	if (json_value(body, &v) != (ssize_t)body.n ||
	    json_type(v) != JSON_OBJECT || !json_enter(v, &it))
		return ("the body is an object");
	while (json_next(&it, &key, &value))
		if (!json_string_eq(key, SLICE("base")) &&
		    !json_string_eq(key, SLICE("epoch")) && (q->deletes ||
		    !json_string_eq(key, SLICE("value"))))
			return ("the members are value, base and epoch");
	if (!q->deletes && !json_get(v, SLICE("value"), &c->value))
		return ("value is missing");
	return (api_documents_base(v, p));
}

static bool
api_documents_send(struct hub *h, const struct conf_namespace *ns,
    const struct api_document *q, struct publication *p,
    struct document_asked *d)
{
	struct audience to = { .rooms = &q->doc, .nrooms = 1 };
	struct keep k = { .ns = ns, .to = &to, .p = p };
	struct slice id = { NULL, 0 };

	p->meta = publish_meta_api(h, q->doc, &id);
	return (p->meta.n != 0 && keep_ask(h, &k, api_documents_told, d));
}

int
api_document_change(struct hub *h, const struct api_document *q,
    struct slice body, void *asker, struct buf *out, struct ask **later)
{
	struct document_change c = { .ts = h->wall.ms };
	struct publication p = { .event = document_event, .key = q->key,
		.keyed = KEYED_REV | (q->deletes ? KEYED_GONE : 0),
		.sent_us = h->now.us };
	const struct conf_namespace *ns;
	struct document_asked *d = NULL;
	struct buf b;
	const char *why;
	size_t n;
	int status;
	bool sent = false;

	*later = NULL;
	if ((ns = api_documents_of(h, q, out, &status)) == NULL)
		return (status);
	if ((why = api_documents_body(q, body, &c, &p)) != NULL)
		return (api_documents_refuse(out, 400, "bad_request", why));
	buf_init(&b);
	json_escape(&b, q->doc);
	n = b.wpos;
	json_escape(&b, q->key);
	if (!b.oom) {
		struct buf args;

		buf_init(&args);
		c.doc = slice_of(b.data, n);
		c.key = slice_of(b.data + n, b.wpos - n);
		document_put_change(&args, &c);
		p.nsp = slice_of(ns->name, ns->name_len);
		p.args = p.first = buf_unread(&args);
		if (!args.oom && keep_is_too_large(h, ns, &p, true)) {
			buf_fini(&args);
			buf_fini(&b);
			return (api_documents_refuse(out, 413, "too_large",
			    keep_why(BUS_STORE_TOO_LARGE)));
		}
		d = args.oom ? NULL : api_documents_asked(h, q, asker, later);
		sent = d != NULL && api_documents_send(h, ns, q, &p, d);
		buf_fini(&args);
	}
	buf_fini(&b);
	if (sent)
		return (0);
	free(d);
	ask_forget(later);
	return (api_documents_refuse(out, 503, "unavailable",
	    keep_why(BUS_STORE_UNAVAILABLE)));
}
