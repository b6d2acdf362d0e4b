/*
 * Counts of unread notifications, of each user who has a session here; see
 * notices.h.  Called by hub.c, as sessions begin and end, and as time goes by.
 *
 *	due ─► asked ─► told ─► (due: when the count changes by itself)
 *	 ▲       │
 *	 └ later ┘ there was no answer
 *
 * One question is asked for a user at a time, however many sessions begin.
 */
#include "hub/service/notices.h"

#include <stdlib.h>

#include "hub/audience/fanout.h"
#include "hub/audience/room.h"
#include "hub/hub_int.h"
#include "hub/publish/waits.h"
#include "hub/session/principal.h"
#include "hub/stream/box.h"

#define NOTICES_MAX	(1u << 20)	/* users that wait for a moment */
#define NOTICES_ASKS	256u		/* in one tick */
#define NOTICES_AGAIN_MS 500u		/* after no answer; then longer, */
#define NOTICES_MOST_MS	4000u		/* up to this */
#define NOTICES_LATE_MS	50u		/* behind what is due */
#define NOTICES_TAKE_MS	2000u		/* of those that come from other workers */

struct notices_user {
	struct hashtab_link link;
	struct wait	 due;		/* to be asked; ref 0: it is not */
	struct hub	*hub;
	const struct conf_namespace *ns;
	uint32_t	 sessions;	/* here; 0: an answer is awaited */
	uint32_t	 patience_ms;	/* 0: it was answered */
	bool		 asked;
	bool		 again;		/* what is awaited may be too old */
	uint16_t	 user_n;
	uint8_t		 user[];
};

struct notices_table {
	struct hashtab	 users;
	struct waits	 due;
	bool		 stale;		/* all are to be asked again; */
	size_t		 at;		/* those from there on yet */
};

static uint64_t
notices_hash(const struct hub *h, struct slice user)
{
	return (hash_bytes(&h->key, user));
}

static struct notices_user *
notices_at(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct notices_user, link));
}

static struct slice
notices_name(const struct notices_user *u)
{
	return (slice_of(u->user, u->user_n));
}

static uint64_t
notices_hash_of(const void *arg, const struct hashtab_link *l)
{
	return (notices_hash(arg, notices_name(notices_at(l))));
}

static struct notices_user *
notices_find(const struct hub *h, const struct conf_namespace *ns,
    struct slice user)
{
	const struct hashtab_link *l;

	l = hashtab_chain(&h->notices->users, notices_hash(h, user));
	for (; l != NULL; l = l->next)
		if (notices_at(l)->ns == ns &&
		    slice_eq(notices_name(notices_at(l)), user))
			return (notices_at(l));
	return (NULL);
}

bool
notices_is_here(const struct hub *h, const struct conf_namespace *ns,
    struct slice user)
{
	const struct notices_user *u = notices_find(h, ns, user);

	return (u != NULL && u->sessions > 0);
}

/* --- asking ---------------------------------------------------------------------- */

static void
notices_not_due(struct notices_user *u)
{
	if (u->due.ref != 0)
		waits_remove(&u->hub->notices->due, &u->due);
}

static void
notices_due(struct notices_user *u, uint64_t until_us)
{
	struct waits *w = &u->hub->notices->due;
	uint32_t ref;

	if (u->due.ref != 0) {
		if (until_us < u->due.until_us)
			waits_until(w, &u->due, until_us);
		return;
	}
	ref = waits_ref(w);
	if (ref == 0)	/* the next change tells it */
		counter_add(COUNTER_memory_failures, 1);
	else
		waits_add(w, &u->due, ref, until_us);
}

static void
notices_drop(struct notices_user *u)
{
	struct hub *h = u->hub;

	notices_not_due(u);
	hashtab_remove(&h->notices->users, notices_hash(h, notices_name(u)),
	    &u->link);
	free(u);
}

static void
notices_tell(struct notices_user *u, const struct box_reply *r)
{
	struct hub *h = u->hub;
	struct room *room = room_find(h, u->ns->index, ROOM_USER,
	    notices_name(u));
	struct publication p = { .nsp = slice_of(u->ns->name,
	    u->ns->name_len), .named = true,
	    .event = SLICE("\"notification:unread_count\"") };
	struct buf b;

	if (room == NULL)
		return;
	buf_init(&b);
	buf_printf(&b, "{\"count\":%llu,\"version\":%llu}",
	    (unsigned long long)r->count, (unsigned long long)r->version);
	p.args = p.first = buf_unread(&b);
	if (b.oom)
		notices_due(u, h->now.us + NOTICES_AGAIN_MS * 1000);
	else
		(void)fanout_room(h, room, &p, NULL);
	buf_fini(&b);
}

/* Not all at once. */
static void
notices_later(struct notices_user *u)
{
	struct hub *h = u->hub;
	uint32_t ms = u->patience_ms * 2;

	if (ms == 0)
		ms = NOTICES_AGAIN_MS;
	u->patience_ms = ms > NOTICES_MOST_MS ? NOTICES_MOST_MS : ms;
	notices_due(u, h->now.us + 1000 * (u->patience_ms / 2 +
	    notices_hash(h, notices_name(u)) % u->patience_ms));
}

/* It changes by itself then: whoever asks makes it known.  What is due in more
 * than a day the relay says to those alone who ask. */
static void
notices_wait_for(struct notices_user *u, uint64_t due_ms)
{
	struct hub *h = u->hub;
	uint64_t ms = due_ms > h->wall.ms ? due_ms - h->wall.ms : 0;

	if (due_ms == 0 || ms > BOX_DUE_MS / 2)
		ms = BOX_DUE_MS / 2;
	notices_due(u, h->now.us + (ms + NOTICES_LATE_MS) * 1000);
}

static void	notices_count_ask(struct notices_user *);

static void
notices_on_count(struct hub *h, void *arg, enum bus_store result,
    const struct box_reply *r)
{
	struct notices_user *u = arg;

	(void)h;
	(void)result;
	u->asked = false;
	if (u->sessions == 0) {
		notices_drop(u);
		return;
	}
	if (u->again) {
		u->again = false;
		notices_due(u, 0);
	}
	if (r == NULL) {
		notices_later(u);
		return;
	}
	u->patience_ms = 0;
	notices_tell(u, r);
	notices_wait_for(u, r->due_ms);
}

static void
notices_count_ask(struct notices_user *u)
{
	notices_not_due(u);
	if (u->asked) {
		u->again = true;
		return;
	}
	counter_add(COUNTER_notices_counts, 1);
	u->asked = box_ask(u->hub, u->ns, notices_name(u), BOX_COUNT,
	    slice_of(NULL, 0), notices_on_count, u);
	if (!u->asked)
		notices_later(u);
}

/* --- sessions ---------------------------------------------------------------------- */

static struct notices_user *
notices_new(struct session *s)
{
	struct slice user = principal_user(s->who);
	struct hub *h = s->hub;
	struct notices_user *u = calloc(1, sizeof *u + user.n);

	if (u == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	u->hub = h;
	u->ns = s->ns;
	u->user_n = (uint16_t)user.n;
	memcpy(u->user, user.p, user.n);
	hashtab_insert(&h->notices->users, notices_hash(h, user), &u->link);
	return (u);
}

/* NULL: no memory, or nobody's. */
static struct notices_user *
notices_enter(struct session *s)
{
	struct notices_user *u;

	if (!s->ns->inbox || s->who == NULL || s->client == NULL)
		return (NULL);
	u = notices_find(s->hub, s->ns, principal_user(s->who));
	if (u == NULL)
		u = notices_new(s);
	if (u != NULL)
		u->sessions++;
	return (u);
}

/* What the giver had asked it may not have heard; not all at once. */
void
notices_session_take(struct session *s)
{
	struct notices_user *u = notices_enter(s);

	if (u != NULL)
		notices_due(u, s->hub->now.us + NOTICES_TAKE_MS * 1000 / 2 +
		    notices_hash(s->hub, notices_name(u)) %
		    (NOTICES_TAKE_MS * 1000));
}

void
notices_session_begin(struct session *s)
{
	struct notices_user *u = notices_enter(s);

	if (u != NULL)
		notices_count_ask(u);
}

void
notices_session_end(struct session *s)
{
	struct notices_user *u;

	if (s->who == NULL || s->hub->notices->users.count == 0)
		return;
	u = notices_find(s->hub, s->ns, principal_user(s->who));
	if (u == NULL || u->sessions == 0 || --u->sessions > 0)
		return;
	notices_not_due(u);
	if (!u->asked)
		notices_drop(u);
}

/* --- what may have been missed -------------------------------------------------------- */

static void
notices_stale(struct hub *h)
{
	if (h->notices->users.count == 0)
		return;
	h->notices->stale = true;
	h->notices->at = 0;
}

void
notices_bus(struct hub *h, const struct bus_envelope *e)
{
	const struct conf_namespace *ns;
	struct notices_user *u = NULL;
	uint64_t due_ms;

	if (e->box.what == BOX_STALE) {
		notices_stale(h);
		return;
	}
	if (e->box.what != BOX_DUE || !box_get_due(e->box.body, &due_ms)) {
		counter_add(COUNTER_bus_bad, 1);
		return;
	}
	ns = conf_namespace_find(h->conf, e->box.nsp);
	if (ns != NULL)
		u = notices_find(h, ns, e->box.user);
	if (u != NULL && u->sessions > 0)
		notices_wait_for(u, due_ms);
}

void
notices_back(struct hub *h)
{
	notices_stale(h);
}

static void
notices_is_due(struct hashtab_link *l, void *arg)
{
	unsigned *n = arg;
	struct notices_user *u = notices_at(l);

	(*n)++;
	if (u->sessions > 0)
		notices_due(u, 0);
}

void
notices_tick(struct hub *h)
{
	struct notices_table *t = h->notices;
	unsigned n = 0, asks = 0;
	struct wait *w;

	while (t->stale && n < NOTICES_ASKS) {
		t->at = hashtab_scan(&t->users, t->at, notices_is_due, &n);
		t->stale = t->at != 0;
		n++;
	}
	while (asks++ < NOTICES_ASKS &&
	    (w = waits_over(&t->due, h->now.us)) != NULL)
		notices_count_ask(container_of(w, struct notices_user, due));
}

/* --- birth and death ------------------------------------------------------------------ */

struct notices_table *
notices_table_new(const struct hub *h)
{
	struct notices_table *t = calloc(1, sizeof *t);

	if (t == NULL)
		return (NULL);
	hashtab_init(&t->users, notices_hash_of, h);
	waits_init(&t->due, NOTICES_MAX, h->generation);
	return (t);
}

/* All questions are over, and sessions gone. */
static void
notices_free(struct hashtab_link *l, void *arg)
{
	struct notices_user **first = arg;

	*first = notices_at(l);
}

void
notices_table_free(struct hub *h)
{
	struct notices_table *t = h->notices;
	struct notices_user *u;

	if (t == NULL)
		return;
	while (t->users.count > 0) {
		hashtab_each(&t->users, notices_free, &u);
		notices_drop(u);
	}
	waits_fini(&t->due);
	hashtab_fini(&t->users);
	free(t);
	h->notices = NULL;
}
