/*
 * Orders of back ends to sessions; see members.h.  Called by api_members.c,
 * and by hub.c with what comes over the bus.
 */
#include "hub/backend/members.h"

#include "hub/audience/sids.h"
#include "hub/backend/ask.h"
#include "hub/hub_int.h"
#include "hub/publish/post.h"
#include "hub/publish/publish.h"
#include "hub/audience/sids.h"
#include "hub/recover/recover.h"
#include "hub/service/auth.h"
#include "hub/session/client.h"
#include "hub/store/enter.h"
#include "proto/bus.h"

#define TAKEN_OUT	"a back end has taken you out of this room"

/* --- who ------------------------------------------------------------------ */

/* By sid: an order to one may be the end of another. */
static void
members_note(void *arg, struct session *s)
{
	buf_slice(arg, session_sid(s));
}

static void
members_collect(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, struct buf *sids, struct members_done *done)
{
	buf_init(sids);
	fanout_each(h, ns, a, members_note, sids);
	if (!sids->oom)
		return;
	counter_add(COUNTER_memory_failures, 1);
	done->partly = true;
}

struct session *
members_next(struct hub *h, struct slice *sids)
{
	struct session *s = NULL;

	while (s == NULL && sids->n >= SESSION_SID_LEN) {
		s = sid_find(h, slice_of(sids->p, SESSION_SID_LEN));
		*sids = slice_from(*sids, SESSION_SID_LEN);
	}
	return (s);
}

/* --- the end -------------------------------------------------------------- */

uint32_t
members_end_absent(struct session *s, enum reason why)
{
	uint32_t n = recover_is_moving(s) ? 0 : 1;

	if (s->client != NULL)
		client_unlink(s->client, s);
	session_over(&s, why);
	return (n);
}

static void
members_end_connection(struct client *c, struct slice reason)
{
	while (c->sessions != NULL) {
		session_farewell(c->sessions, reason);
		c->kind->kick(c, c->sessions, REASON_kicked);
	}
	client_close(c, REASON_kicked);
}

/* How many sessions ended, or will as their connection closes. */
static uint32_t
members_end_one(struct session *s, enum ending how, struct slice reason)
{
	struct client *c = s->client;
	uint32_t n;

	if (c == NULL || c->closing)
		return (how == ENDING_RECONNECT ? 0 :
		    members_end_absent(s, REASON_kicked));
	n = how == ENDING_SESSION ? 1 : c->nsessions;
	switch (how) {
	case ENDING_SESSION:
		session_farewell(s, reason);
		c->kind->kick(c, s, REASON_kicked);
		break;
	case ENDING_CONNECTION:
		members_end_connection(c, reason);
		break;
	case ENDING_RECONNECT:
		session_farewell(s, reason);
		client_close(c, REASON_reconnect);
		break;
	}
	return (n);
}

static void
members_end_in(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, enum ending how, struct slice reason,
    struct members_done *done)
{
	struct buf sids;
	struct slice rest;
	struct session *s;
	uint32_t n = 0;

	members_collect(h, ns, a, &sids, done);
	rest = buf_unread(&sids);
	while ((s = members_next(h, &rest)) != NULL)
		n += members_end_one(s, how, reason);
	buf_fini(&sids);
	counter_add(COUNTER_api_disconnects, n);
	done->here += n;
}

/* ns: NULL for all. */
static void
members_end_here(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, enum ending how, struct slice reason,
    struct members_done *done)
{
	size_t i;

	if (ns != NULL)
		members_end_in(h, ns, a, how, reason, done);
	for (i = 0; ns == NULL && i < h->conf->nnamespaces; i++)
		members_end_in(h, &h->conf->namespaces[i], a, how, reason,
		    done);
}

/* --- rooms ---------------------------------------------------------------- */

static bool
members_is_among(struct slice name, const struct slice *v, size_t n)
{
	while (n > 0)
		if (slice_eq(v[--n], name))
			return (true);
	return (false);
}

/* The rooms of the session when all is done: joined, and then left. */
static size_t
members_rooms_after(const struct session *s, const struct members_rooms *r)
{
	size_t i, n = s->nrooms;

	for (i = 0; i < r->njoin; i++)
		n += !members_is_among(r->join[i], r->join, i) &&
		    room_membership(s, ROOM_NAMED, r->join[i]) == NULL;
	for (i = 0; i < r->nleave; i++)
		n -= !members_is_among(r->leave[i], r->leave, i) &&
		    (members_is_among(r->leave[i], r->join, r->njoin) ||
		    room_membership(s, ROOM_NAMED, r->leave[i]) != NULL);
	return (n);
}

static bool
members_has_room_for(const struct session *s, const struct members_rooms *r)
{
	size_t n = s->nrooms + r->njoin, max = s->hub->conf->rooms_per_session;

	if (n > max)	/* only then it is looked at */
		n = members_rooms_after(s, r);
	return (n <= max || n <= s->nrooms);
}

/* Who has asked for the room is told. */
static void
members_take_out(struct hub *h, struct session *s, struct membership *m,
    struct slice name)
{
	bool asked = m->asked && s->client != NULL && !s->client->closing;

	room_leave(h, s, m);
	if (asked)
		auth_tell_left(s, name, TAKEN_OUT);
}

static void
members_change_one(struct hub *h, struct session *s,
    const struct members_rooms *r, struct members_done *done)
{
	struct membership *m;
	bool ok = true, moving = recover_is_moving(s);
	size_t i;

	if (!members_has_room_for(s, r)) {
		counter_add(COUNTER_joins_refused, 1);
		return;
	}
	for (i = 0; i < r->njoin; i++)
		ok = room_appoint(h, s, r->join[i]) && ok;
	for (i = 0; i < r->nleave; i++) {
		m = room_membership(s, ROOM_NAMED, r->leave[i]);
		if (m != NULL)
			members_take_out(h, s, m, r->leave[i]);
		/* nor does it come in a moment later */
		(void)enter_leave(s, r->leave[i], TAKEN_OUT);
	}
	if (!ok) {
		counter_add(COUNTER_memory_failures, 1);
		done->partly = true;
	}
	if (moving)
		/* perhaps its end */
		recover_forward_rooms(s, r->join, r->njoin, r->leave,
		    r->nleave);
	else if (ok)
		done->here++;
}

static void
members_change_here(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, const struct members_rooms *r,
    struct members_done *done)
{
	struct buf sids;
	struct slice rest;
	struct session *s;

	members_collect(h, ns, a, &sids, done);
	rest = buf_unread(&sids);
	while ((s = members_next(h, &rest)) != NULL)
		members_change_one(h, s, r, done);
	buf_fini(&sids);
	counter_add(COUNTER_api_room_changes, done->here);
}

/* --- other workers -------------------------------------------------------- */

/* ns: NULL for all. */
static void
members_workers(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, uint64_t all[2])
{
	uint64_t bits[2];
	size_t i;

	if (ns != NULL) {
		publish_workers(h, ns, a, all);
		return;
	}
	for (i = 0; i < h->conf->nnamespaces; i++) {
		publish_workers(h, &h->conf->namespaces[i], a, bits);
		slotset_join(all, bits);
	}
}

/* The relay has sessions that are away. */
static bool
members_may_be_away(const struct hub *h, const struct conf_namespace *ns)
{
	size_t i;

	if (ns != NULL)
		return (ns->journals);
	for (i = 0; i < h->conf->nnamespaces; i++)
		if (h->conf->namespaces[i].journals)
			return (true);
	return (false);
}

static void
members_tell_others(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, const struct ask *ask, struct bus_envelope *e,
    struct bus_audience *to, struct members_done *done)
{
	uint64_t slots[2] = { 0, 0 };
	uint32_t ref = 0;

	members_workers(h, ns, a, slots);
	done->far = conf_redis_on(&h->conf->redis);
	if (done->far)
		e->flags |= BUS_FAR;
	else if (slotset_empty(slots) && !members_may_be_away(h, ns))
		return;
	if (ask != NULL) {
		e->flags |= BUS_WANT_COUNT;
		ref = ask_ref(ask);
	}
	post_audience(to, a);
	if (post_send(h, slots, ref, e))
		slotset_copy(done->bits, slots);
	else
		done->partly = true;
	done->far &= !done->partly;
}

static const uint16_t ending_flags[] = {
	[ENDING_SESSION] = 0, [ENDING_CONNECTION] = BUS_CLOSE,
	[ENDING_RECONNECT] = BUS_RECONNECT,
};

struct members_done
members_end(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, enum ending how, struct slice reason,
    const struct ask *ask)
{
	struct bus_envelope e;
	struct bus_disconnect *d = bus_disconnect(&e);
	struct members_done done = { .here = 0 };

	e.flags = ending_flags[how];
	if (ns != NULL)
		d->nsp = slice_of(ns->name, ns->name_len);
	d->reason = reason;
	/* first: the rooms here are not empty yet when others are looked for */
	members_tell_others(h, ns, a, ask, &e, &d->to, &done);
	members_end_here(h, ns, a, how, reason, &done);
	return (done);
}

struct members_done
members_rooms(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, const struct members_rooms *r,
    const struct ask *ask)
{
	struct bus_envelope e;
	struct bus_rooms *b = bus_rooms(&e);
	struct members_done done = { .here = 0 };

	b->nsp = slice_of(ns->name, ns->name_len);
	b->njoin = post_list(b->join, r->join, r->njoin);
	b->nleave = post_list(b->leave, r->leave, r->nleave);
	members_tell_others(h, ns, a, ask, &e, &b->to, &done);
	members_change_here(h, ns, a, r, &done);
	return (done);
}

/* An unknown namespace is of a generation that is going or coming. */

static void
members_end_as_told(struct hub *h, const struct bus_envelope *e,
    struct members_done *done)
{
	const struct bus_disconnect *d = &e->disconnect;
	const struct conf_namespace *ns = conf_namespace_find(h->conf, d->nsp);
	struct audience a = post_whom(&d->to);
	enum ending how = ENDING_SESSION;

	if (e->flags & BUS_CLOSE)
		how = ENDING_CONNECTION;
	else if (e->flags & BUS_RECONNECT)
		how = ENDING_RECONNECT;
	if (ns != NULL || d->nsp.n == 0)
		members_end_here(h, ns, &a, how, d->reason, done);
}

static void
members_change_as_told(struct hub *h, const struct bus_rooms *b,
    struct members_done *done)
{
	const struct conf_namespace *ns = conf_namespace_find(h->conf, b->nsp);
	struct audience a = post_whom(&b->to);
	struct members_rooms r = { b->join, b->leave, b->njoin, b->nleave };

	if (ns != NULL)
		members_change_here(h, ns, &a, &r, done);
}

void
members_bus(struct hub *h, const struct bus_envelope *e)
{
	struct members_done done = { .here = 0 };

	if (e->kind == BUS_DISCONNECT)
		members_end_as_told(h, e, &done);
	else
		members_change_as_told(h, &e->rooms, &done);
	if (e->flags & BUS_WANT_COUNT)
		ask_report(h, e, done.here, done.partly);
}
