/*
 * Numbered frames; see number.h.
 */
#include "relay/store/number.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/slotset.h"

#define NUMBER_OFFSET_MAX (STORE_EPOCH_MAX + 24)

/* {...} and two members more, or, of the last one, three. */
static void
number_meta(struct buf *b, struct slice meta, struct slice epoch,
    uint64_t kept, bool last)
{
	buf_slice(b, slice_of(meta.p, meta.n - 1));
	if (meta.n > 2)
		buf_byte(b, ',');
	buf_str(b, "\"epoch\":\"");
	buf_slice(b, epoch);
	buf_str(b, "\",\"offset\":");
	buf_u64(b, kept);
	buf_str(b, last ? ",\"finished\":true}" : "}");
}

/* {...} with the place as its first member. */
static void
number_rev(struct buf *b, struct slice object, uint64_t kept)
{
	buf_str(b, "{\"rev\":");
	buf_u64(b, kept);
	if (object.n > 2)
		buf_byte(b, ',');
	buf_slice(b, slice_from(object, 1));
}

/* What is said about the room that keeps it, in scratch. */
static void
number_says(struct bus_publish *p, const struct number_place *room, bool last,
    struct buf *scratch)
{
	bool rev = (p->keyed & KEYED_REV) != 0 && p->args.n >= 2 &&
	    p->args.p[0] == '{';
	bool meta = p->meta.n >= 2 && p->meta.p[p->meta.n - 1] == '}';
	size_t n;

	if (rev)
		number_rev(scratch, p->args, room->kept);
	n = scratch->wpos;
	if (meta)
		number_meta(scratch, p->meta, room->epoch, room->kept, last);
	if (scratch->oom)
		return;
	if (rev)
		p->args = slice_of(scratch->data, n);
	if (meta)
		p->meta = slice_of(scratch->data + n, scratch->wpos - n);
}

/* It is as it was asked for: what was to be so before is not of interest. */
static void
number_keyed(struct bus_publish *p)
{
	if ((p->keyed & KEYED_VERSION) == 0)
		p->base = 0;
	p->based = slice_of(NULL, 0);
	p->keyed &= KEYED_GONE | KEYED_VERSION;
}

/* "EPOCH:PLACE" */
static struct slice
number_offset(char out[NUMBER_OFFSET_MAX], struct slice epoch, uint64_t kept)
{
	int n = snprintf(out, NUMBER_OFFSET_MAX, "\"%.*s:%" PRIu64 "\"",
	    (int)epoch.n, (const char *)epoch.p, kept);

	MUST(n > 0 && n < NUMBER_OFFSET_MAX);
	return (slice_of(out, (size_t)n));
}

bool
number_frame(const struct store_append *a, const struct number_place *at,
    const struct number_place *room, struct buf *meta, struct buf *out)
{
	struct bus_envelope *e = a->e;
	struct bus_publish *p = &e->publish;
	char offset[NUMBER_OFFSET_MAX];
	/* the room ends, and not its namespace's journal */
	uint16_t last;
	bool good;

	if (a->journal)
		p->offset = number_offset(offset, at->epoch, at->kept);
	else
		room = at;
	last = room == NULL ? 0 : a->asker.flags & BUS_FINISH;
	if (room != NULL) {
		p->epoch = room->epoch;
		p->kept = room->kept;
	}
	p->timeout_ms = p->sent_us = 0;
	buf_reset(meta);
	if (room != NULL)
		number_says(p, room, last != 0, meta);
	number_keyed(p);
	e->kind = BUS_PUBLISH;
	e->flags = BUS_NUMBERED |
	    (a->asker.flags & (BUS_NAMED | BUS_EDIT)) | last;
	slotset_clear(e->slots);
	e->from = e->generation = 0;
	e->ref = 0;
	buf_reset(out);
	good = !meta->oom && bus_encode(out, e);
	if (a->journal)
		p->offset = slice_of(NULL, 0);
	meta->oom = out->oom = false;
	return (good);
}
