/*
 * A frame as an envelope, in the worker that it is for; see bus.h.
 */
#include "proto/bus_int.h"

#include "base/slotset.h"

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

/* Slots: who had the question, who gets an event. */
static bool
bus_take_had(uint64_t had[2], enum tag tag, struct slice s)
{
	return (bus_take_number(&had[tag == TAG_LEAVE], s));
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
	case TAG_CONFLATE:
		return (bus_take_slice(&p->conflate, s));
	case TAG_TRACE:
		return (bus_take_slice(&p->trace, s));
	case TAG_ATTACHMENT:
		return (bus_take_member(p->attachments, &p->nattach,
		    BUS_ATTACHMENTS_MAX, s));
	case TAG_EPOCH:
		return (bus_take_slice(&p->epoch, s));
	case TAG_KEPT:
		return (bus_take_number(&p->kept, s));
	case TAG_EDITS:
		return (bus_take_number(&p->edits, s));
	case TAG_INSTEAD:
		return (bus_take_slice(&p->instead, s));
	case TAG_KEY:
		return (bus_take_slice(&p->key, s));
	case TAG_FROM:
		return (bus_take_number(&p->keyed, s));
	case TAG_SINCE:
		return (bus_take_number(&p->base, s));
	case TAG_BASED:
		return (bus_take_slice(&p->based, s));
	case TAG_COUNT:
		return (bus_take_number(&p->timeout_ms, s));
	case TAG_SENT:
		return (bus_take_number(&p->sent_us, s));
	}
	return (bus_take_audience(&p->to, tag, s));
}

static bool
bus_take_kept(struct bus_kept *k, enum tag tag, struct slice s)
{
	switch ((unsigned)tag) {
	case TAG_COUNT:
		return (bus_take_number(&k->result, s));
	case TAG_EPOCH:
		return (bus_take_slice(&k->epoch, s));
	case TAG_KEPT:
		return (bus_take_number(&k->kept, s));
	case TAG_SINCE:
		return (bus_take_number(&k->version, s));
	case TAG_JOIN:
	case TAG_LEAVE:
		return (bus_take_had(k->slots, tag, s));
	}
	return (true);
}

static bool
bus_take_history(struct bus_history *h, enum tag tag, struct slice s)
{
	switch ((unsigned)tag) {
	case TAG_NSP:
		return (bus_take_slice(&h->nsp, s));
	case TAG_ROOM:
		return (bus_take_slice(&h->room, s));
	case TAG_FROM:
		return (bus_take_number(&h->from, s));
	case TAG_EPOCH:
		return (bus_take_slice(&h->epoch, s));
	case TAG_SINCE:
		return (bus_take_number(&h->since, s));
	case TAG_KEY:
		return (bus_take_slice(&h->key, s));
	case TAG_LIMIT:
		return (bus_take_number(&h->limit, s));
	case TAG_BYTES:
		return (bus_take_number(&h->bytes, s));
	}
	return (true);
}

static bool
bus_take_page(struct bus_page *p, enum tag tag, struct slice s)
{
	uint64_t finished;

	switch ((unsigned)tag) {
	case TAG_COUNT:
		return (bus_take_number(&p->result, s));
	case TAG_EPOCH:
		return (bus_take_slice(&p->epoch, s));
	case TAG_KEPT:
		return (bus_take_number(&p->top, s));
	case TAG_FIRST:
		return (bus_take_number(&p->first, s));
	case TAG_FINISHED:
		if (!bus_take_number(&finished, s))
			return (false);
		p->finished = finished != 0;
		break;
	case TAG_ARGS:
		return (bus_take_slice(&p->frames, s));
	}
	return (true);
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
bus_take_count(struct bus_envelope *e, enum tag tag, struct slice s)
{
	switch ((unsigned)tag) {
	case TAG_COUNT:
		return (bus_take_number(&e->count.receivers, s));
	case TAG_JOIN:
	case TAG_LEAVE:
		return (bus_take_had(e->had, tag, s));
	}
	return (true);
}

static bool
bus_take_answers(struct bus_envelope *e, enum tag tag, struct slice s)
{
	struct bus_answers *a = &e->answers;
	uint64_t both;

	switch ((unsigned)tag) {
	case TAG_JOIN:
	case TAG_LEAVE:
		return (bus_take_had(e->had, tag, s));
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
	case TAG_OFFSET:
		return (bus_take_slice(&m->after, s));
	case TAG_LIMIT:
		return (bus_take_number(&m->limit, s));
	}
	return (bus_take_audience(&m->to, tag, s));
}

static bool
bus_take_revoke(struct bus_revoke *r, enum tag tag, struct slice s)
{
	switch ((unsigned)tag) {
	case TAG_COUNT:
		return (bus_take_number(&r->what, s));
	case TAG_USER:
		return (bus_take_slice(&r->name, s));
	case TAG_SENT:
		return (bus_take_number(&r->moment, s));
	case TAG_EXCEPT:
		return (bus_take_number(&r->until, s));
	case TAG_SINCE:
		return (bus_take_number(&r->grace, s));
	case TAG_ARGS:
		return (bus_take_slice(&r->reason, s));
	}
	return (true);
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
bus_take_session(struct bus_session *q, enum tag tag, struct slice s)
{
	switch ((unsigned)tag) {
	case TAG_COUNT:
		return (bus_take_number(&q->is, s));
	case TAG_NSP:
		return (bus_take_slice(&q->nsp, s));
	case TAG_PID:
		return (bus_take_slice(&q->pid, s));
	case TAG_SID:
		return (bus_take_slice(&q->sid, s));
	case TAG_USER:
		q->has_user = true;
		return (bus_take_slice(&q->user, s));
	case TAG_OFFSET:
		return (bus_take_slice(&q->offset, s));
	case TAG_SINCE:
		return (bus_take_number(&q->since, s));
	case TAG_ARGS:
		return (bus_take_slice(&q->records, s));
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
bus_take_box(struct bus_box *q, enum tag tag, struct slice s)
{
	switch ((unsigned)tag) {
	case TAG_COUNT:
		return (bus_take_number(&q->what, s));
	case TAG_NSP:
		return (bus_take_slice(&q->nsp, s));
	case TAG_USER:
		return (bus_take_slice(&q->user, s));
	case TAG_ARGS:
		return (bus_take_slice(&q->body, s));
	}
	return (true);
}

static bool
bus_take_cut(struct bus_cut *c, enum tag tag, struct slice s)
{
	switch ((unsigned)tag) {
	case TAG_LEAVE:
		return (bus_take_slot(&c->giver, s));
	case TAG_JOIN:
		return (bus_take_slot(&c->heir, s));
	case TAG_COUNT:
		return (bus_take_number(&c->batch, s));
	}
	return (true);
}

static bool
bus_take_mark(struct bus_mark *m, enum tag tag, struct slice s)
{
	uint64_t refused;

	switch ((unsigned)tag) {
	case TAG_COUNT:
		return (bus_take_number(&m->batch, s));
	case TAG_EXCEPT:
		if (!bus_take_number(&refused, s))
			return (false);
		m->refused = refused != 0;
		break;
	}
	return (true);
}

static bool
bus_take_hooks(struct bus_hooks *q, enum tag tag, struct slice s)
{
	switch ((unsigned)tag) {
	case TAG_COUNT:
		return (bus_take_number(&q->what, s));
	case TAG_EVENT:
		return (bus_take_slice(&q->hook, s));
	case TAG_SINCE:
		return (bus_take_number(&q->since, s));
	case TAG_LIMIT:
		return (bus_take_number(&q->limit, s));
	case TAG_ARGS:
		return (bus_take_slice(&q->ids, s));
	}
	return (true);
}

static bool
bus_take(struct bus_envelope *e, enum tag tag, struct slice s)
{
	switch (e->kind) {
	case BUS_PUBLISH:
	case BUS_KEEP:
	case BUS_FORWARD:
	case BUS_QUEUE:
	case BUS_INBOX:
	case BUS_JOURNAL:
	case BUS_REPLY:
	case BUS_TRIM:
		return (bus_take_publish(&e->publish, tag, s));
	case BUS_COUNT:
		return (bus_take_count(e, tag, s));
	case BUS_DISCONNECT:
		return (bus_take_disconnect(&e->disconnect, tag, s));
	case BUS_ROOMS:
		return (bus_take_rooms(&e->rooms, tag, s));
	case BUS_ANSWERS:
		return (bus_take_answers(e, tag, s));
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
	case BUS_KEPT:
		return (bus_take_kept(&e->kept, tag, s));
	case BUS_HISTORY:
		return (bus_take_history(&e->history, tag, s));
	case BUS_PAGE:
	case BUS_STREAMED:
		return (bus_take_page(&e->page, tag, s));
	case BUS_BOX:
	case BUS_BOXED:
		return (bus_take_box(&e->box, tag, s));
	case BUS_CUT:
		return (bus_take_cut(&e->cut, tag, s));
	case BUS_MARK:
		return (bus_take_mark(&e->mark, tag, s));
	case BUS_REVOKE:
		return (bus_take_revoke(&e->revoke, tag, s));
	case BUS_SESSION:
	case BUS_SESSION_TAKE:
	case BUS_SESSION_TAKEN:
	case BUS_SESSION_OVER:
		return (bus_take_session(&e->session, tag, s));
	case BUS_HOOKS:
		return (bus_take_hooks(&e->hooks, tag, s));
	case BUS_RECOVER_NONE:
	case BUS_ANSWERS_END:
	case BUS_LEAVE:
		break;
	}
	return (true);
}

/* The relay, which is slot 0, has no sessions: it publishes, orders, asks, says
 * what became of an order elsewhere, and marks. */
static bool
bus_may_come_from(enum bus_kind kind, uint16_t from)
{
	bool of_relay = kind == BUS_PUBLISH_BODY || kind == BUS_MARK ||
	    kind == BUS_KEPT || kind == BUS_PAGE || kind == BUS_STREAMED ||
	    kind == BUS_SESSION_TAKEN || kind == BUS_SESSION_OVER ||
	    kind == BUS_BOXED;

	if (from == 0)
		return (of_relay || kind == BUS_PUBLISH ||
		    kind == BUS_DISCONNECT || kind == BUS_ROOMS ||
		    kind == BUS_MEMBERS || kind == BUS_ANSWERS ||
		    kind == BUS_ANSWERS_END || kind == BUS_REVOKE ||
		    kind == BUS_REPLY || kind == BUS_INBOX || kind == BUS_BOX);
	return (slotset_fits(from) && !of_relay);
}

/* What a kind cannot be without was there. */
static bool
bus_is_whole(const struct bus_envelope *e)
{
	return ((e->kind != BUS_RECOVER_BARRIER ||
	    slotset_fits(e->recover_barrier.holder)) &&
	    (e->kind != BUS_RECOVER_PASSED ||
	    slotset_fits(e->recover_passed.asker)) &&
	    ((e->kind != BUS_KEEP && e->kind != BUS_TRIM) ||
	    e->publish.to.nrooms == 1) &&
	    ((e->kind != BUS_QUEUE && e->kind != BUS_INBOX) ||
	    e->publish.to.nusers == 1) &&
	    (e->kind != BUS_REPLY || e->publish.to.nsids == 1) &&
	    (e->kind != BUS_HISTORY || (e->history.room.n != 0 &&
	    e->history.from >= BUS_HISTORY_TOP &&
	    e->history.from <= BUS_HISTORY_KEY)) &&
	    (e->kind != BUS_HOOKS || (e->hooks.what >= BUS_HOOKS_LIST &&
	    e->hooks.what <= BUS_HOOKS_FORGET)) &&
	    (e->kind != BUS_CUT || (slotset_fits(e->cut.giver) &&
	    slotset_fits(e->cut.heir) && e->cut.giver != e->cut.heir &&
	    (e->from == e->cut.giver || e->from == e->cut.heir))));
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
		if (rest.n < BUS_FIELD_HEADER)
			return (CODEC_BAD);
		n = (size_t)bus_word(rest.p + 1, 4);
		if (n > rest.n - BUS_FIELD_HEADER)
			return (CODEC_BAD);
		if (!bus_take(e, (enum tag)rest.p[0], slice_of(rest.p +
		    BUS_FIELD_HEADER, n)))
			return (CODEC_BAD);
		rest = slice_from(rest, BUS_FIELD_HEADER + n);
	}
	return (bus_is_whole(e) ? size : CODEC_BAD);
}

bool
bus_whole(struct slice in, struct bus_envelope *e)
{
	/* of nothing there is more to come: that is no envelope, either */
	return (in.n > 0 && bus_decode(in, e) == (ssize_t)in.n);
}
