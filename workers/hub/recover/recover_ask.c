/*
 * A client has come back whose session is on another worker; this one, B, asks
 * for it.  The picture is in recover.h, the other side in recover_move.c.
 *
 * From STATE to DONE there are two of the session.  Ours is in its rooms and
 * gets what comes, but it is not whole yet, and belongs to its asking (made):
 * nobody else can have it.
 */
#include "hub/recover/recover_int.h"

#include <stdlib.h>

#include "hub/audience/room.h"
#include "hub/publish/post.h"
#include "hub/rule/join.h"
#include "hub/session/admit.h"
#include "hub/session/limit.h"
#include "hub/session/tokens.h"
#include "proto/status.h"

/* --- B: asking ------------------------------------------------------------ */

static struct asking *
recover_asking_of(struct wait *w)
{
	return (w == NULL ? NULL : container_of(w, struct asking, wait));
}

struct asking *
recover_asking_find(struct hub *h, uint32_t ref)
{
	return (recover_asking_of(waits_find(&h->recover->asks, ref)));
}

struct asking *
recover_asking_new(struct client *c, const struct conf_namespace *ns,
    struct slice pid, struct principal *who, struct slice auth)
{
	struct asking *a = calloc(1, sizeof *a);

	if (a == NULL)
		return (NULL);
	buf_init(&a->auth);
	if (ns->on_connect != NULL)	/* who else would read it? */
		buf_slice(&a->auth, auth);
	if (a->auth.oom) {
		counter_add(COUNTER_memory_failures, 1);
		free(a);
		return (NULL);
	}
	a->client = c;
	a->ns = ns;
	a->who = who == NULL ? NULL : principal_ref(who);
	memcpy(a->pid, pid.p, sizeof a->pid);
	buf_init(&a->state);
	buf_init(&a->late);
	return (a);
}

void
recover_asking_add(struct hub *h, struct asking *a, uint32_t ref)
{
	LIST_INSERT_HEAD(&recover_comeback(a->client)->asks, a, client_link);
	waits_add(&h->recover->asks, &a->wait, ref,
	    h->now.us + RECOVER_ASK_MS * UINT64_C(1000));
}

void
recover_asking_drop(struct asking *a)
{
	principal_unref(&a->who);
	buf_fini(&a->state);
	buf_fini(&a->late);
	buf_fini(&a->auth);
	free(a->rooms);
	free(a);
}

enum recover_result
recover_ask(struct client *c, const struct conf_namespace *ns,
    struct slice pid, struct slice offset, struct principal *who,
    struct slice auth)
{
	struct hub *h = c->hub;
	struct bus_envelope e;
	struct bus_recover_ask *q = bus_recover_ask(&e);
	struct asking *a;
	uint32_t ref;

	if (offset.n > RECOVER_OFFSET_MAX ||
	    (ref = waits_ref(&h->recover->asks)) == 0)
		return (RECOVER_NOT);
	a = recover_asking_new(c, ns, pid, who, auth);
	if (a == NULL)
		return (RECOVER_NOT);
	post_others(h, a->wait.slots);
	q->nsp = slice_of(ns->name, ns->name_len);
	q->pid = pid;
	q->offset = offset;
	q->has_user = who != NULL;
	if (who != NULL)
		q->user = principal_user(who);
	if (slotset_empty(a->wait.slots) ||
	    !post_send(h, a->wait.slots, ref, &e)) {
		recover_asking_drop(a);
		return (RECOVER_NOT);
	}
	recover_asking_add(h, a, ref);
	return (RECOVER_ASKING);
}

void
recover_asking_free(struct hub *h, struct asking *a)
{
	if (a->paging)
		history_forget(h, &a->page);
	waits_remove(&h->recover->asks, &a->wait);
	LIST_REMOVE(a, client_link);
	recover_asking_drop(a);
}

bool
recover_asking(const struct comeback *back, const struct conf_namespace *ns)
{
	struct asking *a;

	LIST_FOREACH(a, &back->asks, client_link)
		if (a->ns == ns)
			return (true);
	return (false);
}

unsigned
recover_asked(const struct comeback *back)
{
	struct asking *a;
	unsigned n = 0;

	LIST_FOREACH(a, &back->asks, client_link)
		n++;
	return (n);
}

static void
recover_asking_drop_made(struct asking *a)
{
	struct session *s;

	if (a->made == NULL)
		return;
	s = a->made->session;
	a->made = NULL;
	session_free(&s);
}

void
recover_cancel(struct client *c)
{
	struct comeback *back = recover_comeback(c);
	struct asking *a;

	while (back != NULL && (a = LIST_FIRST(&back->asks)) != NULL) {
		if (a->made != NULL)	/* its client may come back again */
			tell_away(a->made);
		recover_asking_drop_made(a);
		recover_asking_free(c->hub, a);
	}
}

void
recover_identity(struct client *c, const struct principal *old,
    struct principal *who)
{
	struct comeback *back = recover_comeback(c);
	struct asking *a;

	if (back == NULL)
		return;
	LIST_FOREACH(a, &back->asks, client_link) {
		if (!principal_is(a->who, old))
			continue;
		principal_unref(&a->who);
		a->who = principal_ref(who);
	}
}

void
recover_ask_forget(struct hub *h, const struct recover *r)
{
	if (r->made == NULL)
		return;
	r->made->made = NULL;
	waits_until(&h->recover->asks, &r->made->wait, h->now.us);
}

/* Nobody has it, or the move failed: a new session. */
void
recover_asking_give_up(struct hub *h, struct asking *a)
{
	struct client *c = a->client;
	const struct conf_namespace *ns = a->ns;
	struct principal *who = a->who;
	struct buf auth = a->auth;

	a->who = NULL;
	buf_init(&a->auth);
	recover_asking_drop_made(a);
	recover_asking_free(h, a);
	counter_add(COUNTER_recovery_failed, 1);
	if (!c->closing)
		c->kind->enter(c, ns, who, buf_unread(&auth));
	if (!c->closing)
		client_schedule(c);
	buf_fini(&auth);
	principal_unref(&who);
}

void
recover_bus_none(struct hub *h, const struct bus_envelope *q)
{
	struct asking *a = recover_asking_find(h, q->ref);

	if (a == NULL || a->made != NULL || a->stored)
		return;
	slotset_drop(a->wait.slots, q->from);
	if (slotset_empty(a->wait.slots))
		recover_asking_give_up(h, a);
}

/* One record, if it is about a room. */
bool
recover_asking_enter(struct hub *h, struct session *s, char type,
    struct slice name)
{
	if (type != 'r' && type != 'a' && type != 'w')
		return (true);
	if (name.n > ROOM_NAME_MAX)
		return (false);
	if (type == 'r')
		return (room_appoint(h, s, name));
	if (type == 'w')
		return (s->ns->presence == CONF_PRESENCE_OFF ||
		    room_join(h, s, ROOM_WATCH, name));
	if (!room_join(h, s, ROOM_NAMED, name))
		return (false);
	room_membership(s, ROOM_NAMED, name)->asked = true;
	return (true);
}

/* The session as A describes it, in its rooms, parked. */
static bool
recover_asking_make(struct hub *h, struct asking *a)
{
	struct slice rest = buf_unread(&a->state), data, sid = { NULL, 0 };
	char type;

	if (!recover_next(&rest, &type, &sid) || type != 's' ||
	    sid.n != SESSION_SID_LEN)
		return (false);
	a->made = recover_make(h, a, a->ns, a->who,
	    (enum wire)a->client->wire, sid,
	    slice_of(a->pid, sizeof a->pid));
	if (a->made == NULL)
		return (false);
	while (recover_next(&rest, &type, &data)) {
		if (type == 'p' && data.n == 1 && data.p[0] < STATUS__MAX)
			a->made->session->status = data.p[0];
		if (!recover_asking_enter(h, a->made->session, type, data))
			return (false);
	}
	return (true);
}

void
recover_bus_state(struct hub *h, const struct bus_envelope *q)
{
	struct asking *a = recover_asking_find(h, q->ref);
	struct bus_envelope e;
	uint64_t bits[2];

	if (a == NULL || a->made != NULL || a->stored)
		return;		/* A forwards for a while, then forgets */
	buf_slice(&a->state, q->recover_state.records);
	if (a->state.oom || !recover_asking_make(h, a)) {
		recover_asking_give_up(h, a);
		return;
	}
	waits_until(&h->recover->asks, &a->wait,
	    h->now.us + RECOVER_MOVE_MS * UINT64_C(1000));
	post_others(h, bits);
	slotset_drop(bits, q->from);
	bus_recover_joined(&e, bits);
	(void)post_to(h, q->from, a->wait.ref, &e);
	if (slotset_empty(bits))
		return;
	bus_recover_barrier(&e, q->from);
	(void)post_send(h, bits, a->wait.ref, &e);
}

static void
recover_asking_late_rooms(struct hub *h, struct session *s,
    struct slice records)
{
	struct membership *m;
	struct slice name;
	char type;

	while (recover_next(&records, &type, &name)) {
		if ((type != 'r' && type != 'l') || name.n > ROOM_NAME_MAX)
			continue;
		m = room_membership(s, ROOM_NAMED, name);
		if (type == 'l' && m != NULL)
			room_leave(h, s, m);
		if (type == 'r' && !room_appoint(h, s, name))
			counter_add(COUNTER_memory_failures, 1);
	}
}

void
recover_bus_late(struct hub *h, const struct bus_envelope *q)
{
	struct asking *a = recover_asking_find(h, q->ref);

	if (a == NULL || a->made == NULL || a->stored)
		return;
	a->nlate++;
	recover_asking_late_rooms(h, a->made->session, q->recover_late.records);
	buf_slice(&a->late, q->recover_late.records);
	if (a->late.oom)
		recover_asking_give_up(h, a);
}

/* As who it is now: there may have been a refresh since it asked. */
bool
recover_asking_may_have(const struct hub *h, const struct asking *a)
{
	const char *code;

	return (!principal_is_over(a->who, h->conf->jwt.leeway_ms,
	    h->wall) && !tokens_revoked(h, a->who) &&
	    admit_may(a->ns, NULL, 0, a->who, &code) == NULL &&
	    join_keeps(a->made->session, a->who));
}

void
recover_bus_done(struct hub *h, const struct bus_envelope *q)
{
	struct asking *a = recover_asking_find(h, q->ref);
	struct recover *r;
	struct buf direct;
	struct client *c;
	uint64_t start;
	struct limit_nodes nodes;
	const char *why;

	if (a == NULL || a->made == NULL || a->stored)
		return;
	c = a->client;
	r = a->made;
	if (!recover_asking_may_have(h, a) || q->recover_done.nlate != a->nlate ||
	    r->out.lossy ||		/* some are lost */
	    !limit_session(h, c, a->ns, a->who, &nodes, &why)) {
		recover_asking_give_up(h, a);	/* which will be refused, too */
		return;
	}
	buf_init(&direct);
	recover_drain(r, 0, &direct);
	if (direct.oom) {	/* some are lost */
		counter_add(COUNTER_memory_failures, 1);
		buf_fini(&direct);
		limit_give_back(h->count, &nodes);
		recover_asking_give_up(h, a);
		return;
	}
	start = outq_pos(c->out);
	recover_replay(c, &a->state, NULL);
	recover_replay(c, &a->late, &direct);
	recover_replay(c, &direct, NULL);
	buf_fini(&direct);
	r->start = start;
	r->session->counted = nodes;
	a->made = NULL;		/* the client's from here */
	(void)recover_attach(c, r, a->who);
	recover_asking_free(h, a);
}

/* --- the clock, the end -------------------------------------------------- */

/* An answer that does not come is none. */
void
recover_ask_tick(struct hub *h)
{
	struct asking *a;

	while ((a = recover_asking_of(waits_over(&h->recover->asks,
	    h->now.us))) != NULL)
		recover_asking_give_up(h, a);
}

void
recover_ask_fini(struct hub *h)
{
	struct asking *a;

	while ((a = recover_asking_of(
	    waits_first(&h->recover->asks))) != NULL) {
		if (a->made != NULL)
			tell_away(a->made);
		recover_asking_drop_made(a);
		recover_asking_free(h, a);
	}
}
