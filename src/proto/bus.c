/*
 * Envelopes as frames; see bus.h.  The relay reads only the fixed header
 * (bus_frame), workers encode and decode the rest.
 */
#include "proto/bus.h"

#include "base/slotset.h"

#define WIRE_VERSION	2

enum tag {
	TAG_NSP = 1, TAG_EVENT, TAG_ARGS, TAG_META, TAG_ROOM, TAG_USER, TAG_SID,
	TAG_EXCEPT, TAG_COUNT, TAG_SENT, TAG_ATTACHMENT, TAG_OFFSET,
	TAG_JOIN, TAG_LEAVE,
	TAG__MAX
};

#define FIELD_HEADER	5	/* u8 tag, u32 length */

/* --- little-endian words ------------------------------------------------- */

static uint64_t
get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	while (bytes-- > 0)
		v = v << 8 | p[bytes];
	return (v);
}

static uint8_t *
put(uint8_t *p, uint64_t v, unsigned bytes)
{
	while (bytes-- > 0) {
		*p++ = (uint8_t)v;
		v >>= 8;
	}
	return (p);
}

/* --- decoding ------------------------------------------------------------ */

ssize_t
bus_frame(struct slice in, uint64_t slots[2], uint16_t *flags)
{
	uint64_t size;

	if (in.n < 4)
		return (CODEC_MORE);
	size = get(in.p, 4);
	if (size < BUS_HEADER || size > BUS_FRAME_MAX)
		return (CODEC_BAD);
	if (in.n > 5 && in.p[5] != WIRE_VERSION)
		return (CODEC_BAD);
	if (in.n < size)
		return (CODEC_MORE);
	*flags = (uint16_t)get(in.p + 6, 2);
	slots[0] = get(in.p + 8, 8);
	slots[1] = get(in.p + 16, 8);
	return ((ssize_t)size);
}

static bool
add(struct slice list[BUS_LIST_MAX], size_t *n, struct slice s)
{
	if (*n == BUS_LIST_MAX)
		return (false);
	list[(*n)++] = s;
	return (true);
}

static bool
take_u64(struct slice s, uint64_t *v)
{
	if (s.n != 8)
		return (false);
	*v = get(s.p, 8);
	return (true);
}

static bool
take_field(struct bus_envelope *e, uint8_t tag, struct slice s)
{
	if (tag == 0 || tag >= TAG__MAX)
		return (true);		/* of a later version */
	switch ((enum tag)tag) {
	case TAG_NSP:
		e->nsp = s;
		return (true);
	case TAG_EVENT:
		e->event = s;
		return (true);
	case TAG_ARGS:
		e->args = s;
		return (true);
	case TAG_META:
		e->meta = s;
		return (true);
	case TAG_ROOM:
		return (add(e->rooms, &e->nrooms, s));
	case TAG_USER:
		return (add(e->users, &e->nusers, s));
	case TAG_SID:
		return (add(e->sids, &e->nsids, s));
	case TAG_EXCEPT:
		return (add(e->except, &e->nexcept, s));
	case TAG_COUNT:
		return (take_u64(s, &e->count));
	case TAG_SENT:
		return (take_u64(s, &e->sent_us));
	case TAG_OFFSET:
		e->offset = s;
		return (true);
	case TAG_ATTACHMENT:
		if (e->nattach == BUS_ATTACHMENTS_MAX)
			return (false);
		e->attachments[e->nattach++] = s;
		return (true);
	case TAG_JOIN:
		return (add(e->join, &e->njoin, s));
	case TAG_LEAVE:
		return (add(e->leave, &e->nleave, s));
	case TAG__MAX:
		break;
	}
	return (false);
}

/* Everything but the lists, which their counts make empty. */
static void
envelope_init(struct bus_envelope *e)
{
	e->nsp = e->event = e->args = e->meta = e->offset =
	    slice_of(NULL, 0);
	e->nrooms = e->nusers = e->nsids = e->nexcept = e->nattach = 0;
	e->njoin = e->nleave = 0;
	e->count = e->sent_us = 0;
}

/* The relay, which is slot 0, publishes, and hears nothing of it. */
static bool
may_come_from(enum bus_kind kind, uint16_t flags, uint16_t from)
{
	if (from == 0)
		return (kind == BUS_PUBLISH &&
		    (flags & (BUS_WANT_COUNT | BUS_WANT_ANSWERS)) == 0);
	return (slotset_fits(from));
}

ssize_t
bus_decode(struct slice in, struct bus_envelope *e)
{
	ssize_t size = bus_frame(in, e->slots, &e->flags);
	struct slice rest;
	size_t n;

	if (size <= 0)
		return (size);
	envelope_init(e);
	e->kind = (enum bus_kind)in.p[4];
	e->from = (uint16_t)get(in.p + 24, 2);
	if (!may_come_from(e->kind, e->flags, e->from))
		return (CODEC_BAD);
	e->generation = (uint16_t)get(in.p + 26, 2);
	e->ref = (uint32_t)get(in.p + 28, 4);
	rest = slice_of(in.p + BUS_HEADER, (size_t)size - BUS_HEADER);
	while (rest.n > 0) {
		if (rest.n < FIELD_HEADER)
			return (CODEC_BAD);
		n = (size_t)get(rest.p + 1, 4);
		if (n > rest.n - FIELD_HEADER)
			return (CODEC_BAD);
		if (!take_field(e, rest.p[0], slice_of(rest.p + FIELD_HEADER,
		    n)))
			return (CODEC_BAD);
		rest = slice_from(rest, FIELD_HEADER + n);
	}
	return (size);
}

/* --- encoding ------------------------------------------------------------ */

static size_t
field_size(struct slice s)
{
	return (s.n == 0 ? 0 : FIELD_HEADER + s.n);
}

/* List members may be empty and keep their place. */
static size_t
list_size(const struct slice *list, size_t n)
{
	size_t i, size = n * FIELD_HEADER;

	for (i = 0; i < n; i++)
		size += list[i].n;
	return (size);
}

static size_t
envelope_size(const struct bus_envelope *e)
{
	return (BUS_HEADER + field_size(e->nsp) + field_size(e->event) +
	    field_size(e->args) + field_size(e->meta) +
	    field_size(e->offset) +
	    list_size(e->rooms, e->nrooms) + list_size(e->users, e->nusers) +
	    list_size(e->sids, e->nsids) + list_size(e->except, e->nexcept) +
	    list_size(e->attachments, e->nattach) +
	    list_size(e->join, e->njoin) + list_size(e->leave, e->nleave) +
	    (e->count != 0 ? FIELD_HEADER + 8 : 0) +
	    (e->sent_us != 0 ? FIELD_HEADER + 8 : 0));
}

static uint8_t *
put_member(uint8_t *p, enum tag tag, struct slice s)
{
	p = put(p, tag, 1);
	p = put(p, s.n, 4);
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return (p + s.n);
}

static uint8_t *
put_field(uint8_t *p, enum tag tag, struct slice s)
{
	return (s.n == 0 ? p : put_member(p, tag, s));
}

static uint8_t *
put_list(uint8_t *p, enum tag tag, const struct slice *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		p = put_member(p, tag, list[i]);
	return (p);
}

static uint8_t *
put_u64(uint8_t *p, enum tag tag, uint64_t v)
{
	if (v == 0)
		return (p);
	p = put(p, tag, 1);
	p = put(p, 8, 4);
	return (put(p, v, 8));
}

bool
bus_encode(struct buf *b, const struct bus_envelope *e)
{
	size_t size;
	uint8_t *p;

	if (e->nrooms > BUS_LIST_MAX || e->nusers > BUS_LIST_MAX ||
	    e->nsids > BUS_LIST_MAX || e->nexcept > BUS_LIST_MAX ||
	    e->njoin > BUS_LIST_MAX || e->nleave > BUS_LIST_MAX ||
	    e->nattach > BUS_ATTACHMENTS_MAX)
		return (false);
	size = envelope_size(e);
	if (size > BUS_FRAME_MAX || !buf_reserve(b, size))
		return (false);
	p = b->data + b->wpos;
	p = put(p, size, 4);
	p = put(p, (uint64_t)e->kind, 1);
	p = put(p, WIRE_VERSION, 1);
	p = put(p, e->flags, 2);
	p = put(p, e->slots[0], 8);
	p = put(p, e->slots[1], 8);
	p = put(p, e->from, 2);
	p = put(p, e->generation, 2);
	p = put(p, e->ref, 4);
	p = put_field(p, TAG_NSP, e->nsp);
	p = put_field(p, TAG_EVENT, e->event);
	p = put_field(p, TAG_ARGS, e->args);
	p = put_field(p, TAG_META, e->meta);
	p = put_field(p, TAG_OFFSET, e->offset);
	p = put_list(p, TAG_ROOM, e->rooms, e->nrooms);
	p = put_list(p, TAG_USER, e->users, e->nusers);
	p = put_list(p, TAG_SID, e->sids, e->nsids);
	p = put_list(p, TAG_EXCEPT, e->except, e->nexcept);
	p = put_list(p, TAG_ATTACHMENT, e->attachments, e->nattach);
	p = put_list(p, TAG_JOIN, e->join, e->njoin);
	p = put_list(p, TAG_LEAVE, e->leave, e->nleave);
	p = put_u64(p, TAG_COUNT, e->count);
	p = put_u64(p, TAG_SENT, e->sent_us);
	MUST(p == b->data + b->wpos + size);
	b->wpos += size;
	return (true);
}
