/*
 * Envelopes as frames; see bus.h.  The relay reads only the fixed header
 * (bus_frame), workers encode and decode the rest.
 */
#include "proto/bus_int.h"

#include "base/slotset.h"

#define WIRE_VERSION	2

/* What stands under a tag depends on the kind: bus_put_*() and bus_take_*(),
 * the same way round, say what. */
enum tag {
	TAG_NSP = 1, TAG_EVENT, TAG_ARGS, TAG_META, TAG_ROOM, TAG_USER, TAG_SID,
	TAG_EXCEPT, TAG_COUNT, TAG_SENT, TAG_ATTACHMENT, TAG_OFFSET,
	TAG_JOIN, TAG_LEAVE, TAG_ONCE,
	TAG__MAX
};

#define FIELD_HEADER	5	/* u8 tag, u32 length */

/* --- little-endian words ------------------------------------------------- */

static uint64_t
bus_word(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	while (bytes-- > 0)
		v = v << 8 | p[bytes];
	return (v);
}

static uint8_t *
bus_word_put(uint8_t *p, uint64_t v, unsigned bytes)
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
	size = bus_word(in.p, 4);
	if (size < BUS_HEADER || size > BUS_FRAME_MAX)
		return (CODEC_BAD);
	if (in.n > 5 && in.p[5] != WIRE_VERSION)
		return (CODEC_BAD);
	if (in.n < size)
		return (CODEC_MORE);
	*flags = (uint16_t)bus_word(in.p + 6, 2);
	slots[0] = bus_word(in.p + 8, 8);
	slots[1] = bus_word(in.p + 16, 8);
	return ((ssize_t)size);
}

/* Each takes one field, or leaves it as one of a later version; false: it
 * cannot be. */

static bool
bus_take_slice(struct slice *to, struct slice s)
{
	*to = s;
	return (true);
}

static bool
bus_take_member(struct slice *list, size_t *n, size_t max, struct slice s)
{
	if (*n == max)
		return (false);
	list[(*n)++] = s;
	return (true);
}

static bool
bus_take_number(uint64_t *to, struct slice s)
{
	if (s.n != 8)
		return (false);
	*to = bus_word(s.p, 8);
	return (true);
}

static bool
bus_take_slot(uint16_t *to, struct slice s)
{
	uint64_t slot;

	if (!bus_take_number(&slot, s) || !slotset_fits(slot))
		return (false);
	*to = (uint16_t)slot;
	return (true);
}

static bool
bus_take_audience(struct bus_audience *a, enum tag tag, struct slice s)
{
	switch ((unsigned)tag) {
	case TAG_ROOM:
		return (bus_take_member(a->rooms, &a->nrooms, BUS_LIST_MAX,
		    s));
	case TAG_USER:
		return (bus_take_member(a->users, &a->nusers, BUS_LIST_MAX,
		    s));
	case TAG_SID:
		return (bus_take_member(a->sids, &a->nsids, BUS_LIST_MAX, s));
	case TAG_EXCEPT:
		return (bus_take_member(a->except, &a->nexcept, BUS_LIST_MAX,
		    s));
	}
	return (true);
}

static bool
bus_take_publish(struct bus_publish *p, enum tag tag, struct slice s)
{
	switch ((unsigned)tag) {
	case TAG_NSP:
		return (bus_take_slice(&p->nsp, s));
	case TAG_EVENT:
		return (bus_take_slice(&p->event, s));
	case TAG_ARGS:
		return (bus_take_slice(&p->args, s));
	case TAG_META:
		return (bus_take_slice(&p->meta, s));
	case TAG_OFFSET:
		return (bus_take_slice(&p->offset, s));
	case TAG_ONCE:
		return (bus_take_slice(&p->once, s));
	case TAG_ATTACHMENT:
		return (bus_take_member(p->attachments, &p->nattach,
		    BUS_ATTACHMENTS_MAX, s));
	case TAG_COUNT:
		return (bus_take_number(&p->timeout_ms, s));
	case TAG_SENT:
		return (bus_take_number(&p->sent_us, s));
	}
	return (bus_take_audience(&p->to, tag, s));
}

static bool
bus_take_disconnect(struct bus_disconnect *d, enum tag tag, struct slice s)
{
	switch ((unsigned)tag) {
	case TAG_NSP:
		return (bus_take_slice(&d->nsp, s));
	case TAG_ARGS:
		return (bus_take_slice(&d->reason, s));
	}
	return (bus_take_audience(&d->to, tag, s));
}

static bool
bus_take_rooms(struct bus_rooms *r, enum tag tag, struct slice s)
{
	switch ((unsigned)tag) {
	case TAG_NSP:
		return (bus_take_slice(&r->nsp, s));
	case TAG_JOIN:
		return (bus_take_member(r->join, &r->njoin, BUS_LIST_MAX, s));
	case TAG_LEAVE:
		return (bus_take_member(r->leave, &r->nleave, BUS_LIST_MAX,
		    s));
	}
	return (bus_take_audience(&r->to, tag, s));
}

static bool
bus_take_answers(struct bus_answers *a, enum tag tag, struct slice s)
{
	uint64_t both;

	switch ((unsigned)tag) {
	case TAG_ARGS:
		return (bus_take_slice(&a->elements, s));
	case TAG_COUNT:
		if (!bus_take_number(&both, s))
			return (false);
		a->asked = (uint32_t)(both >> 32);
		a->answered = (uint32_t)both;
		break;
	}
	return (true);
}

static bool
bus_take_members(struct bus_members *m, enum tag tag, struct slice s)
{
	switch ((unsigned)tag) {
	case TAG_NSP:
		return (bus_take_slice(&m->nsp, s));
	case TAG_COUNT:
		return (bus_take_number(&m->what, s));
	}
	return (bus_take_audience(&m->to, tag, s));
}

static bool
bus_take_recover_ask(struct bus_recover_ask *q, enum tag tag, struct slice s)
{
	switch ((unsigned)tag) {
	case TAG_NSP:
		return (bus_take_slice(&q->nsp, s));
	case TAG_EVENT:
		return (bus_take_slice(&q->pid, s));
	case TAG_OFFSET:
		return (bus_take_slice(&q->offset, s));
	case TAG_USER:
		q->has_user = true;
		return (bus_take_slice(&q->user, s));
	}
	return (true);
}

static bool
bus_take_recover_joined(struct bus_recover_joined *j, enum tag tag,
    struct slice s)
{
	switch ((unsigned)tag) {
	case TAG_COUNT:
		return (bus_take_number(&j->others[0], s));
	case TAG_SENT:
		return (bus_take_number(&j->others[1], s));
	}
	return (true);
}

static bool
bus_take_recover_late(struct bus_recover_late *l, enum tag tag,
    struct slice s)
{
	switch ((unsigned)tag) {
	case TAG_ARGS:
		return (bus_take_slice(&l->records, s));
	case TAG_COUNT:
		return (bus_take_number(&l->number, s));
	}
	return (true);
}

static bool
bus_take(struct bus_envelope *e, enum tag tag, struct slice s)
{
	switch (e->kind) {
	case BUS_PUBLISH:
		return (bus_take_publish(&e->publish, tag, s));
	case BUS_COUNT:
		return (tag != TAG_COUNT ||
		    bus_take_number(&e->count.receivers, s));
	case BUS_DISCONNECT:
		return (bus_take_disconnect(&e->disconnect, tag, s));
	case BUS_ROOMS:
		return (bus_take_rooms(&e->rooms, tag, s));
	case BUS_ANSWERS:
		return (bus_take_answers(&e->answers, tag, s));
	case BUS_RECOVER_ASK:
		return (bus_take_recover_ask(&e->recover_ask, tag, s));
	case BUS_RECOVER_STATE:
		return (tag != TAG_ARGS ||
		    bus_take_slice(&e->recover_state.records, s));
	case BUS_RECOVER_JOINED:
		return (bus_take_recover_joined(&e->recover_joined, tag, s));
	case BUS_RECOVER_BARRIER:
		return (tag != TAG_COUNT ||
		    bus_take_slot(&e->recover_barrier.holder, s));
	case BUS_RECOVER_PASSED:
		return (tag != TAG_COUNT ||
		    bus_take_slot(&e->recover_passed.asker, s));
	case BUS_RECOVER_LATE:
		return (bus_take_recover_late(&e->recover_late, tag, s));
	case BUS_RECOVER_DONE:
		return (tag != TAG_COUNT ||
		    bus_take_number(&e->recover_done.nlate, s));
	case BUS_PUBLISH_BODY:
		return (tag != TAG_ARGS ||
		    bus_take_slice(&e->publish_body.body, s));
	case BUS_MEMBERS:
		return (bus_take_members(&e->members, tag, s));
	case BUS_RECOVER_NONE:
	case BUS_ANSWERS_END:
		break;
	}
	return (true);
}

/* The relay, which is slot 0, has no sessions: it publishes, orders, asks, and
 * says what became of an order elsewhere. */
static bool
bus_may_come_from(enum bus_kind kind, uint16_t from)
{
	bool of_relay = kind == BUS_PUBLISH_BODY || kind == BUS_MEMBERS;

	if (from == 0)
		return (of_relay || kind == BUS_PUBLISH ||
		    kind == BUS_DISCONNECT || kind == BUS_ROOMS ||
		    kind == BUS_ANSWERS || kind == BUS_ANSWERS_END);
	return (slotset_fits(from) && !of_relay);
}

/* What a kind cannot be without was there. */
static bool
bus_is_whole(const struct bus_envelope *e)
{
	return ((e->kind != BUS_RECOVER_BARRIER ||
	    slotset_fits(e->recover_barrier.holder)) &&
	    (e->kind != BUS_RECOVER_PASSED ||
	    slotset_fits(e->recover_passed.asker)));
}

ssize_t
bus_decode(struct slice in, struct bus_envelope *e)
{
	uint16_t flags;
	ssize_t size = bus_frame(in, e->slots, &flags);
	struct slice rest;
	size_t n;

	if (size <= 0)
		return (size);
	bus_empty(e, (enum bus_kind)in.p[4]);
	e->flags = flags;
	e->from = (uint16_t)bus_word(in.p + 24, 2);
	if (!bus_may_come_from(e->kind, e->from))
		return (CODEC_BAD);
	e->generation = (uint16_t)bus_word(in.p + 26, 2);
	e->ref = (uint32_t)bus_word(in.p + 28, 4);
	rest = slice_of(in.p + BUS_HEADER, (size_t)size - BUS_HEADER);
	while (rest.n > 0) {
		if (rest.n < FIELD_HEADER)
			return (CODEC_BAD);
		n = (size_t)bus_word(rest.p + 1, 4);
		if (n > rest.n - FIELD_HEADER)
			return (CODEC_BAD);
		if (!bus_take(e, (enum tag)rest.p[0], slice_of(rest.p +
		    FIELD_HEADER, n)))
			return (CODEC_BAD);
		rest = slice_from(rest, FIELD_HEADER + n);
	}
	return (bus_is_whole(e) ? size : CODEC_BAD);
}

/* --- encoding ------------------------------------------------------------ */

/* Twice over the same fields: how large they are, and then written. */
struct bus_writer {
	uint8_t		*p;		/* NULL: only measuring */
	size_t		 n;		/* bytes so far */
	bool		 bad;		/* a list is too long */
};

static void
bus_put_member(struct bus_writer *w, enum tag tag, struct slice s)
{
	w->n += FIELD_HEADER + s.n;
	if (w->p == NULL)
		return;
	w->p = bus_word_put(w->p, tag, 1);
	w->p = bus_word_put(w->p, s.n, 4);
	if (s.n > 0)
		memcpy(w->p, s.p, s.n);
	w->p += s.n;
}

static void
bus_put_slice(struct bus_writer *w, enum tag tag, struct slice s)
{
	if (s.n != 0)
		bus_put_member(w, tag, s);
}

/* List members may be empty and keep their place. */
static void
bus_put_list(struct bus_writer *w, enum tag tag, const struct slice *list,
    size_t n, size_t max)
{
	size_t i;

	w->bad |= n > max;
	for (i = 0; i < n && i < max; i++)
		bus_put_member(w, tag, list[i]);
}

static void
bus_put_number(struct bus_writer *w, enum tag tag, uint64_t v)
{
	uint8_t bytes[8];

	if (v == 0)
		return;
	(void)bus_word_put(bytes, v, sizeof bytes);
	bus_put_member(w, tag, slice_of(bytes, sizeof bytes));
}

static void
bus_put_audience(struct bus_writer *w, const struct bus_audience *a)
{
	bus_put_list(w, TAG_ROOM, a->rooms, a->nrooms, BUS_LIST_MAX);
	bus_put_list(w, TAG_USER, a->users, a->nusers, BUS_LIST_MAX);
	bus_put_list(w, TAG_SID, a->sids, a->nsids, BUS_LIST_MAX);
	bus_put_list(w, TAG_EXCEPT, a->except, a->nexcept, BUS_LIST_MAX);
}

static void
bus_put_publish(struct bus_writer *w, const struct bus_publish *p)
{
	bus_put_slice(w, TAG_NSP, p->nsp);
	bus_put_slice(w, TAG_EVENT, p->event);
	bus_put_slice(w, TAG_ARGS, p->args);
	bus_put_slice(w, TAG_META, p->meta);
	bus_put_slice(w, TAG_OFFSET, p->offset);
	bus_put_slice(w, TAG_ONCE, p->once);
	bus_put_audience(w, &p->to);
	bus_put_list(w, TAG_ATTACHMENT, p->attachments, p->nattach,
	    BUS_ATTACHMENTS_MAX);
	bus_put_number(w, TAG_COUNT, p->timeout_ms);
	bus_put_number(w, TAG_SENT, p->sent_us);
}

static void
bus_put_disconnect(struct bus_writer *w, const struct bus_disconnect *d)
{
	bus_put_slice(w, TAG_NSP, d->nsp);
	bus_put_slice(w, TAG_ARGS, d->reason);
	bus_put_audience(w, &d->to);
}

static void
bus_put_rooms(struct bus_writer *w, const struct bus_rooms *r)
{
	bus_put_slice(w, TAG_NSP, r->nsp);
	bus_put_audience(w, &r->to);
	bus_put_list(w, TAG_JOIN, r->join, r->njoin, BUS_LIST_MAX);
	bus_put_list(w, TAG_LEAVE, r->leave, r->nleave, BUS_LIST_MAX);
}

static void
bus_put_members(struct bus_writer *w, const struct bus_members *m)
{
	bus_put_slice(w, TAG_NSP, m->nsp);
	bus_put_number(w, TAG_COUNT, m->what);
	bus_put_audience(w, &m->to);
}

static void
bus_put_recover_ask(struct bus_writer *w, const struct bus_recover_ask *q)
{
	bus_put_slice(w, TAG_NSP, q->nsp);
	bus_put_slice(w, TAG_EVENT, q->pid);
	bus_put_slice(w, TAG_OFFSET, q->offset);
	if (q->has_user)
		bus_put_member(w, TAG_USER, q->user);
}

static void
bus_put(struct bus_writer *w, const struct bus_envelope *e)
{
	switch (e->kind) {
	case BUS_PUBLISH:
		bus_put_publish(w, &e->publish);
		break;
	case BUS_COUNT:
		bus_put_number(w, TAG_COUNT, e->count.receivers);
		break;
	case BUS_DISCONNECT:
		bus_put_disconnect(w, &e->disconnect);
		break;
	case BUS_ROOMS:
		bus_put_rooms(w, &e->rooms);
		break;
	case BUS_ANSWERS:
		bus_put_slice(w, TAG_ARGS, e->answers.elements);
		bus_put_number(w, TAG_COUNT, (uint64_t)e->answers.asked << 32 |
		    e->answers.answered);
		break;
	case BUS_RECOVER_ASK:
		bus_put_recover_ask(w, &e->recover_ask);
		break;
	case BUS_RECOVER_STATE:
		bus_put_slice(w, TAG_ARGS, e->recover_state.records);
		break;
	case BUS_RECOVER_JOINED:
		bus_put_number(w, TAG_COUNT, e->recover_joined.others[0]);
		bus_put_number(w, TAG_SENT, e->recover_joined.others[1]);
		break;
	case BUS_RECOVER_BARRIER:
		bus_put_number(w, TAG_COUNT, e->recover_barrier.holder);
		break;
	case BUS_RECOVER_PASSED:
		bus_put_number(w, TAG_COUNT, e->recover_passed.asker);
		break;
	case BUS_RECOVER_LATE:
		bus_put_slice(w, TAG_ARGS, e->recover_late.records);
		bus_put_number(w, TAG_COUNT, e->recover_late.number);
		break;
	case BUS_RECOVER_DONE:
		bus_put_number(w, TAG_COUNT, e->recover_done.nlate);
		break;
	case BUS_PUBLISH_BODY:
		bus_put_slice(w, TAG_ARGS, e->publish_body.body);
		break;
	case BUS_MEMBERS:
		bus_put_members(w, &e->members);
		break;
	case BUS_RECOVER_NONE:
	case BUS_ANSWERS_END:
		break;
	}
}

static uint8_t *
bus_put_header(uint8_t *p, const struct bus_envelope *e, size_t size)
{
	p = bus_word_put(p, size, 4);
	p = bus_word_put(p, (uint64_t)e->kind, 1);
	p = bus_word_put(p, WIRE_VERSION, 1);
	p = bus_word_put(p, e->flags, 2);
	p = bus_word_put(p, e->slots[0], 8);
	p = bus_word_put(p, e->slots[1], 8);
	p = bus_word_put(p, e->from, 2);
	p = bus_word_put(p, e->generation, 2);
	return (bus_word_put(p, e->ref, 4));
}

bool
bus_encode(struct buf *b, const struct bus_envelope *e)
{
	struct bus_writer w = { .n = BUS_HEADER };
	size_t size;

	bus_put(&w, e);
	size = w.n;
	if (w.bad || size > BUS_FRAME_MAX || !buf_reserve(b, size))
		return (false);
	w.p = bus_put_header(b->data + b->wpos, e, size);
	bus_put(&w, e);
	MUST(w.p == b->data + b->wpos + size);
	b->wpos += size;
	return (true);
}
