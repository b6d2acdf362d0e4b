/*
 * What workers tell of sessions, and what back ends order those that are away;
 * see keep_sessions.h.
 */
#include "relay/store/keep_session.h"

#include "base/state.h"
#include "relay/store/keep_sessions_far.h"
#include "shm/counters.h"

/* --- workers --------------------------------------------------------------*/

/* --- what workers tell ----------------------------------------------------*/

static void
sessions_begin(struct keep *k, struct stored *before,
    const struct bus_envelope *e)
{
	const struct bus_session *b = &e->session;
	const struct conf_namespace *ns = conf_namespace_find(k->conf, b->nsp);
	struct journal *j = ns == NULL ? NULL : journal_find(k, ns);
	struct stored *s;

	if (before != NULL && b->since == BUS_SESSION_KNOWN) {
		if (sessions_had(before) == e->from)
			sessions_set_here(k, before, e->from);
		else
			sessions_say_over(k, before, e->from);
		return;
	}
	if (before != NULL)
		sessions_end(k, before);
	if (j == NULL || b->pid.n != STORED_PID || b->sid.n != STORED_SID)
		return;
	if (!sessions_fit(k, NULL, 1, stored_will_cost(b)) ||
	    (s = sessions_add(k, j, b, e->from)) == NULL) {
		counter_add(COUNTER_sessions_refused, 1);
		return;
	}
	stored_set_epoch(s, journal_epoch(j));
	s->base = journal_stamp(j, e->from, b->offset);
	/* what was before is not known */
	if (b->since != BUS_SESSION_NEW)
		s->floor = s->base == 0 ? 1 : s->base;
	sessions_far_due(k, s);
	sessions_show(k->sessions);
}

/* It is in rooms, or no more. */
static void
sessions_rooms(struct keep *k, struct stored *s, const struct bus_envelope *e)
{
	struct state_in in = state_in(e->session.records);
	struct journal *j = sessions_journal(k, s);
	struct slice offset, name;
	uint8_t kind;
	bool ok = j != NULL;

	if (ok)
		sessions_rebase(k, j, s);
	while (ok && in.p != in.end) {
		kind = state_get_u8(&in);
		offset = state_get_slice(&in);
		name = state_get_slice(&in);
		ok = !in.bad && name.n <= INTEREST_NAME_MAX &&
		    sessions_fit(k, s, 0, stored_room_cost(name)) &&
		    stored_change(k->sessions, s, kind, name,
		    journal_stamp(j, e->from, offset));
	}
	if (!ok) {		/* it would come back as another */
		counter_add(COUNTER_sessions_refused, 1);
		sessions_far_ended(k, s);
		sessions_drop(k->sessions, s);
	} else
		sessions_far_due(k, s);
	sessions_show(k->sessions);
}

/* It came there by a hand-over, from the worker in slot since. */
static void
sessions_here(struct keep *k, struct stored *s, const struct bus_envelope *e)
{
	if (e->session.since == sessions_had(s)) {
		s->before = (uint16_t)e->session.since;
		sessions_set_here(k, s, e->from);
		return;
	}
	/* its client has come back elsewhere meanwhile */
	sessions_say_over(k, s, e->from);
}

/* The worker's clients have all up to there. */
static void
sessions_proven(struct keep *k, const struct bus_envelope *e)
{
	const struct conf_namespace *ns = conf_namespace_find(k->conf,
	    e->session.nsp);
	struct journal *j = ns == NULL ? NULL : journal_find(k, ns);
	uint64_t place;

	if (j != NULL && journal_place(j, e->session.offset, &place) &&
	    place <= j->top) {
		j->proven[e->from] = place;
		j->nproven[e->from]++;
	}
}

void
sessions_told(struct keep *k, const struct bus_envelope *e)
{
	const struct bus_session *b = &e->session;
	struct stored *s = sessions_find(k->sessions, b);
	bool its = s != NULL && s->slot == e->from;

	switch ((unsigned)b->is) {
	case BUS_SESSION_BEGUN:
		sessions_begin(k, s, e);
		break;
	case BUS_SESSION_ROOMS:
		/* of who has given it away, too: that has come behind */
		if (its || (s != NULL && s->before == e->from))
			sessions_rooms(k, s, e);
		break;
	case BUS_SESSION_AWAY:
		if (its)
			sessions_set_away(k, s);
		break;
	case BUS_SESSION_ENDED:
		if (its)
			sessions_end(k, s);
		break;
	case BUS_SESSION_HERE:
		if (s != NULL)
			sessions_here(k, s, e);
		break;
	case BUS_SESSION_PROVEN:
		sessions_proven(k, e);
		break;
	}
}

/* --- orders of back ends --------------------------------------------------*/

static void
sessions_change(struct keep *k, struct stored *s, const struct bus_rooms *b)
{
	const struct journal *j = sessions_journal(k, s);
	bool ok = j != NULL && slice_eq(stored_epoch(s), journal_epoch(j));
	size_t i;

	/* nobody else goes for it: who is next would be gone */
	for (i = 0; ok && i < b->njoin; i++)
		ok = b->join[i].n <= INTEREST_NAME_MAX &&
		    k->sessions->bytes + stored_room_cost(b->join[i]) <=
		    k->conf->recovery_sessions_bytes &&
		    stored_change(k->sessions, s, SESSION_ROOM, b->join[i],
		    j->top);
	for (i = 0; ok && i < b->nleave; i++)
		ok = stored_change(k->sessions, s, SESSION_LEFT, b->leave[i],
		    j->top);
	if (!ok)		/* it would come back as another */
		sessions_end(k, s);
	else
		sessions_far_due(k, s);
}

void
sessions_obey(struct keep *k, struct slice nsp, const struct bus_envelope *e)
{
	bool ends = e->kind == BUS_DISCONNECT;
	const struct bus_audience *to = ends ? &e->disconnect.to :
	    &e->rooms.to;
	struct stored *s, *next;

	for (s = TAILQ_FIRST(&k->sessions->away); s != NULL; s = next) {
		next = TAILQ_NEXT(s, list);
		if ((nsp.n != 0 && !slice_eq(nsp, stored_nsp(s))) ||
		    !stored_is_in(s, to))
			continue;
		if (ends)
			sessions_end(k, s);
		else
			sessions_change(k, s, &e->rooms);
	}
	sessions_show(k->sessions);
}

/* Its own worker tells those that are not away.  BUS_RECONNECT is for these
 * alone. */
void
sessions_order(struct keep *k, const struct bus_envelope *e)
{
	struct slice nsp = e->kind == BUS_DISCONNECT ? e->disconnect.nsp :
	    e->rooms.nsp, name;
	const struct conf_namespace *ns;
	size_t i;

	if (e->flags & BUS_RECONNECT)
		return;
	sessions_obey(k, nsp, e);
	for (i = 0; k->remote != NULL && i < k->conf->nnamespaces; i++) {
		ns = &k->conf->namespaces[i];
		name = slice_of(ns->name, ns->name_len);
		if (!ns->gone && ns->journals &&
		    (nsp.n == 0 || slice_eq(nsp, name)))
			sessions_far_order(k, name, e);
	}
}
