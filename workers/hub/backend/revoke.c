/*
 * See revoke.h.  Called by api_revoke.c, by hub.c with what comes over the bus,
 * and for clients that come from another worker.
 */
#include "hub/backend/revoke.h"

#include "base/slotset.h"
#include "hub/backend/ask.h"
#include "hub/hub_int.h"
#include "hub/publish/post.h"
#include "hub/session/client.h"
#include "hub/session/principal.h"
#include "hub/session/tokens.h"
#include "proto/bus.h"

/* Said where the back end says nothing. */
#define REASON	SLICE("\"token revoked\"")
/* A look, in each turn: places of the table, of which one that is in use costs
 * as much as so many that are free, and more where there are many namespaces. */
#define LOOK_PLACES	4096u
#define LOOK_COST	64u

struct revoke_look {
	const struct revocation *r;
	uint64_t	 id;		/* TOKEN */
	struct slice	 reason;
	uint32_t	 grace;		/* unix seconds; 0: none */
	struct buf	 sids;
	struct members_done *done;
};

/* --- here ------------------------------------------------------------------ */

/* Of its user's, or of one who is here with it. */
static bool
revoke_covers(const struct revoke_look *k, const struct principal *p)
{
	if (k->r->kind == REVOKED_USER)
		return (p->iat <= (int64_t)k->r->moment);
	return (p->token != NULL && p->token->id == k->id);
}

static void
revoke_note(void *arg, struct session *s)
{
	struct revoke_look *k = arg;

	if (s->who != NULL && revoke_covers(k, s->who))
		buf_slice(&k->sids, session_sid(s));
}

static uint32_t
revoke_end_one(struct session *s, struct slice reason)
{
	struct client *c = s->client;

	if (c == NULL || c->closing)
		return (members_end_absent(s, REASON_revoked));
	session_farewell(s, reason.n == 0 ? REASON : reason);
	c->kind->expire(c, s, REASON_revoked);
	if (!c->closing)
		client_schedule(c);
	return (1);
}

/* As one that was issued just behind the order, and that is over soon.  (Who is
 * away shows his own when he is back.) */
static uint32_t
revoke_put_off(struct session *s, const struct revoke_look *k)
{
	struct principal *who = s->who;
	struct client *c = s->client;
	uint32_t n = 0;

	if (who->exp == 0 || who->exp > (int64_t)k->grace)
		who->exp = (int64_t)k->grace;
	who->iat = (int64_t)k->r->moment + 1;
	if (c == NULL || c->closing)
		return (0);
	/* in all namespaces: none of these is covered any more */
	for (s = c->sessions; s != NULL; s = s->next) {
		if (s->who != who)
			continue;
		client_warn(s);
		n++;
	}
	client_schedule(c);
	return (n);
}

static void
revoke_end_in(struct hub *h, struct revoke_look *k,
    const struct conf_namespace *ns, struct slice user)
{
	const struct audience a = { .users = &user, .nusers = 1 };
	struct slice rest;
	struct session *s;

	buf_reset(&k->sids);
	fanout_each(h, ns, &a, revoke_note, k);
	rest = buf_unread(&k->sids);
	while ((s = members_next(h, &rest)) != NULL)
		k->done->here += k->grace != 0 ? revoke_put_off(s, k) :
		    revoke_end_one(s, k->reason);
}

static void
revoke_end_user(struct hub *h, struct revoke_look *k, struct slice user)
{
	size_t i;

	for (i = 0; i < h->conf->nnamespaces; i++)
		revoke_end_in(h, k, &h->conf->namespaces[i], user);
}

static void
revoke_end_token(struct hub *h, struct revoke_look *k)
{
	struct slice rest;
	struct buf users;

	buf_init(&users);
	tokens_users(h, k->id, &users);
	for (rest = buf_unread(&users); rest.n != 0;
	    rest = slice_from(rest, rest.p[0] + 1u))
		revoke_end_user(h, k, slice_of(rest.p + 1, rest.p[0]));
	k->sids.oom |= users.oom;
	buf_fini(&users);
}

static void
revoke_end(struct hub *h, const struct revocation *r, struct slice reason,
    uint32_t grace, struct members_done *done)
{
	struct revoke_look k = { .r = r, .reason = reason, .grace = grace,
		.done = done };
	uint32_t before = done->here;

	buf_init(&k.sids);
	if (r->kind == REVOKED_USER)
		revoke_end_user(h, &k, r->name);
	else {
		k.id = revoked_id(h->segment, REVOKED_TOKEN, r->name);
		revoke_end_token(h, &k);
	}
	if (k.sids.oom) {
		counter_add(COUNTER_memory_failures, 1);
		done->partly = true;
	}
	buf_fini(&k.sids);
	counter_add(grace != 0 ? COUNTER_revoked_put_off :
	    COUNTER_revoked_sessions, done->here - before);
}

/* --- everywhere ------------------------------------------------------------ */

static void
revoke_tell_others(struct hub *h, const struct revocation *r,
    struct slice reason, uint32_t grace, const struct ask *ask,
    struct members_done *done)
{
	struct bus_envelope e;
	struct bus_revoke *b = bus_revoke(&e);
	uint64_t slots[2];
	uint32_t ref = 0;

	*b = (struct bus_revoke){ .what = r->kind, .name = r->name,
		.moment = r->moment, .until = r->until, .grace = grace,
		.reason = reason };
	post_others(h, slots);
	done->far = conf_redis_on(&h->conf->redis);
	if (done->far)
		e.flags |= BUS_FAR;
	else if (slotset_empty(slots))
		return;
	if (ask != NULL) {
		e.flags |= BUS_WANT_COUNT;
		ref = ask_ref(ask);
	}
	if (post_send(h, slots, ref, &e))
		slotset_copy(done->bits, slots);
	else {
		done->partly = true;
		revoked_ask_look(h->segment);
	}
	done->far &= !done->partly;
}

bool
revoke(struct hub *h, struct revocation *r, struct slice reason,
    uint32_t grace, const struct ask *ask, struct members_done *done)
{
	*done = (struct members_done){ .here = 0 };
	if (revoked_put(h->segment, h->slot, r, h->wall.ms / 1000) ==
	    REVOKED_FULL)
		return (false);
	revoke_tell_others(h, r, reason, grace, ask, done);
	revoke_end(h, r, reason, grace, done);
	return (true);
}

/* --- as told --------------------------------------------------------------- */

static bool
revoke_read(const struct bus_revoke *b, struct revocation *r)
{
	*r = (struct revocation){ .kind = (enum revoked_kind)b->what,
		.name = b->name, .moment = (uint32_t)b->moment,
		.until = (uint32_t)b->until };
	return ((b->what == REVOKED_USER || b->what == REVOKED_TOKEN) &&
	    b->name.n != 0 && b->name.n <= REVOKED_NAME_MAX &&
	    b->moment <= UINT32_MAX && b->until <= UINT32_MAX &&
	    b->until != 0 && b->grace <= UINT32_MAX &&
	    (b->grace == 0 || b->what == REVOKED_USER));
}

void
revoke_bus(struct hub *h, const struct bus_envelope *e)
{
	struct members_done done = { .here = 0 };
	struct revocation r;

	if (!revoke_read(&e->revoke, &r)) {
		counter_add(COUNTER_bus_bad, 1);
		return;
	}
	/* it is there, unless who told it has another segment, as after an
	 * upgrade; where that is full, sessions end nevertheless */
	(void)(revoked_put(h->segment, h->slot, &r, h->wall.ms / 1000) ==
	    REVOKED_FULL);
	revoke_end(h, &r, e->revoke.reason, (uint32_t)e->revoke.grace, &done);
	if (e->flags & BUS_WANT_COUNT)
		ask_report(h, e, done.here, done.partly);
}

void
revoke_turn(struct hub *h)
{
	struct members_done done = { .here = 0 };
	uint32_t places = LOOK_PLACES;
	struct revoked_entry entry;

	while (tokens_look_next(h, &places, &entry)) {
		revoke_end(h, &entry.r, slice_of(NULL, 0), 0, &done);
		places = places > LOOK_COST ? places - LOOK_COST : 0;
	}
}

bool
revoke_recheck(struct client *c)
{
	bool socketio = c->kind->number == CLIENT_IS_SOCKETIO, any = false;
	struct session *s, *next;

	for (s = c->sessions; s != NULL; s = next) {
		next = s->next;
		if (!tokens_revoked(c->hub, s->who))
			continue;
		any = true;
		session_farewell(s, REASON);
		counter_add(COUNTER_revoked_sessions, 1);
		if (socketio)
			c->kind->kick(c, s, REASON_revoked);
	}
	return (!any || (socketio && c->sessions != NULL));
}
