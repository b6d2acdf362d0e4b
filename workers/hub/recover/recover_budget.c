/*
 * Bytes and clients that wait; see recover_budget.h.  Called by recover.c as
 * sessions are parked and come back, by hub.c as a turn ends and
 * when a user has one more connection.
 */
#include "hub/recover/recover_int.h"

#include <stdlib.h>

#include "hub/session/principal.h"
#include "shm/count.h"

struct parked_user {
	struct hashtab_link link;
	struct parked_user *look_next;
	bool		 look;		/* in that list */
	struct principal *who;		/* for the name */
	uint64_t	 bytes;
	TAILQ_HEAD(charge_list, recover_charge) charges;
};

/* --- users ---------------------------------------------------------------- */

static struct parked_user *
budget_user_of(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct parked_user, link));
}

static uint64_t
budget_hash(const struct hub *h, const struct principal *who)
{
	return (hash_bytes(&h->key, principal_user(who)));
}

static uint64_t
budget_hash_of(const void *arg, const struct hashtab_link *l)
{
	return (budget_hash(arg, budget_user_of(l)->who));
}

void
budget_init(struct recover_budget *b, const struct hub *h)
{
	hashtab_init(&b->users, budget_hash_of, h);
}

static struct parked_user *
budget_find(struct hub *h, const struct principal *who)
{
	const struct hashtab_link *l;

	for (l = hashtab_chain(&h->recover->budget.users, budget_hash(h, who));
	    l != NULL; l = l->next)
		if (principal_is(budget_user_of(l)->who, who))
			return (budget_user_of(l));
	return (NULL);
}

static struct parked_user *
budget_user(struct hub *h, struct principal *who)
{
	struct parked_user *u = budget_find(h, who);

	if (u != NULL)
		return (u);
	u = calloc(1, sizeof *u);
	if (u == NULL)
		return (NULL);
	u->who = principal_ref(who);
	TAILQ_INIT(&u->charges);
	hashtab_insert(&h->recover->budget.users, budget_hash(h, who),
	    &u->link);
	return (u);
}

static void
budget_user_free(struct hub *h, struct parked_user *u)
{
	hashtab_remove(&h->recover->budget.users, budget_hash(h, u->who),
	    &u->link);
	principal_unref(&u->who);
	free(u);
}

/* Its limits are looked at as the turn ends; until then it is not freed. */
static void
budget_look_at(struct hub *h, struct parked_user *u)
{
	if (u->look)
		return;
	u->look = true;
	u->look_next = h->recover->budget.look;
	h->recover->budget.look = u;
}

void
recover_user_came(struct hub *h, const struct principal *who)
{
	struct parked_user *u = budget_find(h, who);

	if (u != NULL)
		budget_look_at(h, u);
}

/* --- per_user ------------------------------------------------------------- */

/* One place for all sessions that a client has of the user. */
static void
budget_take_place(struct hub *h, struct recover_charge *c)
{
	struct recover_charge *sister = TAILQ_LAST(&c->user->charges,
	    charge_list);

	if (c->family == 0 || h->conf->limit_per_user == 0 ||
	    h->count == NULL)
		return;
	if (sister != NULL && sister->family == c->family)
		return;		/* parked a moment ago, one by one */
	if (!count_enter_key(h->count, COUNT_PARKED,
	    principal_user(c->user->who), COUNT_KEY_MAX, &c->counted))
		c->counted = 0;
}

static bool
budget_are_sisters(const struct recover_charge *c,
    const struct recover_charge *d)
{
	return (c != NULL && d != NULL && c->family != 0 &&
	    c->family == d->family);
}

static void
budget_give_back(struct hub *h, struct recover_charge *c)
{
	count_leave_key(h->count, c->counted);
	c->counted = 0;
}

/* One goes on waiting for the client: the place is its. */
static void
budget_pass_place(struct hub *h, struct recover_charge *c)
{
	struct recover_charge *sister = TAILQ_NEXT(c, link);

	if (c->counted == 0)
		return;
	if (!budget_are_sisters(c, sister)) {
		budget_give_back(h, c);
		return;
	}
	sister->counted = c->counted;
	c->counted = 0;
}

/* The client is counted where it is now, whichever of them it asks for. */
static void
budget_give_place(struct hub *h, struct recover_charge *c)
{
	struct recover_charge *before;

	while (budget_are_sisters(c, before = TAILQ_PREV(c, charge_list, link)))
		c = before;
	for (; c->counted == 0; c = TAILQ_NEXT(c, link))
		if (!budget_are_sisters(c, TAILQ_NEXT(c, link)))
			return;
	budget_give_back(h, c);
}

static bool
budget_too_many(struct hub *h, const struct parked_user *u)
{
	struct slice name = principal_user(u->who);

	return (h->conf->limit_per_user != 0 && h->count != NULL &&
	    count_of(h->count, COUNT_USER, name) +
	    count_of(h->count, COUNT_PARKED, name) > h->conf->limit_per_user);
}

/* --- charging ------------------------------------------------------------- */

static uint64_t
budget_size_of(const struct msg *m)
{
	return (sizeof *m + m->cap);
}

static void
budget_keep(void *arg, struct msg *m)
{
	struct recover_budget *b = arg;

	if (m->kept++ != 0)
		return;
	msg_shrink(m);
	b->bytes += budget_size_of(m);
}

static void
budget_unkeep(void *arg, struct msg *m)
{
	struct recover_budget *b = arg;

	MUST(m->kept > 0);
	if (--m->kept == 0)
		b->bytes -= budget_size_of(m);
}

static uint64_t
budget_ships_bytes(const struct session *s)
{
	const struct membership *m;
	uint64_t n = 0;

	for (m = s->memberships; m != NULL; m = m->next) {
		n += sizeof *m + sizeof(struct member);
		if (m->room->members == 1)
			n += sizeof *m->room + m->room->len +
			    sizeof(struct room_wire);
	}
	return (n);
}

/* Without what is kept for it.  Its rooms seldom change while it is away, and
 * are not walked for each event. */
static uint64_t
budget_own_bytes(const struct recover *r)
{
	const struct session *s = r->session;
	struct recover_charge *c = r->charge;
	uint64_t n = sizeof *r + sizeof *s + sizeof *c;

	if (c->nships != s->nrooms + s->nwatches + 1) {
		c->nships = s->nrooms + s->nwatches + 1;
		c->ships = budget_ships_bytes(s);
	}
	n += c->ships;
	if (s->who != NULL)
		n += sizeof *s->who + s->who->user_len + s->who->json_len +
		    s->who->roles_len + s->who->claims_len;
	return (n + (uint64_t)r->out.n * sizeof(struct out_ref));
}

static void
budget_charge_user(struct hub *h, struct recover_charge *c, uint64_t all)
{
	if (c->user != NULL) {
		c->user->bytes += all - c->all;
		budget_look_at(h, c->user);
	}
	c->all = all;
}

static void
budget_charge(struct hub *h, struct recover *r)
{
	struct recover_charge *c = r->charge;
	struct recover_budget *b = &h->recover->budget;
	uint64_t own = budget_own_bytes(r), log = 0;

	if (r->log != NULL) {
		if (!c->log && r->log->parked++ == 0) {
			b->bytes += sentlog_size(r->log);
			sentlog_each(r->log, budget_keep, b);
		}
		c->log = true;
		log = r->log->pos - r->log->first + sentlog_size(r->log);
	}
	for (; c->nkept < r->out.n; c->nkept++)
		budget_keep(b, outq_msg(&r->out, c->nkept));
	b->bytes += own - c->own;
	c->own = own;
	budget_charge_user(h, c, own + log + outq_bytes(&r->out));
	counter_set(COUNTER_recovery_held_bytes, b->bytes);
}

void
budget_changed(struct recover *r)
{
	struct recover_budget *b = &r->session->hub->recover->budget;
	struct recover_charge *c = r->charge;

	if (c->changed)
		return;
	c->changed = true;
	c->changed_next = b->changed;
	b->changed = c;
}

void
budget_taken(struct recover *r)
{
	struct recover_charge *c = r->charge;
	struct recover_budget *b = &r->session->hub->recover->budget;

	if (c == NULL)
		return;
	while (c->nkept > 0)
		budget_unkeep(b, outq_msg(&r->out, --c->nkept));
	if (c->log && --r->log->parked == 0) {
		b->bytes -= sentlog_size(r->log);
		sentlog_each(r->log, budget_unkeep, b);
	}
	c->log = false;
	budget_changed(r);
}

bool
budget_park(struct recover *r, uint32_t family)
{
	struct session *s = r->session;
	struct hub *h = s->hub;
	struct recover_charge *c = calloc(1, sizeof *c);

	if (c == NULL)
		return (false);
	c->r = r;
	c->family = family;
	if (s->who != NULL) {
		c->user = budget_user(h, s->who);
		if (c->user == NULL) {
			free(c);
			return (false);
		}
		budget_take_place(h, c);
		TAILQ_INSERT_TAIL(&c->user->charges, c, link);
	}
	r->charge = c;
	counter_add(COUNTER_recovery_parked, 1);
	budget_changed(r);
	return (true);
}

void
budget_unpark(struct recover *r, bool moved_on)
{
	struct hub *h = r->session->hub;
	struct recover_charge *c = r->charge;
	struct recover_budget *b = &h->recover->budget;

	budget_taken(r);
	b->bytes -= c->own;
	budget_charge_user(h, c, 0);
	if (c->user != NULL) {
		if (moved_on)
			budget_give_place(h, c);
		else
			budget_pass_place(h, c);
		TAILQ_REMOVE(&c->user->charges, c, link);
	}
	r->charge = NULL;
	c->r = NULL;		/* freed as the turn ends */
	counter_sub(COUNTER_recovery_parked, 1);
	counter_set(COUNTER_recovery_held_bytes, b->bytes);
}

/* --- too much ------------------------------------------------------------- */

static void
budget_evict(struct recover *r)
{
	struct session *s = r->session;

	counter_add(COUNTER_recovery_evicted, 1);
	session_free(&s);
}

/* The user's oldest; one that is being moved has a client again. */
static struct recover *
budget_oldest(const struct parked_user *u)
{
	struct recover_charge *c;

	TAILQ_FOREACH(c, &u->charges, link)
		if (c->r->to == 0 && c->r->made == NULL)
			return (c->r);
	return (NULL);
}

static void
budget_look(struct hub *h, struct parked_user *u)
{
	struct recover *r;

	while ((u->bytes > h->conf->recovery_user_bytes ||
	    budget_too_many(h, u)) &&
	    (r = budget_oldest(u)) != NULL)
		budget_evict(r);
	u->look = false;
	if (TAILQ_EMPTY(&u->charges))
		budget_user_free(h, u);
}

static void
budget_charge_changed(struct hub *h)
{
	struct recover_budget *b = &h->recover->budget;
	struct recover_charge *c;

	while ((c = b->changed) != NULL) {
		b->changed = c->changed_next;
		c->changed = false;
		if (c->r != NULL)
			budget_charge(h, c->r);
		else
			free(c);
	}
}

void
budget_turn_end(struct hub *h)
{
	struct recover_budget *b = &h->recover->budget;
	struct parked_user *u;
	struct recover *r;

	budget_charge_changed(h);
	while ((u = b->look) != NULL) {
		b->look = u->look_next;
		budget_look(h, u);
	}
	while (b->bytes > h->conf->recovery_worker_bytes &&
	    (r = TAILQ_FIRST(&h->recover->parked)) != NULL)
		budget_evict(r);
	if (b->changed != NULL || b->look != NULL)
		budget_turn_end(h);	/* after those that went */
}

void
budget_fini(struct hub *h)
{
	struct recover_budget *b = &h->recover->budget;

	budget_turn_end(h);
	MUST(b->bytes == 0);
	hashtab_fini(&b->users);
}
