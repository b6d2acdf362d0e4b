/*
 * Changes and pages of documents as JSON; see document.h.
 */
#include "hub/store/document.h"

#include "hub/session/session.h"
#include "proto/json.h"

const struct slice document_event = SLICE("\"doc:change\"");

void
document_put_change(struct buf *b, const struct document_change *c)
{
	buf_str(b, "{\"key\":");
	buf_slice(b, c->key);
	if (c->value.n == 0)
		buf_str(b, ",\"deleted\":true");
	else {
		buf_str(b, ",\"value\":");
		buf_slice(b, c->value);
	}
	buf_str(b, ",\"from\":");
	buf_slice(b, c->from.n == 0 ? SLICE("null") : c->from);
	buf_str(b, ",\"ts\":");
	buf_u64(b, c->ts);
	buf_str(b, ",\"doc\":");
	buf_slice(b, c->doc);
	buf_byte(b, '}');
}

/* It ends with ,"doc":NAME} as it was put there. */
static bool
document_names(struct slice change, struct slice raw)
{
	struct slice tail, head = SLICE(",\"doc\":");

	if (change.n < head.n + raw.n + 2)
		return (false);
	tail = slice_from(change, change.n - head.n - raw.n - 1);
	return (slice_starts(tail, head) && tail.p[tail.n - 1] == '}' &&
	    slice_eq(slice_of(tail.p + head.n, raw.n), raw));
}

void
document_put_entry(struct buf *b, struct slice change, struct slice raw)
{
	if (!document_names(change, raw)) {
		buf_slice(b, change);
		return;
	}
	buf_slice(b, slice_of(change.p, change.n - raw.n -
	    sizeof ",\"doc\":"));
	buf_byte(b, '}');
}

static bool
document_is_deleted(struct slice change)
{
	struct slice v;

	return (json_get(change, SLICE("deleted"), &v));
}

/* --- pages ----------------------------------------------------------------- */

void
document_page_begin(struct document_page *d, bool opens, struct slice raw,
    struct slice epoch, bool whole)
{
	d->opens = opens;
	d->raw = raw;
	d->n = 0;
	d->whole = whole;
	d->any = false;
	if (!opens)
		return;
	buf_init(&d->b);
	buf_str(&d->b, "{\"doc\":");
	buf_slice(&d->b, raw);
	buf_str(&d->b, ",\"epoch\":\"");
	buf_slice(&d->b, epoch);
	buf_str(&d->b, whole ? "\",\"reset\":true,\"entries\":[" :
	    "\",\"entries\":[");
}

bool
document_page_add(struct document_page *d, const struct publication *p)
{
	struct slice change;

	if (!d->opens || p->key.n == 0 || !slice_eq(p->event, document_event) ||
	    json_value(p->args, &change) <= 0 ||
	    json_type(change) != JSON_OBJECT)
		return (false);
	if (d->any)
		buf_byte(&d->b, ',');
	d->any = true;
	d->n += !document_is_deleted(change);
	document_put_entry(&d->b, change, d->raw);
	return (true);
}

void
document_page_end(struct document_page *d, struct session *s)
{
	if (!d->opens)
		return;
	buf_str(&d->b, "]}");
	if (d->any || d->whole)
		session_emit_buf(s, SLICE("\"doc:snapshot\""), &d->b);
	buf_fini(&d->b);
}

void
document_ack(struct buf *b, struct slice raw, const struct since *at,
    uint64_t keys, bool recovered)
{
	buf_str(b, "{\"doc\":");
	buf_slice(b, raw);
	if (at->given) {
		buf_str(b, ",\"epoch\":\"");
		buf_slice(b, since_epoch(at));
		buf_str(b, "\",\"rev\":");
		buf_u64(b, at->offset);
	}
	buf_str(b, ",\"keys\":");
	buf_u64(b, keys);
	buf_str(b, recovered ? ",\"recovered\":true}" :
	    ",\"recovered\":false}");
}
