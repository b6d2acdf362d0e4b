/*
 * Members who read on in the store; see lag.h.  Called by fanout.c, by store.c
 * for the time, and by who moves clients.
 */
#include "hub/store/lag.h"

#include <stdlib.h>

#include "base/state.h"
#include "hub/audience/fanout.h"
#include "hub/audience/room.h"
#include "hub/publish/gap.h"
#include "hub/publish/publish.h"
#include "hub/session/client.h"
#include "hub/store/heal.h"
#include "hub/store/history.h"
#include "hub/store/since.h"
#include "hub/store/store_int.h"

#define LAGS_MAX	16384u	/* of a worker; then as if there were none */
#define LAG_ASKS	32u	/* pages under way at once, of all */
#define LAG_LOOKS	1024u	/* in one tick */
#define LAG_AGAIN_MS	500u	/* behind an answer that did not come */
#define LAG_UNHEARD	60u	/* of those in turn: the client is closed */

#define LAG_TAG		0x474c		/* "LG" */
#define LAG_VERSION	1

struct lag {
	struct history_ask ask;
	TAILQ_ENTRY(lag) link;		/* store.lags: who is looked at next */
	TAILQ_ENTRY(lag) under_way;	/* store.lag_asks, while asking */
	struct hashtab_link by_ship;	/* store.laggards */
	struct membership *ship;
	struct since	 since;		/* it was given all up to there */
	uint64_t	 since_ms;	/* unix: it has lagged since then */
	uint64_t	 wait_us;	/* it does not ask before */
	unsigned	 unheard;	/* answers in turn that did not come */
	bool		 asking;
};

/* --- who lags ---------------------------------------------------------------- */

static uint64_t
lag_hash(const struct membership *m)
{
	uint64_t k = (uint64_t)(uintptr_t)m;

	k = (k ^ k >> 31) * UINT64_C(0x9e3779b97f4a7c15);
	return (k ^ k >> 29);
}

static struct lag *
lag_at(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l, struct lag,
	    by_ship));
}

static uint64_t
lag_hash_of(const void *arg, const struct hashtab_link *l)
{
	(void)arg;
	return (lag_hash(lag_at(l)->ship));
}

void
lag_table_init(struct store_table *t)
{
	TAILQ_INIT(&t->lags);
	TAILQ_INIT(&t->lag_asks);
	hashtab_init(&t->laggards, lag_hash_of, NULL);
}

void
lag_table_fini(struct store_table *t)
{
	MUST(TAILQ_EMPTY(&t->lags));
	hashtab_fini(&t->laggards);
}

static struct lag *
lag_of(const struct hub *h, const struct membership *m)
{
	struct hashtab_link *l = hashtab_chain(&h->store->laggards,
	    lag_hash(m));

	while (l != NULL && lag_at(l)->ship != m)
		l = l->next;
	MUST(l != NULL);
	return (lag_at(l));
}

/* --- begin and end ------------------------------------------------------------ */

static void lag_page(struct hub *, struct history_ask *,
    const struct bus_envelope *);

/* NULL: no memory, or too many. */
static struct lag *
lag_new(struct membership *m, struct slice epoch, uint64_t offset,
    uint64_t since_ms)
{
	struct hub *h = m->session->hub;
	struct lag *l = h->nlags >= LAGS_MAX ? NULL : calloc(1, sizeof *l);

	if (l == NULL) {
		counter_add(COUNTER_cursors_refused, 1);
		return (NULL);
	}
	l->ask.page = lag_page;
	l->ship = m;
	l->since_ms = since_ms;
	since_set(&l->since, epoch, offset);
	m->lags = true;
	h->nlags++;
	TAILQ_INSERT_TAIL(&h->store->lags, l, link);
	hashtab_insert(&h->store->laggards, lag_hash(m), &l->by_ship);
	counter_add(COUNTER_cursors_open, 1);
	return (l);
}

/* Its page has come, or nobody waits for it. */
static void
lag_asked(struct hub *h, struct lag *l)
{
	l->asking = false;
	TAILQ_REMOVE(&h->store->lag_asks, l, under_way);
	h->store->nlag_asks--;
}

static void
lag_free(struct hub *h, struct lag *l)
{
	if (l->asking) {
		history_forget(h, &l->ask);
		lag_asked(h, l);
	}
	l->ship->lags = false;
	h->nlags--;
	TAILQ_REMOVE(&h->store->lags, l, link);
	hashtab_remove(&h->store->laggards, lag_hash(l->ship), &l->by_ship);
	counter_sub(COUNTER_cursors_open, 1);
	free(l);
}

/* What comes has come in order, so it has what was before this one. */
bool
lag_begin(struct membership *m, const struct publication *p)
{
	struct session *s = m->session;

	if (s->ns->journals || s->client == NULL || p->kept == 0 ||
	    p->epoch.n > EPOCH_MAX || lag_new(m, p->epoch, p->kept - 1,
	    s->hub->wall.ms) == NULL)
		return (false);
	counter_add(COUNTER_cursors, 1);
	return (true);
}

void
lag_room_left(struct session *s, struct membership *m)
{
	if (m->lags)
		lag_free(s->hub, lag_of(s->hub, m));
}

const struct since *
lag_place(const struct membership *m)
{
	return (&lag_of(m->session->hub, m)->since);
}

bool
lag_any(const struct session *s)
{
	const struct membership *m;

	if (s->hub->nlags == 0)
		return (false);
	for (m = s->memberships; m != NULL && !m->lags; m = m->next)
		;
	return (m != NULL);
}

/* --- pages -------------------------------------------------------------------- */

/* A page on its way will be queued, too: of all rooms of a client there is one at
 * a time. */
static bool
lag_may_ask(const struct hub *h, const struct lag *l)
{
	const struct client *c = l->ship->session->client;
	const struct lag *a;

	if (h->store->nlag_asks >= LAG_ASKS)
		return (false);
	TAILQ_FOREACH(a, &h->store->lag_asks, under_way)
		if (a->ship->session->client == c)
			return (false);
	return (true);
}

/* No more than it reads in one go. */
static uint64_t
lag_low(const struct hub *h)
{
	return (h->conf->send_queue_bytes / 8);
}

static bool
lag_ask(struct hub *h, struct lag *l)
{
	const struct session *s = l->ship->session;
	struct history_part part = { .from = BUS_HISTORY_AFTER,
		.epoch = since_epoch(&l->since), .since = l->since.offset,
		.limit = STORE_PAGE_EVENTS, .bytes = lag_low(h) };

	if (!history_ask(h, &l->ask, s->ns, room_name(l->ship->room), &part))
		return (false);
	l->asking = true;
	TAILQ_INSERT_TAIL(&h->store->lag_asks, l, under_way);
	h->store->nlag_asks++;
	return (true);
}

static void
lag_wait(struct hub *h, struct lag *l, uint64_t ms)
{
	l->wait_us = h->now.us + ms * 1000;
}

/* The client cannot be told what it misses, or that it does. */
static void
lag_close(struct lag *l, enum reason why)
{
	struct session *s = l->ship->session;

	if (s->client != NULL && !s->client->closing)
		client_close(s->client, why);
}

static void
lag_unheard(struct hub *h, struct lag *l)
{
	lag_wait(h, l, LAG_AGAIN_MS);
	if (++l->unheard >= LAG_UNHEARD)
		lag_close(l, REASON_slow_consumer);
}

/* What is between its place and the page is kept no more.  false: there is no
 * way to say so. */
static bool
lag_tell_gap(struct hub *h, struct lag *l)
{
	struct session *s = l->ship->session;

	/* of a document what is there tells of what is not any more */
	if (wire_form((enum wire)s->wire) == WIRE_YJS)
		return (true);
	counter_add(COUNTER_cursor_gaps, 1);
	if (!wire_has_names((enum wire)s->wire)) {
		lag_close(l, REASON_slow_consumer);
		return (false);
	}
	gap_to_session(h, s, room_name(l->ship->room), l->since_ms);
	return (true);
}

static void
lag_give(struct lag *l, const struct bus_envelope *page)
{
	static struct bus_envelope one;	/* large; one at a time */
	struct slice frames = page->page.frames;
	struct session *s = l->ship->session;
	struct publication p;
	struct audience a;

	while (history_next(&frames, &one)) {
		p = publish_received(&one);
		a = publish_receivers(&one);
		if (!history_excepts(s, &a) && !fanout_session(s->hub, s, &p)) {
			lag_close(l, REASON_memory);
			return;
		}
		since_set(&l->since, one.publish.epoch, one.publish.kept);
	}
}

/* It is where the room is: from now on it gets what comes. */
static void
lag_end(struct hub *h, struct lag *l, const struct bus_envelope *page)
{
	struct room *r = l->ship->room;

	if (place_set(h, r, page->page.epoch, page->page.top))
		place_finish(r, page->page.finished);
	counter_add(COUNTER_cursors_done, 1);
	lag_free(h, l);
}

/* It reads as fast as it is given; else the tick sees when it has read. */
static void
lag_go_on(struct hub *h, struct lag *l)
{
	if (lag_may_ask(h, l) &&
	    outq_bytes(l->ship->session->out) <= 2 * lag_low(h) &&
	    !lag_ask(h, l))
		lag_unheard(h, l);
}

static void
lag_page(struct hub *h, struct history_ask *a, const struct bus_envelope *page)
{
	struct lag *l = container_of(a, struct lag, ask);
	const struct session *s = l->ship->session;

	lag_asked(h, l);
	if (page == NULL) {
		lag_unheard(h, l);
		return;
	}
	l->unheard = 0;
	counter_add(COUNTER_cursor_pages, 1);
	if (s->client->closing ||
	    (history_has_gap(page) && !lag_tell_gap(h, l)))
		return;
	lag_give(l, page);
	if (s->client->closing)
		return;
	if (page->page.result == BUS_STORE_EPOCH && page->page.top > 0) {
		/* of this one it has nothing */
		since_set(&l->since, page->page.epoch, 0);
		lag_go_on(h, l);
		return;
	}
	if (page->flags & BUS_MORE) {
		lag_go_on(h, l);
		return;
	}
	since_set(&l->since, page->page.epoch, page->page.top);
	if (heal_is_level(h, s->ns, l->ship->room, page))
		lag_end(h, l, page);
	else
		lag_wait(h, l, LAG_AGAIN_MS);
}

/* Those whose queue is short go on, in turn. */
void
lag_tick(struct hub *h)
{
	struct store_table *t = h->store;
	unsigned n = h->nlags < LAG_LOOKS ? h->nlags : LAG_LOOKS;
	struct lag *l;

	for (; n > 0 && t->nlag_asks < LAG_ASKS; n--) {
		l = TAILQ_FIRST(&t->lags);
		TAILQ_REMOVE(&t->lags, l, link);
		TAILQ_INSERT_TAIL(&t->lags, l, link);
		if (l->asking || h->now.us < l->wait_us ||
		    l->ship->session->client->closing ||
		    outq_bytes(l->ship->session->out) > lag_low(h) ||
		    !lag_may_ask(h, l))
			continue;
		if (!lag_ask(h, l))
			lag_unheard(h, l);
	}
}

/* --- to another worker ---------------------------------------------------------- */

static void
lag_save_one(const struct session *s, const struct membership *m,
    struct buf *b)
{
	const struct lag *l = lag_of(s->hub, m);

	state_put_slice(b, slice_of(s->ns->name, s->ns->name_len));
	state_put_slice(b, room_name(m->room));
	state_put_slice(b, since_epoch(&l->since));
	state_put_u64(b, l->since.offset);
	state_put_u64(b, l->since_ms);
}

void
lag_save(const struct client *c, struct buf *b)
{
	const struct membership *m;
	const struct session *s;
	uint32_t n = 0;
	size_t at;

	for (s = c->sessions; s != NULL && c->hub->nlags > 0; s = s->next)
		for (m = s->memberships; m != NULL; m = m->next)
			n += m->lags;
	if (n == 0)
		return;
	at = state_open(b, LAG_TAG, LAG_VERSION);
	state_put_u32(b, n);
	for (s = c->sessions; s != NULL; s = s->next)
		for (m = s->memberships; m != NULL; m = m->next)
			if (m->lags)
				lag_save_one(s, m, b);
	state_close(b, at);
}

/* Who cannot read on is told: in a namespace or a room that the configuration has
 * no more, or where as many do as may. */
static bool
lag_load_one(struct client *c, struct state_in *in)
{
	struct slice ns = state_get_slice(in), name = state_get_slice(in);
	struct slice epoch = state_get_slice(in);
	uint64_t offset = state_get_u64(in), since_ms = state_get_u64(in);
	struct membership *m = NULL;
	struct session *s;
	struct since place;

	since_set(&place, epoch, offset);
	if (in->bad || epoch.n == 0 || epoch.n > EPOCH_MAX ||
	    !since_is_good(&place) || name.n == 0 || name.n > ROOM_NAME_MAX)
		return (false);
	for (s = c->sessions; s != NULL && m == NULL; s = s->next)
		if (slice_eq(slice_of(s->ns->name, s->ns->name_len), ns))
			m = room_membership(s, ROOM_NAMED, name);
	if (m == NULL)
		return (true);
	if (m->lags)
		return (false);
	if (!conf_room_keeps(m->session->ns, name) ||
	    m->session->ns->journals ||
	    lag_new(m, epoch, offset, since_ms) == NULL)
		gap_to_session(c->hub, m->session, name, since_ms);
	return (true);
}

bool
lag_load(struct client *c, struct state_in *in)
{
	struct state_in body;
	uint16_t version;
	uint32_t n;

	if (state_end(in))
		return (true);
	if (!state_section(in, LAG_TAG, &version, &body) ||
	    version != LAG_VERSION)
		return (false);
	for (n = state_get_u32(&body); n > 0; n--)
		if (!lag_load_one(c, &body))
			return (false);
	return (state_end(&body));
}

void
lag_drop(struct client *c)
{
	struct membership *m;
	struct session *s;

	for (s = c->sessions; s != NULL && c->hub->nlags > 0; s = s->next)
		for (m = s->memberships; m != NULL; m = m->next)
			lag_room_left(s, m);
}
