/*
 * A session moves to the worker that its client has come back to; the picture
 * is in recover.h.  B is the worker that asks, A the one that has it.
 */
#include <stdlib.h>

#include "hub/hub_int.h"
#include "hub/members.h"
#include "hub/recover.h"
#include "proto/bus.h"
#include "shm/interest.h"

struct asking {			/* B: one CONNECT that waits */
	TAILQ_ENTRY(asking) link;	/* oldest first */
	uint32_t	 ref;
	struct engine	*engine;
	const struct conf_namespace *ns;
	struct principal *who;
	uint64_t	 deadline_us;
	uint64_t	 bits[2];	/* have not answered */
	struct recover	*made;		/* STATE came */
	struct buf	 state, late;	/* records */
	struct buf	 auth;		/* of CONNECT, for a new session */
	char		 pid[RECOVER_PID_LEN];
};

/* --- sending -------------------------------------------------------------- */

static void
one_bit(uint16_t slot, uint64_t bits[2])
{
	bits[0] = bits[1] = 0;
	bits[(slot - 1) / 64] = UINT64_C(1) << ((slot - 1) % 64);
}

static void
others(struct hub *h, uint64_t bits[2])
{
	interest_peek(h->interest, 0, bits);	/* every worker there is */
	hub_mask_own(h, bits);
}

static bool
say(struct hub *h, enum bus_kind kind, const uint64_t bits[2], uint32_t ref,
    struct bus_envelope *e)
{
	e->kind = kind;
	e->slots[0] = bits[0];
	e->slots[1] = bits[1];
	e->from = h->slot;
	e->generation = h->generation;
	e->ref = ref;
	return (h->ports.bus_send(h->ports.host, e));
}

static bool
say_to(struct hub *h, enum bus_kind kind, uint16_t slot, uint32_t ref,
    struct bus_envelope *e)
{
	uint64_t bits[2];

	one_bit(slot, bits);
	return (say(h, kind, bits, ref, e));
}

/* --- B: asking ------------------------------------------------------------ */

enum recover_result
recover_ask(struct engine *e, const struct conf_namespace *ns,
    struct slice pid, struct slice offset, struct principal *who,
    struct slice auth)
{
	struct hub *h = e->client.hub;
	struct bus_envelope q = { .nsp = slice_of(ns->name, ns->name_len),
		.event = pid, .offset = offset };
	struct asking *a;

	a = calloc(1, sizeof *a);
	if (a == NULL)
		return (RECOVER_NOT);
	others(h, a->bits);
	if (who != NULL)
		q.users[q.nusers++] = principal_user(who);
	a->ref = ++h->recover.ref;
	if ((a->bits[0] | a->bits[1]) == 0 ||
	    !say(h, BUS_RECOVER_ASK, a->bits, a->ref, &q)) {
		free(a);
		return (RECOVER_NOT);
	}
	a->engine = e;
	a->ns = ns;
	a->who = who == NULL ? NULL : principal_ref(who);
	a->deadline_us = h->now.us + RECOVER_ASK_MS * UINT64_C(1000);
	memcpy(a->pid, pid.p, sizeof a->pid);
	buf_init(&a->state);
	buf_init(&a->late);
	buf_init(&a->auth);
	if (ns->on_connect != NULL)	/* who else would read it? */
		buf_slice(&a->auth, auth);
	TAILQ_INSERT_TAIL(&h->recover.asking, a, link);
	e->asking++;
	return (RECOVER_ASKING);
}

static void
asking_free(struct hub *h, struct asking *a)
{
	TAILQ_REMOVE(&h->recover.asking, a, link);
	a->engine->asking--;
	principal_unref(&a->who);
	buf_fini(&a->state);
	buf_fini(&a->late);
	buf_fini(&a->auth);
	free(a);
}

static struct asking *
asking_find(struct hub *h, uint32_t ref)
{
	struct asking *a;

	TAILQ_FOREACH(a, &h->recover.asking, link)
		if (a->ref == ref)
			return (a);
	return (NULL);
}

bool
recover_asking(const struct engine *e, const struct conf_namespace *ns)
{
	struct asking *a;

	if (e->asking == 0)
		return (false);
	TAILQ_FOREACH(a, &e->client.hub->recover.asking, link)
		if (a->engine == e && a->ns == ns)
			return (true);
	return (false);
}

static void
drop_made(struct asking *a)
{
	struct session *s;

	if (a->made == NULL)
		return;
	s = a->made->session;
	a->made = NULL;
	session_free(&s);
}

void
recover_cancel(struct engine *e)
{
	struct hub *h = e->client.hub;
	struct asking *a, *next;

	for (a = TAILQ_FIRST(&h->recover.asking); a != NULL && e->asking > 0;
	    a = next) {
		next = TAILQ_NEXT(a, link);
		if (a->engine != e)
			continue;
		drop_made(a);
		asking_free(h, a);
	}
}

void
recover_move_forget(struct hub *h, const struct recover *r)
{
	struct asking *a;

	TAILQ_FOREACH(a, &h->recover.asking, link) {
		if (a->made != r)
			continue;
		a->made = NULL;
		a->deadline_us = h->now.us;	/* a new session */
	}
}

/* Nobody has it, or the move failed: a new session. */
static void
give_up(struct hub *h, struct asking *a)
{
	struct engine *e = a->engine;
	const struct conf_namespace *ns = a->ns;
	struct principal *who = a->who;
	struct buf auth = a->auth;

	a->who = NULL;
	buf_init(&a->auth);
	drop_made(a);
	asking_free(h, a);
	counter_add(COUNTER_recovery_failed, 1);
	engine_enter(e, ns, who, buf_unread(&auth));
	buf_fini(&auth);
	principal_unref(&who);
}

static void
on_none(struct hub *h, const struct bus_envelope *q)
{
	struct asking *a = asking_find(h, q->ref);
	uint64_t bit[2];

	if (a == NULL || a->made != NULL)
		return;
	one_bit(q->from, bit);
	a->bits[0] &= ~bit[0];
	a->bits[1] &= ~bit[1];
	if ((a->bits[0] | a->bits[1]) == 0)
		give_up(h, a);
}

/* The session as A describes it, in its rooms, parked. */
static bool
make(struct hub *h, struct asking *a)
{
	struct slice rest = buf_unread(&a->state), data, sid = { NULL, 0 };
	char type;

	if (!recover_next(&rest, &type, &sid) || type != 's' ||
	    sid.n != SESSION_SID_LEN)
		return (false);
	a->made = recover_make(h, a->ns, a->who,
	    (enum wire)a->engine->client.wire, sid,
	    slice_of(a->pid, sizeof a->pid));
	if (a->made == NULL)
		return (false);
	while (recover_next(&rest, &type, &data))
		if (type == 'r' && (data.n > ROOM_NAME_MAX ||
		    !room_join(h, a->made->session, ROOM_NAMED, data)))
			return (false);
	return (true);
}

static void
on_state(struct hub *h, const struct bus_envelope *q)
{
	struct asking *a = asking_find(h, q->ref);
	struct bus_envelope e = { .ref = 0 };
	uint64_t bits[2], from[2];

	if (a == NULL || a->made != NULL)
		return;		/* A forwards for a while, then forgets */
	buf_slice(&a->state, q->args);
	if (a->state.oom || !make(h, a)) {
		give_up(h, a);
		return;
	}
	a->deadline_us = h->now.us + RECOVER_MOVE_MS * UINT64_C(1000);
	others(h, bits);
	one_bit(q->from, from);
	bits[0] &= ~from[0];
	bits[1] &= ~from[1];
	e.count = bits[0];
	e.sent_us = bits[1];
	(void)say_to(h, BUS_RECOVER_JOINED, q->from, a->ref, &e);
	if ((bits[0] | bits[1]) == 0)
		return;
	e.count = q->from;
	e.sent_us = 0;
	(void)say(h, BUS_RECOVER_BARRIER, bits, a->ref, &e);
}

static void
late_rooms(struct hub *h, struct session *s, struct slice records)
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
		if (type == 'r' && m == NULL &&
		    !room_join(h, s, ROOM_NAMED, name))
			counter_add(COUNTER_memory_failures, 1);
	}
}

static void
on_late(struct hub *h, const struct bus_envelope *q)
{
	struct asking *a = asking_find(h, q->ref);

	if (a == NULL || a->made == NULL)
		return;
	late_rooms(h, a->made->session, q->args);
	buf_slice(&a->late, q->args);
	if (a->late.oom)
		give_up(h, a);
}

static void
on_done(struct hub *h, const struct bus_envelope *q)
{
	struct asking *a = asking_find(h, q->ref);
	struct recover *r;
	struct buf direct;
	struct engine *e;
	uint64_t start;
	struct limit_nodes nodes;
	const char *why;

	if (a == NULL || a->made == NULL)
		return;
	e = a->engine;
	r = a->made;
	if (!limit_session(h, &e->client, a->ns, a->who, &nodes, &why)) {
		give_up(h, a);	/* which will be refused, too */
		return;
	}
	buf_init(&direct);
	recover_drain(r, 0, &direct);
	start = engine_pos(e);
	recover_replay(e, &a->state, NULL);
	recover_replay(e, &a->late, &direct);
	recover_replay(e, &direct, NULL);
	buf_fini(&direct);
	r->start = start;
	r->session->counted = nodes;
	(void)recover_attach(e, r, a->who);
	asking_free(h, a);
}

/* --- A: answering --------------------------------------------------------- */

static void
describe(struct recover *r, uint32_t skip, struct buf *b)
{
	struct session *s = r->session;
	struct membership *m;

	recover_record(b, 's', session_sid(s));
	for (m = s->memberships; m != NULL; m = m->next)
		if (m->room->key[0] == ROOM_NAMED)
			recover_record(b, 'r', slice_of(m->room->key + 1,
			    m->room->len - 1u));
	recover_drain(r, skip, b);
}

/* From now on it is only forwarded; it may not live longer than the move. */
static void
start_move(struct hub *h, struct recover *r, uint16_t to, uint32_t ref)
{
	r->to = to;
	r->ref = ref;
	r->joined = false;
	memset(r->passed, 0, sizeof r->passed);
	r->until_us = h->now.us + RECOVER_ASK_MS * UINT64_C(1000);
	TAILQ_REMOVE(&h->recover.parked, r, link);
	TAILQ_INSERT_HEAD(&h->recover.parked, r, link);
}

static bool
is_asker(const struct session *s, const struct bus_envelope *q)
{
	if (s->who == NULL || q->nusers == 0)
		return (s->who == NULL && q->nusers == 0);
	return (slice_eq(principal_user(s->who), q->users[0]));
}

static void
on_ask(struct hub *h, const struct bus_envelope *q)
{
	struct recover *r = recover_find(h, q->event);
	struct bus_envelope e = { .ref = 0 };
	struct session *s;
	struct buf state;
	uint32_t skip;
	bool ok;

	if (r == NULL || !slice_eq(slice_of(r->session->ns->name,
	    r->session->ns->name_len), q->nsp) || !is_asker(r->session, q)) {
		(void)say_to(h, BUS_RECOVER_NONE, q->from, q->ref, &e);
		return;
	}
	s = r->session;
	if (!recover_ready(r, q->offset, &skip)) {
		if (r->to == 0)
			session_free(&s);
		(void)say_to(h, BUS_RECOVER_NONE, q->from, q->ref, &e);
		return;
	}
	buf_init(&state);
	describe(r, skip, &state);
	e.args = buf_unread(&state);
	ok = !state.oom && say_to(h, BUS_RECOVER_STATE, q->from, q->ref, &e);
	buf_fini(&state);
	if (ok)
		start_move(h, r, q->from, q->ref);
	else
		session_free(&s);	/* B gives up at its deadline */
}

void
recover_forward(struct recover *r)
{
	struct hub *h = r->session->hub;
	struct bus_envelope e = { .ref = 0 };
	struct buf late;

	buf_init(&late);
	recover_drain(r, 0, &late);
	e.args = buf_unread(&late);
	if (!late.oom && e.args.n != 0)
		(void)say_to(h, BUS_RECOVER_LATE, r->to, r->ref, &e);
	buf_fini(&late);
}

void
recover_forward_rooms(struct recover *r, const struct members_rooms *rooms)
{
	struct hub *h = r->session->hub;
	struct bus_envelope e = { .ref = 0 };
	struct buf late;
	size_t i;

	buf_init(&late);
	for (i = 0; i < rooms->njoin; i++)
		recover_record(&late, 'r', rooms->join[i]);
	for (i = 0; i < rooms->nleave; i++)
		recover_record(&late, 'l', rooms->leave[i]);
	e.args = buf_unread(&late);
	if (!late.oom)
		(void)say_to(h, BUS_RECOVER_LATE, r->to, r->ref, &e);
	buf_fini(&late);
}

static struct recover *
moving_find(struct hub *h, uint16_t to, uint32_t ref)
{
	struct recover *r;

	TAILQ_FOREACH(r, &h->recover.parked, link) {
		if (r->to == 0)
			return (NULL);	/* those that move stand in front */
		if (r->to == to && r->ref == ref)
			return (r);
	}
	return (NULL);
}

/* All that could have been routed here alone has come. */
static void
finish_move(struct hub *h, struct recover *r)
{
	struct bus_envelope e = { .ref = 0 };
	struct session *s = r->session;

	recover_forward(r);
	(void)say_to(h, BUS_RECOVER_DONE, r->to, r->ref, &e);
	session_free(&s);
}

static void
look(struct hub *h, struct recover *r)
{
	if (r->joined && (r->want[0] & ~r->passed[0]) == 0 &&
	    (r->want[1] & ~r->passed[1]) == 0)
		finish_move(h, r);
}

static void
on_joined(struct hub *h, const struct bus_envelope *q)
{
	struct recover *r = moving_find(h, q->from, q->ref);

	if (r == NULL)
		return;
	r->want[0] = q->count;
	r->want[1] = q->sent_us;
	r->joined = true;
	look(h, r);
}

/* The word of a worker, behind all that it had sent before. */
static void
on_passed(struct hub *h, const struct bus_envelope *q)
{
	struct recover *r;
	uint64_t bit[2];

	if (q->count == 0 || q->count > 128)
		return;
	r = moving_find(h, (uint16_t)q->count, q->ref);
	if (r == NULL)
		return;
	one_bit(q->from, bit);
	r->passed[0] |= bit[0];
	r->passed[1] |= bit[1];
	look(h, r);
}

static void
on_barrier(struct hub *h, const struct bus_envelope *q)
{
	struct bus_envelope e = { .count = q->from };

	if (q->count != 0 && q->count <= 128)
		(void)say_to(h, BUS_RECOVER_PASSED, (uint16_t)q->count,
		    q->ref, &e);
}

/* --- both ----------------------------------------------------------------- */

void
recover_bus(struct hub *h, const struct bus_envelope *q)
{
	if (q->from == 0 || q->from > 128) {
		counter_add(COUNTER_bus_bad, 1);
		return;
	}
	switch (q->kind) {
	case BUS_RECOVER_ASK:
		on_ask(h, q);
		break;
	case BUS_RECOVER_NONE:
		on_none(h, q);
		break;
	case BUS_RECOVER_STATE:
		on_state(h, q);
		break;
	case BUS_RECOVER_JOINED:
		on_joined(h, q);
		break;
	case BUS_RECOVER_BARRIER:
		on_barrier(h, q);
		break;
	case BUS_RECOVER_PASSED:
		on_passed(h, q);
		break;
	case BUS_RECOVER_LATE:
		on_late(h, q);
		break;
	case BUS_RECOVER_DONE:
		on_done(h, q);
		break;
	case BUS_PUBLISH:
	case BUS_COUNT:
	case BUS_DISCONNECT:
	case BUS_ROOMS:
	case BUS_ANSWERS:
	case BUS_ANSWERS_END:
	default:
		break;
	}
}

/* A word that does not come is of a worker that has died, and what it sent
 * with it; an answer that does not come is none. */
void
recover_move_tick(struct hub *h)
{
	struct asking *a, *next;
	struct recover *r;

	while ((r = TAILQ_FIRST(&h->recover.parked)) != NULL && r->to != 0 &&
	    r->until_us <= h->now.us)
		finish_move(h, r);
	for (a = TAILQ_FIRST(&h->recover.asking); a != NULL; a = next) {
		next = TAILQ_NEXT(a, link);
		if (a->deadline_us <= h->now.us)
			give_up(h, a);
	}
}

void
recover_move_fini(struct hub *h)
{
	struct asking *a;

	while ((a = TAILQ_FIRST(&h->recover.asking)) != NULL) {
		drop_made(a);
		asking_free(h, a);
	}
}
