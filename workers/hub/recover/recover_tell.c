/*
 * What the store is told of sessions whose namespace has a journal; the other
 * side is workers/relay/store/keep_sessions.h.  That one begins or is over is told at
 * once, which rooms it is in when the turn ends; all of it goes in the one stream
 * to the relay, in the order in which it happened.
 */
#include "hub/recover/recover_int.h"

#include <stdlib.h>

#include "base/state.h"
#include "hub/audience/room.h"
#include "hub/publish/post.h"
#include "hub/session/principal.h"
#include "hub/store/keep.h"

struct slice
tell_mark(const struct session *s)
{
	const struct journal_mark *m = &s->hub->marks[s->ns->index];

	return (slice_of(m->text, m->n));
}

#define TELL_AGAIN	64u	/* chains of the table, at a time */
#define TELL_MOMENT_MS	5000u

static bool
tell(const struct recover *r, enum bus_session_is is, uint64_t since,
    struct slice records)
{
	const struct session *s = r->session;
	struct bus_envelope e;
	struct bus_session *b = bus_session(&e, BUS_SESSION, is);

	b->nsp = slice_of(s->ns->name, s->ns->name_len);
	b->pid = slice_of(r->pid, RECOVER_PID_LEN);
	b->records = records;
	b->since = since;
	if (is == BUS_SESSION_BEGUN) {
		b->sid = session_sid(s);
		b->offset = tell_mark(s);
		b->has_user = s->who != NULL;
		if (s->who != NULL)
			b->user = principal_user(s->who);
	}
	return (post_to(s->hub, 0, 0, &e));
}

/* --- rooms ---------------------------------------------------------------- */

static void
tell_change(struct recover *r, char kind, struct slice name)
{
	struct recover_table *t = r->session->hub->recover;

	state_put_u8(&r->changes, (uint8_t)kind);
	state_put_slice(&r->changes, tell_mark(r->session));
	state_put_slice(&r->changes, name);
	if (r->changed)
		return;
	r->changed = true;
	r->told_next = t->changed;
	t->changed = r;
}

void
recover_room_entered(struct session *s, struct membership *m)
{
	if (s->recover != NULL && s->recover->stored)
		tell_change(s->recover, 'r', room_name(m->room));
}

void
recover_room_left(struct session *s, struct membership *m)
{
	if (s->recover != NULL && s->recover->stored)
		tell_change(s->recover, 'l', room_name(m->room));
}

void
recover_watches(struct session *s, struct slice user, bool does)
{
	if (s->recover != NULL && s->recover->stored)
		tell_change(s->recover, does ? 'w' : 'u', user);
}

/* Did its client ask for it?  That is known behind the event. */
static void
tell_note_asked(const struct recover *r)
{
	struct slice rest = buf_unread(&r->changes);
	struct state_in in = state_in(rest);
	const struct membership *m;
	struct slice mark, name;
	uint8_t *at, kind;

	while (in.p != in.end) {
		at = (uint8_t *)(uintptr_t)in.p;
		kind = state_get_u8(&in);
		mark = state_get_slice(&in);
		name = state_get_slice(&in);
		MUST(!in.bad && mark.n <= OFFSET_MAX);
		m = room_membership(r->session, ROOM_NAMED, name);
		if (kind == 'r' && m != NULL && m->asked)
			*at = 'a';
	}
}

/* What cannot be told makes what the store has wrong: it forgets it. */
static void
tell_changes(struct recover *r)
{
	bool ok = !r->changes.oom;

	if (ok && buf_unread(&r->changes).n != 0) {
		tell_note_asked(r);
		ok = tell(r, BUS_SESSION_ROOMS, 0, buf_unread(&r->changes));
	}
	r->changes.oom = false;
	buf_fini(&r->changes);
	buf_init(&r->changes);
	if (!ok)
		tell_ended(r);
}

void
tell_turn_end(struct hub *h)
{
	struct recover *r;

	while ((r = h->recover->changed) != NULL) {
		h->recover->changed = r->told_next;
		r->changed = false;
		if (r->session != NULL && r->stored)
			tell_changes(r);
	}
}

/* --- beginning and end ---------------------------------------------------- */

/* All that it is in now. */
static void
tell_all_rooms(struct recover *r)
{
	const struct membership *m;

	for (m = r->session->memberships; m != NULL; m = m->next)
		if (room_kind(m->room) == ROOM_NAMED)
			tell_change(r, 'r', room_name(m->room));
		else if (room_kind(m->room) == ROOM_WATCH)
			tell_change(r, 'w', room_name(m->room));
}

void
tell_begun(struct recover *r, bool again)
{
	uint64_t how = !again ? BUS_SESSION_NEW : r->stored ?
	    BUS_SESSION_KNOWN : BUS_SESSION_LOST;

	if (!r->session->ns->journals)
		return;
	r->stored = tell(r, BUS_SESSION_BEGUN, how, slice_of(NULL, 0));
	if (r->stored)
		tell_all_rooms(r);
}

void
tell_here(struct recover *r, unsigned giver, struct slice mark)
{
	const struct session *s = r->session;

	if (!s->ns->journals)
		return;
	if (tell_mark(s).n == 0)
		journal_mark(s->hub, s->ns, mark);
	r->stored = tell(r, BUS_SESSION_HERE, giver, slice_of(NULL, 0));
}

static void
tell_last(struct recover *r, enum bus_session_is is)
{
	r->stored = false;
	(void)tell(r, is, 0, slice_of(NULL, 0));
}

void
tell_away(struct recover *r)
{
	if (r->stored)
		tell_changes(r);
	if (r->stored)
		tell_last(r, BUS_SESSION_AWAY);
}

void
tell_ended(struct recover *r)
{
	if (r->stored)
		tell_last(r, BUS_SESSION_ENDED);
}

void
tell_away_of(struct hub *h, struct slice nsp, struct slice pid)
{
	struct bus_envelope e;
	struct bus_session *b = bus_session(&e, BUS_SESSION, BUS_SESSION_AWAY);

	b->nsp = nsp;
	b->pid = pid;
	(void)post_to(h, 0, 0, &e);
}

/* --- now and then --------------------------------------------------------- */

void
recover_lose(struct hub *h)
{
	h->recover->again = true;
	h->recover->again_at = 0;
}

void
recover_given(const struct client *c)
{
	struct session *s;

	for (s = c->sessions; s != NULL; s = s->next)
		if (s->recover != NULL)
			s->recover->stored = false;
}

static void
tell_again(struct hashtab_link *l, void *arg)
{
	struct recover *r = container_of(l, struct recover, by_pid);

	(void)arg;
	if (r->session->client != NULL)
		tell_begun(r, true);
}

/*
 * Each client answers a ping in time, or is closed.  So what was in the journal
 * so long ago has come to all whose sessions are here; a moment is for what had
 * its place and was not in their queues yet.
 */
static uint64_t
tell_period_us(const struct hub *h)
{
	uint64_t ms = 0;
	uint32_t i;

	for (i = 0; i < h->nbeats; i++)
		if (h->beats[i].interval_ms + 2 * h->beats[i].timeout_ms > ms)
			ms = h->beats[i].interval_ms +
			    2 * h->beats[i].timeout_ms;
	return ((ms + TELL_MOMENT_MS) * 1000);
}

static void
tell_proven_of(struct hub *h, const struct conf_namespace *ns)
{
	struct journal_mark *m = &h->recover->proven[ns->index];
	struct bus_envelope e;
	struct bus_session *b = bus_session(&e, BUS_SESSION,
	    BUS_SESSION_PROVEN);

	if (m->n != 0) {
		b->nsp = slice_of(ns->name, ns->name_len);
		b->offset = slice_of(m->text, m->n);
		(void)post_to(h, 0, 0, &e);
	}
	*m = h->marks[ns->index];
}

static void
tell_proven(struct hub *h)
{
	struct recover_table *t = h->recover;
	size_t i;

	t->proven_us = h->now.us;
	if (t->proven == NULL)
		t->proven = calloc(h->conf->nnamespaces + 1,
		    sizeof *t->proven);
	for (i = 0; t->proven != NULL && i < h->conf->nnamespaces; i++)
		if (h->conf->namespaces[i].journals)
			tell_proven_of(h, &h->conf->namespaces[i]);
}

void
tell_tick(struct hub *h)
{
	struct recover_table *t = h->recover;
	unsigned n;

	for (n = 0; t->again && n < TELL_AGAIN; n++) {
		t->again_at = hashtab_scan(&t->pids, t->again_at, tell_again,
		    NULL);
		t->again = t->again_at != 0;
	}
	if (h->recovers && h->now.us - t->proven_us >= tell_period_us(h))
		tell_proven(h);
}
