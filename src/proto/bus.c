/*
 * What envelopes of each kind begin as; see bus.h.  Called by those who send
 * them, and by bus_decode.c before it reads one.
 */
#include "proto/bus_int.h"

#include "base/slotset.h"

static void
bus_of_kind(struct bus_envelope *e, enum bus_kind kind)
{
	e->kind = kind;
	e->flags = 0;
}

static void
bus_to_nobody(struct bus_audience *a)
{
	a->nrooms = a->nusers = a->nsids = a->nexcept = 0;
}

static struct bus_publish *
bus_publication(struct bus_envelope *e, enum bus_kind kind)
{
	struct bus_publish *p = &e->publish;

	bus_of_kind(e, kind);
	p->nsp = p->event = p->args = p->meta = p->trace = slice_of(NULL, 0);
	p->offset = p->once = p->epoch = p->conflate = slice_of(NULL, 0);
	p->instead = slice_of(NULL, 0);
	p->key = p->based = slice_of(NULL, 0);
	p->keyed = p->base = 0;
	p->nattach = 0;
	p->kept = p->edits = p->timeout_ms = p->sent_us = 0;
	bus_to_nobody(&p->to);
	return (p);
}

struct bus_publish *
bus_publish(struct bus_envelope *e)
{
	return (bus_publication(e, BUS_PUBLISH));
}

struct bus_publish *
bus_keep(struct bus_envelope *e)
{
	return (bus_publication(e, BUS_KEEP));
}

struct bus_publish *
bus_trim(struct bus_envelope *e)
{
	return (bus_publication(e, BUS_TRIM));
}

struct bus_publish *
bus_forward(struct bus_envelope *e)
{
	return (bus_publication(e, BUS_FORWARD));
}

struct bus_publish *
bus_queue(struct bus_envelope *e)
{
	return (bus_publication(e, BUS_QUEUE));
}

struct bus_publish *
bus_inbox(struct bus_envelope *e)
{
	return (bus_publication(e, BUS_INBOX));
}

struct bus_publish *
bus_reply(struct bus_envelope *e)
{
	return (bus_publication(e, BUS_REPLY));
}

struct bus_publish *
bus_journal(struct bus_envelope *e)
{
	return (bus_publication(e, BUS_JOURNAL));
}

void
bus_count(struct bus_envelope *e, uint64_t receivers)
{
	bus_of_kind(e, BUS_COUNT);
	slotset_clear(e->had);
	e->count.receivers = receivers;
}

struct bus_disconnect *
bus_disconnect(struct bus_envelope *e)
{
	struct bus_disconnect *d = &e->disconnect;

	bus_of_kind(e, BUS_DISCONNECT);
	d->nsp = d->reason = slice_of(NULL, 0);
	bus_to_nobody(&d->to);
	return (d);
}

struct bus_rooms *
bus_rooms(struct bus_envelope *e)
{
	struct bus_rooms *r = &e->rooms;

	bus_of_kind(e, BUS_ROOMS);
	r->nsp = slice_of(NULL, 0);
	r->njoin = r->nleave = 0;
	bus_to_nobody(&r->to);
	return (r);
}

struct bus_answers *
bus_answers(struct bus_envelope *e)
{
	bus_of_kind(e, BUS_ANSWERS);
	slotset_clear(e->had);
	e->answers = (struct bus_answers){ .asked = 0 };
	return (&e->answers);
}

struct bus_revoke *
bus_revoke(struct bus_envelope *e)
{
	bus_of_kind(e, BUS_REVOKE);
	e->revoke = (struct bus_revoke){ .what = 0 };
	return (&e->revoke);
}

void
bus_answers_end(struct bus_envelope *e)
{
	bus_of_kind(e, BUS_ANSWERS_END);
}

struct bus_recover_ask *
bus_recover_ask(struct bus_envelope *e)
{
	bus_of_kind(e, BUS_RECOVER_ASK);
	e->recover_ask = (struct bus_recover_ask){ .has_user = false };
	return (&e->recover_ask);
}

void
bus_recover_none(struct bus_envelope *e)
{
	bus_of_kind(e, BUS_RECOVER_NONE);
}

void
bus_recover_state(struct bus_envelope *e, struct slice records)
{
	bus_of_kind(e, BUS_RECOVER_STATE);
	e->recover_state.records = records;
}

void
bus_recover_joined(struct bus_envelope *e, const uint64_t others[2])
{
	bus_of_kind(e, BUS_RECOVER_JOINED);
	slotset_copy(e->recover_joined.others, others);
}

void
bus_recover_barrier(struct bus_envelope *e, unsigned holder)
{
	bus_of_kind(e, BUS_RECOVER_BARRIER);
	e->recover_barrier.holder = (uint16_t)holder;
}

void
bus_recover_passed(struct bus_envelope *e, unsigned asker)
{
	bus_of_kind(e, BUS_RECOVER_PASSED);
	e->recover_passed.asker = (uint16_t)asker;
}

void
bus_recover_late(struct bus_envelope *e, uint64_t number,
    struct slice records)
{
	bus_of_kind(e, BUS_RECOVER_LATE);
	e->recover_late.number = number;
	e->recover_late.records = records;
}

void
bus_recover_done(struct bus_envelope *e, uint64_t nlate)
{
	bus_of_kind(e, BUS_RECOVER_DONE);
	e->recover_done.nlate = nlate;
}

void
bus_publish_body(struct bus_envelope *e, struct slice body)
{
	bus_of_kind(e, BUS_PUBLISH_BODY);
	e->publish_body.body = body;
}

struct bus_members *
bus_members(struct bus_envelope *e, enum bus_members_what what)
{
	struct bus_members *m = &e->members;

	bus_of_kind(e, BUS_MEMBERS);
	m->nsp = slice_of(NULL, 0);
	m->what = what;
	m->after = slice_of(NULL, 0);
	m->limit = 0;
	bus_to_nobody(&m->to);
	return (m);
}

struct bus_kept *
bus_kept(struct bus_envelope *e, enum bus_store result)
{
	bus_of_kind(e, BUS_KEPT);
	e->kept = (struct bus_kept){ .result = result };
	return (&e->kept);
}

struct bus_history *
bus_history(struct bus_envelope *e, enum bus_history_from from)
{
	bus_of_kind(e, BUS_HISTORY);
	e->history = (struct bus_history){ .from = from };
	return (&e->history);
}

struct bus_page *
bus_page(struct bus_envelope *e, enum bus_store result)
{
	bus_of_kind(e, BUS_PAGE);
	e->page = (struct bus_page){ .result = result };
	return (&e->page);
}

struct bus_page *
bus_streamed(struct bus_envelope *e, enum bus_store result)
{
	(void)bus_page(e, result);
	bus_of_kind(e, BUS_STREAMED);
	return (&e->page);
}

struct bus_session *
bus_session(struct bus_envelope *e, enum bus_kind kind, enum bus_session_is is)
{
	bus_of_kind(e, kind);
	e->session = (struct bus_session){ .is = is };
	return (&e->session);
}

struct bus_box *
bus_box(struct bus_envelope *e, uint64_t op)
{
	bus_of_kind(e, BUS_BOX);
	e->box = (struct bus_box){ .what = op };
	return (&e->box);
}

struct bus_box *
bus_boxed(struct bus_envelope *e, enum bus_store result)
{
	(void)bus_box(e, (uint64_t)result);
	bus_of_kind(e, BUS_BOXED);
	return (&e->box);
}

void
bus_cut(struct bus_envelope *e, unsigned giver, unsigned heir, uint64_t batch)
{
	bus_of_kind(e, BUS_CUT);
	e->cut.giver = (uint16_t)giver;
	e->cut.heir = (uint16_t)heir;
	e->cut.batch = batch;
}

void
bus_leave(struct bus_envelope *e)
{
	bus_of_kind(e, BUS_LEAVE);
}

void
bus_mark(struct bus_envelope *e, uint64_t batch, bool refused)
{
	bus_of_kind(e, BUS_MARK);
	e->mark.batch = batch;
	e->mark.refused = refused;
}

struct bus_hooks *
bus_hooks(struct bus_envelope *e, enum bus_hooks_what what)
{
	bus_of_kind(e, BUS_HOOKS);
	e->hooks = (struct bus_hooks){ .what = what };
	return (&e->hooks);
}

void
bus_had(struct bus_envelope *e, const uint64_t slots[2])
{
	if (slotset_empty(slots))
		return;
	e->flags |= BUS_SHADOW;
	slotset_copy(e->had, slots);
}

void
bus_empty(struct bus_envelope *e, enum bus_kind kind)
{
	static const uint64_t nobody[2];
	const struct slice nothing = { NULL, 0 };

	switch (kind) {
	case BUS_PUBLISH:
		(void)bus_publish(e);
		break;
	case BUS_COUNT:
		bus_count(e, 0);
		break;
	case BUS_DISCONNECT:
		(void)bus_disconnect(e);
		break;
	case BUS_ROOMS:
		(void)bus_rooms(e);
		break;
	case BUS_ANSWERS:
		(void)bus_answers(e);
		break;
	case BUS_RECOVER_ASK:
		(void)bus_recover_ask(e);
		break;
	case BUS_RECOVER_STATE:
		bus_recover_state(e, nothing);
		break;
	case BUS_RECOVER_JOINED:
		bus_recover_joined(e, nobody);
		break;
	case BUS_RECOVER_BARRIER:
		bus_recover_barrier(e, 0);
		break;
	case BUS_RECOVER_PASSED:
		bus_recover_passed(e, 0);
		break;
	case BUS_RECOVER_LATE:
		bus_recover_late(e, 0, nothing);
		break;
	case BUS_RECOVER_DONE:
		bus_recover_done(e, 0);
		break;
	case BUS_PUBLISH_BODY:
		bus_publish_body(e, nothing);
		break;
	case BUS_MEMBERS:
		bus_members(e, BUS_MEMBERS_WHOLE)->what = 0;
		break;
	case BUS_KEEP:
		(void)bus_keep(e);
		break;
	case BUS_JOURNAL:
		(void)bus_journal(e);
		break;
	case BUS_KEPT:
		bus_kept(e, BUS_STORE_OK)->result = 0;
		break;
	case BUS_HISTORY:
		bus_history(e, BUS_HISTORY_TOP)->from = 0;
		break;
	case BUS_PAGE:
		bus_page(e, BUS_STORE_OK)->result = 0;
		break;
	case BUS_FORWARD:
	case BUS_QUEUE:
	case BUS_INBOX:
	case BUS_REPLY:
	case BUS_TRIM:
		(void)bus_publication(e, kind);
		break;
	case BUS_STREAMED:
		bus_streamed(e, BUS_STORE_OK)->result = 0;
		break;
	case BUS_BOX:
	case BUS_BOXED:
		(void)bus_box(e, 0);
		break;
	case BUS_CUT:
		bus_cut(e, 0, 0, 0);
		break;
	case BUS_MARK:
		bus_mark(e, 0, false);
		break;
	case BUS_REVOKE:
		(void)bus_revoke(e);
		break;
	case BUS_HOOKS:
		bus_hooks(e, BUS_HOOKS_LIST)->what = 0;
		break;
	case BUS_SESSION:
	case BUS_SESSION_TAKE:
	case BUS_SESSION_TAKEN:
	case BUS_SESSION_OVER:
		bus_session(e, kind, BUS_SESSION_BEGUN)->is = 0;
		break;
	case BUS_RECOVER_NONE:
	case BUS_ANSWERS_END:
	case BUS_LEAVE:
		break;
	}
	bus_of_kind(e, kind);
}
