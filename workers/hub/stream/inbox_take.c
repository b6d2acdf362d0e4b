/*
 * What waits for users comes to them; see inbox.h.  Called by hub.c, as sessions
 * begin, and by stream.c as time goes by.
 *
 * There is one of these for a user, be it for the session that has just begun or
 * for all that the user has:
 *
 *	asks ─► given ─► asks again, or done with
 *	 │        └────► slow: there is more, but it is not read
 *	 └─────────────► later: nobody has answered
 *
 * A page is done with, and the relay told so, when it is written; for a session
 * that has just begun, when its client has read what it got, or after a while.
 */
#include "hub/stream/inbox.h"

#include <stdlib.h>

#include "base/state.h"
#include "hub/audience/fanout.h"
#include "hub/audience/sids.h"
#include "hub/publish/post.h"
#include "hub/publish/publish.h"
#include "hub/session/principal.h"
#include "hub/store/waiter.h"
#include "hub/stream/stream_int.h"
#include "shm/presence.h"

#define INBOX_HOLD_BYTES (256u << 10)	/* of what comes meanwhile */
#define INBOX_TAKES_MAX	32768u
#define INBOX_READ_MS	2000u		/* so long clients may take to read,
					 * until it is done with */
#define INBOX_AGAIN_MS	500u		/* or up to twice that; then longer, */
#define INBOX_MOST_MS	30000u		/* up to this */
#define INBOX_ASKS	256u		/* of those that wait, in a tick */
#define INBOX_ROUNDS	8u		/* what comes meanwhile comes behind it so
					 * often; then it comes as to anybody */

struct inbox_take {
	struct question wait;
	struct waiter	 waiter;	/* of a session */
	bool		 for_session;
	bool		 again;		/* something has come meanwhile */
	bool		 more;		/* behind what was given */
	struct hashtab_link by_user;
	TAILQ_ENTRY(inbox_take) link;
	struct inbox_takes *list;	/* NULL: an answer is to come */
	unsigned	 rounds;	/* that nothing was behind */
	uint32_t	 ref;		/* of what was given */
	uint64_t	 due_us;	/* later: not before; given: after it the
					 * relay is told */
	uint64_t	 patience_ms;	/* 0: it was answered */
	struct buf	 held;		/* frames of what came meanwhile */
	struct hub	*hub;
	const struct conf_namespace *ns;
	uint32_t	 user_len;
	uint8_t		 user[];
};

static struct slice
take_user(const struct inbox_take *t)
{
	return (slice_of(t->user, t->user_len));
}

/* --- by user ----------------------------------------------------------------- */

static uint64_t
take_hash(const struct hub *h, struct slice user)
{
	return (hash_bytes(&h->key, user));
}

static struct inbox_take *
take_at(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct inbox_take, by_user));
}

uint64_t
inbox_hash_of(const void *arg, const struct hashtab_link *l)
{
	return (take_hash(arg, take_user(take_at(l))));
}

/* NULL: there is none. */
static struct inbox_take *
take_find(const struct hub *h, const struct conf_namespace *ns,
    struct slice user)
{
	const struct hashtab_link *l;
	struct inbox_take *t;

	if (h->stream->takes.count == 0)
		return (NULL);
	l = hashtab_chain(&h->stream->takes, take_hash(h, user));
	for (; l != NULL; l = l->next) {
		t = take_at(l);
		if (t->ns == ns && slice_eq(take_user(t), user))
			return (t);
	}
	return (NULL);
}

bool
inbox_is_here(struct hub *h, const struct conf_namespace *ns,
    struct slice user, bool *elsewhere)
{
	const struct inbox_take *t;
	struct presence_info info;

	*elsewhere = false;
	if (user.n == 0 || !presence_get(h->presence, ns->index, user, &info))
		return (false);
	*elsewhere = info.online && !info.local;
	t = take_find(h, ns, user);
	return (info.local && (t == NULL || !t->for_session));
}

/* --- who is here ------------------------------------------------------------- */

struct take_look {
	bool	 here;		/* somebody is connected */
	size_t	 unread;	/* bytes of the one who has most */
};

static void
take_look_at(void *arg, struct session *s)
{
	struct take_look *l = arg;
	size_t n;

	if (s->client == NULL)
		return;		/* it is parked */
	l->here = true;
	n = outq_bytes(s->out);
	if (n > l->unread)
		l->unread = n;
}

static struct take_look
take_look(struct hub *h, const struct conf_namespace *ns, struct slice user)
{
	const struct audience a = { .users = &user, .nusers = 1 };
	struct take_look l = { false, 0 };

	fanout_each(h, ns, &a, take_look_at, &l);
	return (l);
}

/* Of its session, or of all that the user has. */
static struct take_look
take_receivers(const struct inbox_take *t)
{
	struct take_look l = { false, 0 };
	struct session *s;

	if (!t->for_session)
		return (take_look(t->hub, t->ns, take_user(t)));
	s = waiter_session(t->hub, &t->waiter);
	if (s != NULL)
		take_look_at(&l, s);
	return (l);
}

/* --- birth and death --------------------------------------------------------- */

static void
take_enter(struct inbox_take *t, struct inbox_takes *list)
{
	if (t->list != NULL)
		TAILQ_REMOVE(t->list, t, link);
	t->list = list;
	if (list != NULL)
		TAILQ_INSERT_TAIL(list, t, link);
}

/* NULL: no memory, or too many. */
static struct inbox_take *
take_new(struct hub *h, const struct conf_namespace *ns, struct slice user)
{
	struct inbox_take *t = h->stream->takes.count >= INBOX_TAKES_MAX ?
	    NULL : calloc(1, sizeof *t + user.n);

	if (t == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	t->hub = h;
	t->ns = ns;
	t->user_len = (uint32_t)user.n;
	memcpy(t->user, user.p, user.n);
	buf_init(&t->held);
	hashtab_insert(&h->stream->takes, take_hash(h, user), &t->by_user);
	return (t);
}

/* It is for all from now on: what has come meanwhile is behind what has waited. */
static void
take_for_all(struct inbox_take *t)
{
	struct buf held = t->held;
	struct state_in in = state_in(buf_unread(&held));
	struct hub *h = t->hub;
	struct bus_envelope e;
	struct slice frame;

	if (t->for_session)
		waiter_end(h, &t->waiter);
	t->for_session = false;
	buf_init(&t->held);
	while (in.p != in.end && !in.bad) {
		frame = state_get_slice(&in);
		if (!in.bad && bus_whole(frame, &e))
			publish_bus(h, &e);
	}
	buf_fini(&held);
}

static void
take_end(struct inbox_take *t)
{
	take_enter(t, NULL);
	hashtab_remove(&t->hub->stream->takes, take_hash(t->hub,
	    take_user(t)), &t->by_user);
	take_for_all(t);
	free(t);
}

static void
take_free_all(struct inbox_takes *list)
{
	struct inbox_take *t;

	while ((t = TAILQ_FIRST(list)) != NULL)
		take_end(t);
}

void
inbox_free(struct hub *h)
{
	take_free_all(&h->stream->given);
	take_free_all(&h->stream->slow);
	take_free_all(&h->stream->later);
}

/* --- to the relay ------------------------------------------------------------ */

static bool
take_post(struct hub *h, struct slice nsp, struct slice user, uint32_t ref,
    uint64_t what)
{
	struct bus_envelope e;
	struct bus_publish *b = bus_inbox(&e);

	b->nsp = nsp;
	b->kept = what;
	b->to.users[b->to.nusers++] = user;
	return (post_to(h, 0, ref, &e));
}

static bool
take_tell(const struct inbox_take *t, uint32_t ref, uint64_t what)
{
	return (take_post(t->hub, slice_of(t->ns->name, t->ns->name_len),
	    take_user(t), ref, what));
}

/* There was no answer, or it cannot be asked: who is here gets it once there is
 * one, and waits for nothing meanwhile. */
static void
take_later(struct inbox_take *t)
{
	struct hub *h = t->hub;
	uint64_t ms = t->patience_ms * 2;

	take_for_all(t);
	if (!take_receivers(t).here) {
		take_end(t);
		return;
	}
	if (ms == 0)
		ms = INBOX_AGAIN_MS;
	t->patience_ms = ms > INBOX_MOST_MS ? INBOX_MOST_MS : ms;
	ms = t->patience_ms;
	/* not all at once */
	t->due_us = h->now.us + 1000 * (ms + take_hash(h, take_user(t)) % ms);
	take_enter(t, &h->stream->later);
}

static void
take_ask(struct inbox_take *t)
{
	struct bus_envelope e;
	struct bus_publish *b = bus_inbox(&e);

	b->nsp = slice_of(t->ns->name, t->ns->name_len);
	b->to.users[b->to.nusers++] = take_user(t);
	t->again = t->more = false;
	/* nobody would answer: until that had been said, whoever is sent
	 * something here would seem to be away, and it would be refused */
	if (t->hub->ports.redis_is_away != NULL &&
	    t->hub->ports.redis_is_away(t->hub->ports.host)) {
		counter_add(COUNTER_inbox_unheard, 1);
		take_later(t);
	} else if (question_ask(t->hub, &e, &t->wait))
		take_enter(t, NULL);
	else
		take_later(t);
}

/* What there was is done with. */
static void
take_go_on(struct inbox_take *t)
{
	struct take_look l;

	if (!t->more && !t->again) {
		take_end(t);
		return;
	}
	t->rounds += !t->more;
	if (t->for_session && t->rounds >= INBOX_ROUNDS)
		take_for_all(t);
	l = take_receivers(t);
	if (!l.here && t->for_session) {
		take_for_all(t);
		l = take_receivers(t);
	}
	if (!l.here) {
		/* others may have come, and got none while we had it */
		(void)take_tell(t, 0, INBOX_LEFT);
		take_end(t);
	} else if (l.unread > t->hub->conf->send_queue_bytes / 4)
		take_enter(t, &t->hub->stream->slow);
	else
		take_ask(t);
}

/* --- what was given ---------------------------------------------------------- */

static unsigned
take_count(struct slice frames)
{
	uint64_t slots[2];
	uint16_t flags;
	unsigned n = 0;
	ssize_t size;

	for (; frames.n > 0; frames = slice_from(frames, (size_t)size)) {
		size = bus_frame(frames, slots, &flags);
		if (size <= 0)
			break;
		n++;
	}
	return (n);
}

void
inbox_unwanted(struct hub *h, const struct bus_envelope *e)
{
	struct slice frames = e->page.frames;
	struct bus_envelope first;
	uint64_t slots[2];
	uint16_t flags;
	ssize_t n;

	if (frames.n == 0 || (n = bus_frame(frames, slots, &flags)) <= 0 ||
	    bus_decode(slice_of(frames.p, (size_t)n), &first) != n ||
	    first.kind != BUS_PUBLISH || first.publish.to.nusers != 1)
		return;
	if (take_post(h, first.publish.nsp, first.publish.to.users[0], e->ref,
	    INBOX_BACK))
		counter_add(COUNTER_inbox_returned, take_count(frames));
}

/* Each of a page. */
static void
take_deliver(struct inbox_take *t, struct slice frames)
{
	struct session *s = t->for_session ? waiter_session(t->hub,
	    &t->waiter) : NULL;
	struct hub *h = t->hub;
	struct bus_envelope e;
	struct publication p;
	uint64_t slots[2];
	uint16_t flags;
	ssize_t n;

	for (; frames.n > 0; frames = slice_from(frames, (size_t)n)) {
		n = bus_frame(frames, slots, &flags);
		if (n <= 0)
			return;
		if (bus_decode(slice_of(frames.p, (size_t)n), &e) != n ||
		    e.kind != BUS_PUBLISH)
			continue;
		p = publish_received(&e);
		p.sent_us = 0;		/* how long it took is no latency */
		counter_add(COUNTER_inbox_delivered, 1);
		if (s != NULL)
			(void)fanout_session(h, s, &p);
		else
			(void)publish_room(h, t->ns, ROOM_USER, take_user(t),
			    &p, NULL, NULL);
	}
}

static void
take_give(struct inbox_take *t, const struct bus_envelope *e)
{
	t->patience_ms = 0;
	if (t->for_session && !take_receivers(t).here)
		take_for_all(t);
	if (e->page.frames.n == 0)
		take_go_on(t);
	else if (!take_receivers(t).here) {
		inbox_unwanted(t->hub, e);
		take_end(t);
	} else {
		take_deliver(t, e->page.frames);
		t->ref = e->ref;
		t->due_us = t->hub->now.us + INBOX_READ_MS * UINT64_C(1000);
		take_enter(t, &t->hub->stream->given);
	}
}

static void
take_over(struct hub *h, struct question *w, const struct bus_envelope *e)
{
	struct inbox_take *t = container_of(w, struct inbox_take, wait);

	(void)h;
	if (e == NULL || e->page.result != BUS_STORE_OK) {
		counter_add(COUNTER_inbox_unheard, 1);
		take_later(t);
		return;
	}
	t->more = (e->flags & BUS_MORE) != 0;
	take_give(t, e);
}

/* Who has gone had perhaps not read it. */
static bool
take_is_read(struct inbox_take *t, uint64_t *what)
{
	struct take_look l = take_receivers(t);

	*what = l.here ? INBOX_TAKEN : INBOX_BACK;
	return (!l.here || !t->for_session || l.unread == 0 ||
	    t->hub->now.us >= t->due_us);
}

void
inbox_written(struct hub *h)
{
	struct inbox_take *t, *next;
	uint64_t what;

	h->stream->said = false;
	for (t = TAILQ_FIRST(&h->stream->given); t != NULL; t = next) {
		next = TAILQ_NEXT(t, link);
		if (!take_is_read(t, &what) || (!take_tell(t, t->ref, what) &&
		    h->now.us < t->due_us))
			continue;
		h->stream->said = true;
		take_go_on(t);
	}
}

/* --- the clock --------------------------------------------------------------- */

void
inbox_tick(struct hub *h)
{
	struct inbox_take *t, *next;
	struct take_look l;
	unsigned n = 0;

	for (t = TAILQ_FIRST(&h->stream->slow); t != NULL; t = next) {
		next = TAILQ_NEXT(t, link);
		l = take_receivers(t);
		if (!l.here || l.unread <= h->conf->send_queue_bytes / 4)
			take_go_on(t);
	}
	for (t = TAILQ_FIRST(&h->stream->later); t != NULL && n < INBOX_ASKS;
	    t = next) {
		next = TAILQ_NEXT(t, link);
		if (h->now.us < t->due_us)
			continue;
		n++;
		t->more = true;		/* or nobody knows */
		take_go_on(t);
	}
}

/* --- in ---------------------------------------------------------------------- */

void
inbox_session_begin(struct session *s)
{
	static const struct ack none = { .kind = ACK_NONE };
	struct hub *h = s->hub;
	struct inbox_take *t;
	struct slice user;

	if (!s->ns->queues || s->who == NULL || s->client == NULL)
		return;
	user = principal_user(s->who);
	t = take_find(h, s->ns, user);
	if (t != NULL && t->list != &h->stream->later) {
		t->again = true;	/* another one takes it all */
		return;
	}
	if (t == NULL && (t = take_new(h, s->ns, user)) == NULL)
		return;
	t->wait.over = take_over;
	t->for_session = true;
	waiter_begin(&t->waiter, WAITER_STREAM, s, &none, NULL);
	take_ask(t);
}

void
inbox_bus(struct hub *h, const struct bus_envelope *e)
{
	const struct bus_publish *b = &e->publish;
	const struct conf_namespace *ns = conf_namespace_find(h->conf, b->nsp);
	struct slice user = b->to.users[0];
	struct inbox_take *t;

	if (ns == NULL || !take_look(h, ns, user).here)
		return;
	t = take_find(h, ns, user);
	if (t != NULL && t->list != &h->stream->later) {
		t->again = true;
		return;
	}
	if (t == NULL && (t = take_new(h, ns, user)) == NULL)
		return;
	t->wait.over = take_over;
	take_ask(t);
}

bool
inbox_holds(struct hub *h, const struct bus_envelope *e, struct slice frame)
{
	const struct bus_audience *to = &e->publish.to;
	const struct conf_namespace *ns;
	struct inbox_take *t;
	size_t at;

	if (likely(h->stream->takes.count == 0) || e->kind != BUS_PUBLISH ||
	    to->nusers != 1 || to->nrooms + to->nsids != 0 ||
	    (e->flags & (BUS_WANT_ANSWERS | BUS_WATCHERS)) != 0)
		return (false);
	ns = conf_namespace_find(h->conf, e->publish.nsp);
	t = ns == NULL ? NULL : take_find(h, ns, to->users[0]);
	if (t == NULL || !t->for_session ||
	    t->held.wpos + frame.n > INBOX_HOLD_BYTES)
		return (false);
	at = t->held.wpos;
	state_put_slice(&t->held, frame);
	if (!t->held.oom)
		return (true);
	t->held.oom = false;
	t->held.wpos = at;
	counter_add(COUNTER_memory_failures, 1);
	return (false);
}
