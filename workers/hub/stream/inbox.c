/*
 * What waits for users; see inbox.h.  Called by rule.c, hub.c and as sessions
 * begin.
 */
#include "hub/stream/inbox.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/state.h"
#include "hub/audience/fanout.h"
#include "hub/audience/sids.h"
#include "hub/publish/post.h"
#include "hub/publish/publish.h"
#include "hub/session/principal.h"
#include "hub/session/refuse.h"
#include "hub/store/waiter.h"
#include "hub/stream/stream_int.h"
#include "shm/presence.h"

#define INBOX_HOLD_BYTES (256u << 10)	/* of what comes meanwhile */

/* --- out --------------------------------------------------------------------- */

/* One that waits to be told that it is queued. */
struct inbox_sent {
	struct question wait;
	struct waiter	 waiter;
	uint64_t	 ts;
	uint8_t		 id_len;
	char		 id[64];
	uint8_t		 bytes[];
};

static void
inbox_fill(struct hub *h, const struct conf_namespace *ns, struct slice user,
    const struct publication *p, struct slice id, unsigned what,
    struct bus_envelope *e)
{
	struct bus_publish *b = bus_queue(e);

	publish_fill(e, b, p);
	e->flags = 0;
	b->nsp = slice_of(ns->name, ns->name_len);
	b->offset = slice_of(NULL, 0);
	b->once = id;
	b->sent_us = h->wall.ms;
	b->kept = what;
	b->to.users[b->to.nusers++] = user;
}

bool
inbox_send(struct hub *h, const struct conf_namespace *ns, struct slice user,
    const struct publication *p, struct slice id, unsigned what)
{
	struct bus_envelope e;

	inbox_fill(h, ns, user, p, id, what, &e);
	return (post_to(h, 0, 0, &e));
}

const char *
inbox_why(void)
{
	return ("the user is away, and it could not be queued, or whether it "
	    "was is not known");
}

static void
inbox_sent_over(struct hub *h, struct question *w,
    const struct bus_envelope *e)
{
	struct inbox_sent *q = container_of(w, struct inbox_sent, wait);
	struct inbound in = { .ack = q->waiter.ack };
	struct session *s = waiter_session(h, &q->waiter);
	char text[192];
	int n;

	waiter_end(h, &q->waiter);
	if (s == NULL)
		;		/* nobody is there to be told */
	else if (e == NULL || e->page.result != BUS_STORE_OK)
		refuse(s, &in, e != NULL &&
		    e->page.result == BUS_STORE_TOO_LARGE ?
		    REFUSED_TOO_LARGE : REFUSED_UNAVAILABLE, "%s",
		    inbox_why());
	else {
		n = snprintf(text, sizeof text, "{\"id\":\"%.*s\",\"ts\":%llu,"
		    "\"delivered\":0,\"queued\":true}", q->id_len, q->id,
		    (unsigned long long)q->ts);
		MUST((size_t)n < sizeof text);
		session_ack(s, &q->waiter.ack, slice_of(text, (size_t)n));
	}
	free(q);
}

bool
inbox_send_for(struct session *s, const struct ack *ack, struct slice user,
    const struct publication *p, struct slice id, unsigned what)
{
	struct inbox_sent *q = id.n > sizeof q->id ? NULL :
	    calloc(1, sizeof *q + ack->raw.n);
	struct bus_envelope e;

	if (q == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	q->wait.over = inbox_sent_over;
	q->ts = s->hub->wall.ms;
	q->id_len = (uint8_t)id.n;
	memcpy(q->id, id.p, id.n);
	inbox_fill(s->hub, s->ns, user, p, id, what, &e);
	if (!question_ask(s->hub, &e, &q->wait)) {
		free(q);
		return (false);
	}
	waiter_begin(&q->waiter, WAITER_STREAM, s, ack, q->bytes);
	return (true);
}

/* --- taking ------------------------------------------------------------------ */

/* What waits for a user, for a session that has just begun, or for all that the
 * user has. */
struct inbox_take {
	struct question wait;
	struct waiter	 waiter;
	bool		 for_session;
	bool		 asks;		/* an answer is to come */
	struct hashtab_link by_user;	/* of a session's */
	TAILQ_ENTRY(inbox_take) slow;	/* of a session's that asks not */
	struct buf	 held;		/* frames of what came meanwhile */
	struct hub	*hub;
	const struct conf_namespace *ns;
	uint32_t	 user_len;
	uint8_t		 user[];
};

static struct slice
inbox_user(const struct inbox_take *t)
{
	return (slice_of(t->user, t->user_len));
}

static uint64_t
inbox_hash(const struct hub *h, struct slice user)
{
	return (hash_bytes(&h->key, user));
}

static struct inbox_take *
inbox_at(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct inbox_take, by_user));
}

uint64_t
inbox_hash_of(const void *arg, const struct hashtab_link *l)
{
	return (inbox_hash(arg, inbox_user(inbox_at(l))));
}

/* NULL: no session of the user takes. */
static struct inbox_take *
inbox_taking(const struct hub *h, const struct conf_namespace *ns,
    struct slice user)
{
	const struct hashtab_link *l;
	struct inbox_take *t;

	if (h->stream->takes.count == 0)
		return (NULL);
	l = hashtab_chain(&h->stream->takes, inbox_hash(h, user));
	for (; l != NULL; l = l->next) {
		t = inbox_at(l);
		if (t->ns == ns && slice_eq(inbox_user(t), user))
			return (t);
	}
	return (NULL);
}

bool
inbox_is_here(struct hub *h, const struct conf_namespace *ns,
    struct slice user, bool *elsewhere)
{
	struct presence_info info;

	*elsewhere = false;
	if (user.n == 0 || !presence_get(h->presence, ns->index, user, &info))
		return (false);
	*elsewhere = info.online && !info.local;
	return (info.local && inbox_taking(h, ns, user) == NULL);
}

static struct inbox_take *
inbox_take_new(struct hub *h, const struct conf_namespace *ns,
    struct slice user)
{
	struct inbox_take *t = calloc(1, sizeof *t + user.n);

	if (t == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	t->hub = h;
	t->ns = ns;
	t->user_len = (uint32_t)user.n;
	memcpy(t->user, user.p, user.n);
	buf_init(&t->held);
	return (t);
}

static bool
inbox_ask(struct inbox_take *t)
{
	struct bus_envelope e;
	struct bus_publish *b = bus_inbox(&e);

	b->nsp = slice_of(t->ns->name, t->ns->name_len);
	b->to.users[b->to.nusers++] = inbox_user(t);
	t->asks = question_ask(t->hub, &e, &t->wait);
	return (t->asks);
}

/* What has come meanwhile is behind what has waited. */
static void
inbox_take_end(struct inbox_take *t)
{
	struct state_in in = state_in(buf_unread(&t->held));
	struct hub *h = t->hub;
	struct bus_envelope e;
	struct slice frame;

	if (t->for_session) {
		waiter_end(h, &t->waiter);
		hashtab_remove(&h->stream->takes, inbox_hash(h,
		    inbox_user(t)), &t->by_user);
	}
	while (in.p != in.end && !in.bad) {
		frame = state_get_slice(&in);
		if (!in.bad && bus_decode(frame, &e) == (ssize_t)frame.n)
			publish_bus(h, &e);
	}
	buf_fini(&t->held);
	free(t);
}

static void
inbox_give_one_back(struct hub *h, struct slice frame)
{
	struct bus_envelope e;

	if (bus_decode(frame, &e) != (ssize_t)frame.n ||
	    e.kind != BUS_PUBLISH || e.publish.to.nusers != 1)
		return;
	e.kind = BUS_QUEUE;
	e.flags = 0;
	e.publish.kept = INBOX_QUEUE | INBOX_FRONT;
	if (post_to(h, 0, 0, &e))	/* else the way there counts it */
		counter_add(COUNTER_inbox_returned, 1);
}

/* The last first: each comes before what is there. */
static void
inbox_give_back(struct hub *h, struct slice frames)
{
	struct slice all[INBOX_PAGE];
	uint64_t slots[2];
	uint16_t flags;
	size_t n = 0;
	ssize_t size;

	for (; frames.n > 0 && n < INBOX_PAGE;
	    frames = slice_from(frames, (size_t)size)) {
		size = bus_frame(frames, slots, &flags);
		if (size <= 0)
			break;
		all[n++] = slice_of(frames.p, (size_t)size);
	}
	while (n > 0)
		inbox_give_one_back(h, all[--n]);
}

/* Each of a page. */
static void
inbox_deliver(struct inbox_take *t, struct session *s, struct slice frames)
{
	struct slice user = inbox_user(t);
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
			(void)publish_room(h, t->ns, ROOM_USER, user, &p,
			    NULL, NULL);
	}
}

static bool
inbox_is_slow(const struct session *s)
{
	return (outq_bytes(s->out) > s->hub->conf->send_queue_bytes / 4);
}

/* --- who is here ------------------------------------------------------------- */

static void
inbox_see(void *arg, struct session *s)
{
	bool *seen = arg;

	*seen |= s->client != NULL;	/* else it is parked */
}

static bool
inbox_is_connected(struct hub *h, const struct conf_namespace *ns,
    struct slice user)
{
	const struct audience a = { .users = &user, .nusers = 1 };
	bool seen = false;

	fanout_each(h, ns, &a, inbox_see, &seen);
	return (seen);
}

/* --- answers ----------------------------------------------------------------- */

static void
inbox_on_all(struct inbox_take *t, struct slice frames, bool more)
{
	if (!inbox_is_connected(t->hub, t->ns, inbox_user(t))) {
		inbox_give_back(t->hub, frames);
		more = false;
	} else
		inbox_deliver(t, NULL, frames);
	if (!more || !inbox_ask(t))
		inbox_take_end(t);
}

static void
inbox_on_session(struct inbox_take *t, struct slice frames, bool more)
{
	struct session *s = waiter_session(t->hub, &t->waiter);

	if (s == NULL) {
		inbox_give_back(t->hub, frames);
		inbox_take_end(t);
		return;
	}
	inbox_deliver(t, s, frames);
	if (!more)
		inbox_take_end(t);
	else if (inbox_is_slow(s))
		TAILQ_INSERT_TAIL(&t->hub->stream->slow, t, slow);
	else if (!inbox_ask(t))
		inbox_take_end(t);
}

static void
inbox_take_over(struct hub *h, struct question *w,
    const struct bus_envelope *e)
{
	struct inbox_take *t = container_of(w, struct inbox_take, wait);

	(void)h;
	t->asks = false;
	if (e == NULL || e->page.result != BUS_STORE_OK) {
		counter_add(COUNTER_inbox_unheard, 1);
		inbox_take_end(t);
	} else if (t->for_session)
		inbox_on_session(t, e->page.frames, (e->flags & BUS_MORE) != 0);
	else
		inbox_on_all(t, e->page.frames, (e->flags & BUS_MORE) != 0);
}

/* Those whose clients have read what they got. */
void
inbox_tick(struct hub *h)
{
	struct inbox_take *t, *next;
	struct session *s;

	for (t = TAILQ_FIRST(&h->stream->slow); t != NULL; t = next) {
		next = TAILQ_NEXT(t, slow);
		s = waiter_session(h, &t->waiter);
		if (s != NULL && inbox_is_slow(s))
			continue;
		TAILQ_REMOVE(&h->stream->slow, t, slow);
		if (s == NULL || !inbox_ask(t))
			inbox_take_end(t);
	}
}

void
inbox_lost(struct hub *h)
{
	struct inbox_take *t;

	while ((t = TAILQ_FIRST(&h->stream->slow)) != NULL) {
		TAILQ_REMOVE(&h->stream->slow, t, slow);
		inbox_take_end(t);
	}
}

/* --- in ---------------------------------------------------------------------- */

void
inbox_session_begin(struct session *s)
{
	static const struct ack none = { .kind = ACK_NONE };
	struct hub *h = s->hub;
	struct inbox_take *t;

	if (!s->ns->queues || s->who == NULL || s->client == NULL)
		return;
	t = inbox_take_new(h, s->ns, principal_user(s->who));
	if (t == NULL)
		return;
	t->wait.over = inbox_take_over;
	if (!inbox_ask(t)) {
		inbox_take_end(t);
		return;
	}
	t->for_session = true;
	waiter_begin(&t->waiter, WAITER_STREAM, s, &none, NULL);
	hashtab_insert(&h->stream->takes, inbox_hash(h, inbox_user(t)),
	    &t->by_user);
}

void
inbox_bus(struct hub *h, const struct bus_envelope *e)
{
	const struct bus_publish *b = &e->publish;
	const struct conf_namespace *ns = conf_namespace_find(h->conf, b->nsp);
	struct slice user = b->to.users[0];
	struct inbox_take *t;

	if (ns == NULL || !inbox_is_connected(h, ns, user))
		return;
	t = inbox_take_new(h, ns, user);
	if (t == NULL)
		return;
	t->wait.over = inbox_take_over;
	if (!inbox_ask(t))
		inbox_take_end(t);
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
	t = ns == NULL ? NULL : inbox_taking(h, ns, to->users[0]);
	if (t == NULL || t->held.wpos + frame.n > INBOX_HOLD_BYTES)
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
