/*
 * Two envelopes say the same.  For the unit test and the fuzz target of
 * proto/bus.h.
 */
#ifndef TESTS_LIB_BUS_SAME_H
#define TESTS_LIB_BUS_SAME_H

#include "proto/bus.h"

static inline bool
bus_same_list(const struct slice *a, size_t n, const struct slice *b, size_t m)
{
	size_t i;

	for (i = 0; i < n && i < m; i++)
		if (!slice_eq(a[i], b[i]))
			return (false);
	return (n == m);
}

static inline bool
bus_same_audience(const struct bus_audience *a, const struct bus_audience *b)
{
	return (bus_same_list(a->rooms, a->nrooms, b->rooms, b->nrooms) &&
	    bus_same_list(a->users, a->nusers, b->users, b->nusers) &&
	    bus_same_list(a->sids, a->nsids, b->sids, b->nsids) &&
	    bus_same_list(a->except, a->nexcept, b->except, b->nexcept));
}

static inline bool
bus_same_publish(const struct bus_publish *a, const struct bus_publish *b)
{
	return (slice_eq(a->nsp, b->nsp) && slice_eq(a->event, b->event) &&
	    slice_eq(a->args, b->args) && slice_eq(a->meta, b->meta) &&
	    slice_eq(a->offset, b->offset) && slice_eq(a->once, b->once) &&
	    slice_eq(a->trace, b->trace) &&
	    slice_eq(a->conflate, b->conflate) && slice_eq(a->key, b->key) &&
	    a->keyed == b->keyed && a->base == b->base &&
	    slice_eq(a->based, b->based) &&
	    bus_same_list(a->attachments, a->nattach, b->attachments,
	    b->nattach) && slice_eq(a->epoch, b->epoch) &&
	    a->kept == b->kept && a->timeout_ms == b->timeout_ms &&
	    a->sent_us == b->sent_us && bus_same_audience(&a->to, &b->to));
}

static inline bool
bus_same_rooms(const struct bus_rooms *a, const struct bus_rooms *b)
{
	return (slice_eq(a->nsp, b->nsp) &&
	    bus_same_list(a->join, a->njoin, b->join, b->njoin) &&
	    bus_same_list(a->leave, a->nleave, b->leave, b->nleave) &&
	    bus_same_audience(&a->to, &b->to));
}

static inline bool
bus_same_history(const struct bus_history *a, const struct bus_history *b)
{
	return (slice_eq(a->nsp, b->nsp) && slice_eq(a->room, b->room) &&
	    a->from == b->from && slice_eq(a->epoch, b->epoch) &&
	    slice_eq(a->key, b->key) &&
	    a->since == b->since && a->limit == b->limit &&
	    a->bytes == b->bytes);
}

static inline bool
bus_same_had(const struct bus_envelope *a, const struct bus_envelope *b)
{
	return (a->had[0] == b->had[0] && a->had[1] == b->had[1]);
}

static inline bool
bus_same_what(const struct bus_envelope *a, const struct bus_envelope *b)
{
	switch (a->kind) {
	case BUS_PUBLISH:
	case BUS_KEEP:
	case BUS_FORWARD:
	case BUS_QUEUE:
	case BUS_INBOX:
	case BUS_REPLY:
	case BUS_JOURNAL:
	case BUS_TRIM:
		return (bus_same_publish(&a->publish, &b->publish));
	case BUS_COUNT:
		return (a->count.receivers == b->count.receivers &&
		    bus_same_had(a, b));
	case BUS_DISCONNECT:
		return (slice_eq(a->disconnect.nsp, b->disconnect.nsp) &&
		    slice_eq(a->disconnect.reason, b->disconnect.reason) &&
		    bus_same_audience(&a->disconnect.to, &b->disconnect.to));
	case BUS_ROOMS:
		return (bus_same_rooms(&a->rooms, &b->rooms));
	case BUS_ANSWERS:
		return (a->answers.asked == b->answers.asked &&
		    a->answers.answered == b->answers.answered &&
		    slice_eq(a->answers.elements, b->answers.elements) &&
		    bus_same_had(a, b));
	case BUS_RECOVER_ASK:
		return (slice_eq(a->recover_ask.nsp, b->recover_ask.nsp) &&
		    slice_eq(a->recover_ask.pid, b->recover_ask.pid) &&
		    slice_eq(a->recover_ask.offset, b->recover_ask.offset) &&
		    a->recover_ask.has_user == b->recover_ask.has_user &&
		    slice_eq(a->recover_ask.user, b->recover_ask.user));
	case BUS_RECOVER_STATE:
		return (slice_eq(a->recover_state.records,
		    b->recover_state.records));
	case BUS_RECOVER_JOINED:
		return (memcmp(&a->recover_joined, &b->recover_joined,
		    sizeof a->recover_joined) == 0);
	case BUS_RECOVER_BARRIER:
		return (a->recover_barrier.holder ==
		    b->recover_barrier.holder);
	case BUS_RECOVER_PASSED:
		return (a->recover_passed.asker == b->recover_passed.asker);
	case BUS_RECOVER_LATE:
		return (a->recover_late.number == b->recover_late.number &&
		    slice_eq(a->recover_late.records,
		    b->recover_late.records));
	case BUS_RECOVER_DONE:
		return (a->recover_done.nlate == b->recover_done.nlate);
	case BUS_PUBLISH_BODY:
		return (slice_eq(a->publish_body.body, b->publish_body.body));
	case BUS_MEMBERS:
		return (slice_eq(a->members.nsp, b->members.nsp) &&
		    a->members.what == b->members.what &&
		    bus_same_audience(&a->members.to, &b->members.to));
	case BUS_REVOKE:
		return (a->revoke.what == b->revoke.what &&
		    slice_eq(a->revoke.name, b->revoke.name) &&
		    a->revoke.moment == b->revoke.moment &&
		    a->revoke.until == b->revoke.until &&
		    slice_eq(a->revoke.reason, b->revoke.reason));
	case BUS_HOOKS:
		return (a->hooks.what == b->hooks.what &&
		    slice_eq(a->hooks.hook, b->hooks.hook) &&
		    a->hooks.since == b->hooks.since &&
		    a->hooks.limit == b->hooks.limit &&
		    slice_eq(a->hooks.ids, b->hooks.ids));
	case BUS_SESSION:
	case BUS_SESSION_TAKE:
	case BUS_SESSION_TAKEN:
	case BUS_SESSION_OVER:
		return (a->session.is == b->session.is &&
		    slice_eq(a->session.nsp, b->session.nsp) &&
		    slice_eq(a->session.pid, b->session.pid) &&
		    slice_eq(a->session.sid, b->session.sid) &&
		    a->session.has_user == b->session.has_user &&
		    slice_eq(a->session.user, b->session.user) &&
		    slice_eq(a->session.offset, b->session.offset) &&
		    a->session.since == b->session.since &&
		    slice_eq(a->session.records, b->session.records));
	case BUS_BOX:
	case BUS_BOXED:
		return (a->box.what == b->box.what &&
		    slice_eq(a->box.nsp, b->box.nsp) &&
		    slice_eq(a->box.user, b->box.user) &&
		    slice_eq(a->box.body, b->box.body));
	case BUS_KEPT:
		return (a->kept.result == b->kept.result &&
		    slice_eq(a->kept.epoch, b->kept.epoch) &&
		    a->kept.kept == b->kept.kept &&
		    a->kept.version == b->kept.version &&
		    a->kept.slots[0] == b->kept.slots[0] &&
		    a->kept.slots[1] == b->kept.slots[1]);
	case BUS_HISTORY:
		return (bus_same_history(&a->history, &b->history));
	case BUS_PAGE:
	case BUS_STREAMED:
		return (a->page.result == b->page.result &&
		    slice_eq(a->page.epoch, b->page.epoch) &&
		    a->page.top == b->page.top &&
		    a->page.first == b->page.first &&
		    a->page.finished == b->page.finished &&
		    slice_eq(a->page.frames, b->page.frames));
	case BUS_CUT:
		return (a->cut.giver == b->cut.giver &&
		    a->cut.heir == b->cut.heir &&
		    a->cut.batch == b->cut.batch);
	case BUS_MARK:
		return (a->mark.batch == b->mark.batch &&
		    a->mark.refused == b->mark.refused);
	case BUS_RECOVER_NONE:
	case BUS_ANSWERS_END:
	case BUS_LEAVE:
		break;
	}
	return (true);
}

static inline bool
bus_same(const struct bus_envelope *a, const struct bus_envelope *b)
{
	return (a->kind == b->kind && a->flags == b->flags &&
	    a->slots[0] == b->slots[0] && a->slots[1] == b->slots[1] &&
	    a->from == b->from && a->generation == b->generation &&
	    a->ref == b->ref && bus_same_what(a, b));
}

#endif
