/*
 * An envelope as a frame; see bus.h.
 */
#include "proto/bus_int.h"

/* Twice over the same fields: how large they are, and then written. */
struct bus_writer {
	uint8_t		*p;		/* NULL: only measuring */
	size_t		 n;		/* bytes so far */
	bool		 bad;		/* a list is too long */
};

static void
bus_put_member(struct bus_writer *w, enum tag tag, struct slice s)
{
	w->n += BUS_FIELD_HEADER + s.n;
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
	bus_put_slice(w, TAG_CONFLATE, p->conflate);
	bus_put_slice(w, TAG_TRACE, p->trace);
	bus_put_audience(w, &p->to);
	bus_put_list(w, TAG_ATTACHMENT, p->attachments, p->nattach,
	    BUS_ATTACHMENTS_MAX);
	bus_put_slice(w, TAG_EPOCH, p->epoch);
	bus_put_number(w, TAG_KEPT, p->kept);
	bus_put_number(w, TAG_EDITS, p->edits);
	bus_put_slice(w, TAG_INSTEAD, p->instead);
	bus_put_slice(w, TAG_KEY, p->key);
	bus_put_number(w, TAG_FROM, p->keyed);
	bus_put_number(w, TAG_SINCE, p->base);
	bus_put_slice(w, TAG_BASED, p->based);
	bus_put_number(w, TAG_COUNT, p->timeout_ms);
	bus_put_number(w, TAG_SENT, p->sent_us);
}

static void
bus_put_kept(struct bus_writer *w, const struct bus_kept *k)
{
	bus_put_number(w, TAG_COUNT, k->result);
	bus_put_slice(w, TAG_EPOCH, k->epoch);
	bus_put_number(w, TAG_KEPT, k->kept);
	bus_put_number(w, TAG_SINCE, k->version);
	bus_put_number(w, TAG_JOIN, k->slots[0]);
	bus_put_number(w, TAG_LEAVE, k->slots[1]);
}

static void
bus_put_history(struct bus_writer *w, const struct bus_history *h)
{
	bus_put_slice(w, TAG_NSP, h->nsp);
	bus_put_slice(w, TAG_ROOM, h->room);
	bus_put_number(w, TAG_FROM, h->from);
	bus_put_slice(w, TAG_EPOCH, h->epoch);
	bus_put_number(w, TAG_SINCE, h->since);
	bus_put_slice(w, TAG_KEY, h->key);
	bus_put_number(w, TAG_LIMIT, h->limit);
	bus_put_number(w, TAG_BYTES, h->bytes);
}

static void
bus_put_page(struct bus_writer *w, const struct bus_page *p)
{
	bus_put_number(w, TAG_COUNT, p->result);
	bus_put_slice(w, TAG_EPOCH, p->epoch);
	bus_put_number(w, TAG_KEPT, p->top);
	bus_put_number(w, TAG_FIRST, p->first);
	bus_put_number(w, TAG_FINISHED, p->finished);
	bus_put_slice(w, TAG_ARGS, p->frames);
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
	bus_put_slice(w, TAG_OFFSET, m->after);
	bus_put_number(w, TAG_LIMIT, m->limit);
	bus_put_audience(w, &m->to);
}

static void
bus_put_revoke(struct bus_writer *w, const struct bus_revoke *r)
{
	bus_put_number(w, TAG_COUNT, r->what);
	bus_put_slice(w, TAG_USER, r->name);
	bus_put_number(w, TAG_SENT, r->moment);
	bus_put_number(w, TAG_EXCEPT, r->until);
	bus_put_number(w, TAG_SINCE, r->grace);
	bus_put_slice(w, TAG_ARGS, r->reason);
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
bus_put_session(struct bus_writer *w, const struct bus_session *s)
{
	bus_put_number(w, TAG_COUNT, s->is);
	bus_put_slice(w, TAG_NSP, s->nsp);
	bus_put_slice(w, TAG_PID, s->pid);
	bus_put_slice(w, TAG_SID, s->sid);
	if (s->has_user)
		bus_put_member(w, TAG_USER, s->user);
	bus_put_slice(w, TAG_OFFSET, s->offset);
	bus_put_number(w, TAG_SINCE, s->since);
	bus_put_slice(w, TAG_ARGS, s->records);
}

static void
bus_put_box(struct bus_writer *w, const struct bus_box *q)
{
	bus_put_number(w, TAG_COUNT, q->what);
	bus_put_slice(w, TAG_NSP, q->nsp);
	bus_put_slice(w, TAG_USER, q->user);
	bus_put_slice(w, TAG_ARGS, q->body);
}

static void
bus_put_had(struct bus_writer *w, const uint64_t had[2])
{
	bus_put_number(w, TAG_JOIN, had[0]);
	bus_put_number(w, TAG_LEAVE, had[1]);
}

static void
bus_put(struct bus_writer *w, const struct bus_envelope *e)
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
		bus_put_publish(w, &e->publish);
		break;
	case BUS_COUNT:
		bus_put_number(w, TAG_COUNT, e->count.receivers);
		bus_put_had(w, e->had);
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
		bus_put_had(w, e->had);
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
	case BUS_KEPT:
		bus_put_kept(w, &e->kept);
		break;
	case BUS_HISTORY:
		bus_put_history(w, &e->history);
		break;
	case BUS_PAGE:
	case BUS_STREAMED:
		bus_put_page(w, &e->page);
		break;
	case BUS_HOOKS:
		bus_put_number(w, TAG_COUNT, e->hooks.what);
		bus_put_slice(w, TAG_EVENT, e->hooks.hook);
		bus_put_number(w, TAG_SINCE, e->hooks.since);
		bus_put_number(w, TAG_LIMIT, e->hooks.limit);
		bus_put_slice(w, TAG_ARGS, e->hooks.ids);
		break;
	case BUS_BOX:
	case BUS_BOXED:
		bus_put_box(w, &e->box);
		break;
	case BUS_CUT:
		bus_put_number(w, TAG_LEAVE, e->cut.giver);
		bus_put_number(w, TAG_JOIN, e->cut.heir);
		bus_put_number(w, TAG_COUNT, e->cut.batch);
		break;
	case BUS_MARK:
		bus_put_number(w, TAG_COUNT, e->mark.batch);
		bus_put_number(w, TAG_EXCEPT, e->mark.refused);
		break;
	case BUS_REVOKE:
		bus_put_revoke(w, &e->revoke);
		break;
	case BUS_SESSION:
	case BUS_SESSION_TAKE:
	case BUS_SESSION_TAKEN:
	case BUS_SESSION_OVER:
		bus_put_session(w, &e->session);
		break;
	case BUS_RECOVER_NONE:
	case BUS_ANSWERS_END:
	case BUS_LEAVE:
		break;
	}
}

static uint8_t *
bus_put_header(uint8_t *p, const struct bus_envelope *e, size_t size)
{
	p = bus_word_put(p, size, 4);
	p = bus_word_put(p, (uint64_t)e->kind, 1);
	p = bus_word_put(p, BUS_WIRE_VERSION, 1);
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

/* What of a publication is about this sending of it. */
static void
bus_put_sending(struct bus_writer *w, const struct bus_envelope *e)
{
	if (e->kind != BUS_PUBLISH)
		return;
	bus_put_number(w, TAG_COUNT, e->publish.timeout_ms);
	bus_put_number(w, TAG_SENT, e->publish.sent_us);
}

bool
bus_frame_address(struct buf *b, size_t at, const struct bus_envelope *e)
{
	struct bus_writer w = { .n = 0 };

	bus_put_sending(&w, e);
	if (!buf_reserve(b, w.n))
		return (false);
	w.p = b->data + b->wpos;
	bus_put_sending(&w, e);
	b->wpos = (size_t)(w.p - b->data);
	(void)bus_put_header(b->data + at, e, b->wpos - at);
	return (true);
}
