/*
 * Pages as JSON; see page.h.  Called by service.c, and by what back ends ask.
 */
#include "hub/store/page.h"

#include <stdlib.h>

#include "base/digest.h"
#include "hub/audience/room.h"
#include "hub/store/store_int.h"
#include "hub/store/waiter.h"
#include "proto/json.h"

/* --- JSON ------------------------------------------------------------------ */

static void
page_put_attachments(struct buf *b, const struct bus_publish *p)
{
	size_t i;

	for (i = 0; i < p->nattach; i++) {
		buf_str(b, i == 0 ? ",\"attachments\":[\"" : ",\"");
		if (!buf_reserve(b, p->attachments[i].n / 3 * 4 + 8))
			return;
		b->wpos += digest_base64_encode(p->attachments[i],
		    b->data + b->wpos);
		buf_byte(b, '"');
	}
	if (p->nattach != 0)
		buf_byte(b, ']');
}

static void
page_put_event(struct buf *b, const struct bus_publish *p, bool plain)
{
	struct slice first;

	buf_str(b, "{\"offset\":");
	buf_u64(b, p->kept);
	buf_str(b, ",\"event\":");
	buf_slice(b, p->event);
	if (!plain) {
		buf_str(b, ",\"args\":[");
		buf_slice(b, p->args);
		buf_byte(b, ']');
	} else if (p->args.n != 0 && json_value(p->args, &first) > 0) {
		buf_str(b, ",\"data\":");
		buf_slice(b, first);
	}
	if (p->meta.n != 0) {
		buf_str(b, ",\"meta\":");
		buf_slice(b, p->meta);
	}
	page_put_attachments(b, p);
	buf_byte(b, '}');
}

static void
page_begin(struct buf *b, struct slice raw, struct slice epoch, uint64_t offset)
{
	buf_str(b, "{\"room\":");
	buf_slice(b, raw);
	buf_str(b, ",\"epoch\":\"");
	buf_slice(b, epoch);
	buf_str(b, "\",\"offset\":");
	buf_u64(b, offset);
	buf_str(b, ",\"events\":[");
}

void
page_put_one(struct buf *b, struct slice raw, struct slice epoch,
    uint64_t offset, const struct bus_publish *p, bool finished)
{
	page_begin(b, raw, epoch, offset);
	if (p != NULL)
		page_put_event(b, p, true);
	buf_str(b, finished ? "],\"finished\":true" : "]");
	buf_str(b, ",\"more\":false,\"gap\":false}");
}

void
page_put(struct buf *b, struct slice raw, const struct since *asked,
    const struct bus_envelope *page, bool plain)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct slice frames = page->page.frames;
	bool gap = history_has_gap(page), any = false;

	if (asked->given && asked->epoch_len == 0)
		gap |= history_lacks_first(page);
	page_begin(b, raw, page->page.epoch, page->page.top);
	while (history_next(&frames, &e)) {
		if (any)
			buf_byte(b, ',');
		any = true;
		page_put_event(b, &e.publish, plain);
	}
	buf_byte(b, ']');
	if (page->page.finished)
		buf_str(b, ",\"finished\":true");
	buf_str(b, page->flags & BUS_MORE ? ",\"more\":true" :
	    ",\"more\":false");
	buf_str(b, gap ? ",\"gap\":true}" : ",\"gap\":false}");
}

struct history_part
page_part(const struct since *s, uint64_t limit)
{
	return ((struct history_part){ .from = s->given ? BUS_HISTORY_AFTER :
	    BUS_HISTORY_LAST, .epoch = since_epoch(s), .since = s->offset,
	    .limit = limit });
}

/* --- history:get ----------------------------------------------------------- */

struct page_reader {
	struct history_ask ask;
	struct waiter	 waiter;
	struct since	 since;
	size_t		 name_len, raw_len;
	uint8_t		*name;		/* the room, behind: */
	uint8_t		*raw;		/* as it was written, behind: */
	uint8_t		 bytes[];	/* the ack's */
};

static void
page_free(struct hub *h, struct page_reader *r)
{
	waiter_end(h, &r->waiter);
	free(r);
}

static void
page_say(struct session *s, const struct page_reader *r,
    const struct bus_envelope *e)
{
	struct inbound in = { .ack = r->waiter.ack };
	struct buf b;

	if (e == NULL) {
		refuse(s, &in, REFUSED_UNAVAILABLE,
		    "what was kept cannot be read now");
		return;
	}
	/* it may have had to leave while the page was read */
	if (room_membership(s, ROOM_NAMED,
	    slice_of(r->name, r->name_len)) == NULL) {
		refuse(s, &in, REFUSED_NOT_MEMBER, "you are not in this room");
		return;
	}
	buf_init(&b);
	page_put(&b, slice_of(r->raw, r->raw_len), &r->since, e,
	    !wire_is_socketio(s->wire));
	refuse_or_ack(s, &in, &b);
	buf_fini(&b);
}

static void
page_answer(struct hub *h, struct history_ask *a, const struct bus_envelope *e)
{
	struct page_reader *r = container_of(a, struct page_reader, ask);
	struct session *s = waiter_session(h, &r->waiter);

	if (s != NULL)
		page_say(s, r, e);
	page_free(h, r);
}

bool
page_get(struct session *s, const struct inbound *in, struct slice name,
    struct slice raw, const struct since *since, uint64_t limit)
{
	struct history_part part = page_part(since, limit);
	struct page_reader *r = calloc(1, sizeof *r + in->ack.raw.n + raw.n +
	    name.n);

	if (r == NULL) {
		refuse_memory(s, in);
		return (false);
	}
	r->ask.page = page_answer;
	r->since = *since;
	r->raw = r->bytes + in->ack.raw.n;
	r->raw_len = raw.n;
	memcpy(r->raw, raw.p, raw.n);
	r->name = r->raw + raw.n;
	r->name_len = name.n;
	memcpy(r->name, name.p, name.n);
	waiter_begin(&r->waiter, WAITER_READ, s, &in->ack, r->bytes);
	if (history_ask(s->hub, &r->ask, s->ns, name, &part))
		return (true);
	page_free(s->hub, r);
	refuse(s, in, REFUSED_UNAVAILABLE, "what was kept cannot be read now");
	return (false);
}
