/*
 * Long polls: what a room that keeps a history has behind a place, at once or as
 * soon as there is something.  A poll is no session: each one is admitted for
 * itself, and answered once.  See client.h, by which the host calls.
 *
 *	hold the room ─► BUS_HISTORY ─► BUS_PAGE ─┬─ something ──────► answer
 *	(from now on its		   ▲	  └─ nothing ─► wait ──► answer
 *	events come here)		   └── not the next one ◄─┘
 *
 * Those that wait for a room stand at the place behind which its next event
 * comes, which is the answer to all of them, encoded once.  Those that an event
 * makes read again, because they want more than what is behind that place, or it
 * is not the next one, read together where they want the same.
 */
#include "hub/dialect/longpoll.h"

#include <sys/queue.h>

#include <stdlib.h>

#include "hub/audience/room.h"
#include "hub/client.h"
#include "hub/hub_int.h"
#include "hub/publish/waits.h"
#include "hub/session/principal.h"
#include "hub/session/tokens.h"
#include "hub/store/history.h"
#include "hub/store/page.h"
#include "proto/error.h"
#include "proto/json.h"

#define LONGPOLLS_MAX	(1u << 20)	/* that wait, of one worker */

/* A room that is waited for. */
struct longpoll_room {
	struct hashtab_link link;
	struct room	*room;
	TAILQ_HEAD(, longpoll) polls;
};

/* A page that was asked for, for polls that want the same; one at least. */
struct longpoll_reading {
	struct history_ask ask;
	TAILQ_HEAD(, longpoll) polls;
};

/* It reads, or it waits. */
struct longpoll {
	unsigned	 magic;
#define LONGPOLL_MAGIC	0x10a6b011
	bool		 again;		/* it waits: at seen, but it is to have
					 * what is behind since */
	struct hub	*hub;
	struct longpoll_reading *reading;
	struct longpoll_room *at;
	TAILQ_ENTRY(longpoll) link;	/* of either */
	struct wait	 wait;
	uint64_t	 until_us;
	const struct conf_namespace *ns;
	struct room	*room;		/* held */
	struct principal *who;
	void		*asker;
	unsigned	 limit;
	struct since	 since;		/* it wants what is behind it */
	struct since	 seen;		/* what its client has */
};

struct longpoll_table {
	struct hashtab	 rooms;
	struct waits	 waits;		/* by time */
	bool		 leaving;	/* nobody waits any more */
	struct buf	 body;		/* scratch of an answer */
	struct buf	 raw;		/* ... the room's name in it */
};

/* --- rooms ----------------------------------------------------------------- */

static struct longpoll_room *
longpoll_room_of(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct longpoll_room, link));
}

static uint64_t
longpoll_hash(const void *arg, const struct hashtab_link *l)
{
	(void)arg;
	return (longpoll_room_of(l)->room->hash);
}

static struct longpoll_room *
longpoll_room_find(const struct hub *h, const struct room *r)
{
	struct hashtab_link *l = hashtab_chain(&h->longpolls->rooms, r->hash);

	while (l != NULL && longpoll_room_of(l)->room != r)
		l = l->next;
	return (l == NULL ? NULL : longpoll_room_of(l));
}

static struct longpoll_room *
longpoll_room_get(struct hub *h, struct room *r)
{
	struct longpoll_room *at = longpoll_room_find(h, r);

	if (at != NULL || (at = calloc(1, sizeof *at)) == NULL)
		return (at);
	at->room = r;
	TAILQ_INIT(&at->polls);
	hashtab_insert(&h->longpolls->rooms, r->hash, &at->link);
	return (at);
}

struct longpoll_table *
longpoll_table_new(const struct hub *h)
{
	struct longpoll_table *t = calloc(1, sizeof *t);

	if (t == NULL)
		return (NULL);
	hashtab_init(&t->rooms, longpoll_hash, NULL);
	waits_init(&t->waits, LONGPOLLS_MAX, h->generation);
	buf_init(&t->body);
	buf_init(&t->raw);
	return (t);
}

/* --- waiting --------------------------------------------------------------- */

/* false: no memory. */
static bool
longpoll_wait(struct longpoll *p)
{
	struct hub *h = p->hub;
	uint32_t ref = waits_ref(&h->longpolls->waits);

	if (ref == 0 || (p->at = longpoll_room_get(h, p->room)) == NULL)
		return (false);
	TAILQ_INSERT_TAIL(&p->at->polls, p, link);
	waits_add(&h->longpolls->waits, &p->wait, ref, p->until_us);
	counter_add(COUNTER_longpolls_waiting, 1);
	return (true);
}

static void
longpoll_stop(struct longpoll *p)
{
	struct longpoll_table *t = p->hub->longpolls;
	struct longpoll_room *at = p->at;

	if (at == NULL)
		return;
	p->at = NULL;
	TAILQ_REMOVE(&at->polls, p, link);
	waits_remove(&t->waits, &p->wait);
	counter_sub(COUNTER_longpolls_waiting, 1);
	if (!TAILQ_EMPTY(&at->polls))
		return;
	hashtab_remove(&t->rooms, at->room->hash, &at->link);
	free(at);
}

static void
longpoll_unread(struct longpoll *p)
{
	struct longpoll_reading *r = p->reading;

	if (r == NULL)
		return;
	p->reading = NULL;
	TAILQ_REMOVE(&r->polls, p, link);
	if (!TAILQ_EMPTY(&r->polls))
		return;
	history_forget(p->hub, &r->ask);
	free(r);
}

static void
longpoll_free(struct longpoll *p)
{
	longpoll_unread(p);
	longpoll_stop(p);
	room_release(p->hub, &p->room);
	principal_unref(&p->who);
	p->magic = 0;
	free(p);
}

void
longpoll_forget(struct longpoll **pp)
{
	struct longpoll *p = *pp;

	if (p == NULL)
		return;
	CHECK_MAGIC(p, LONGPOLL_MAGIC);
	*pp = NULL;
	longpoll_free(p);
}

void
longpoll_table_free(struct hub *h)
{
	struct longpoll_table *t = h->longpolls;

	if (t == NULL)
		return;
	MUST(t->rooms.count == 0);
	hashtab_fini(&t->rooms);
	waits_fini(&t->waits);
	buf_fini(&t->body);
	buf_fini(&t->raw);
	free(t);
	h->longpolls = NULL;
}

/* --- answers --------------------------------------------------------------- */

static void
longpoll_tell(struct longpoll *p, int status, struct slice body,
    struct slice place)
{
	struct hub *h = p->hub;
	const struct longpoll_answer a = { .status = status, .body = body,
		.place = place };
	void *asker = p->asker;

	longpoll_free(p);
	h->ports.polled(h->ports.host, asker, &a);
}

static void
longpoll_fail(struct longpoll *p, int status, const char *code,
    const char *why)
{
	struct buf *b = &p->hub->text;	/* the body may be for others, too */

	buf_reset(b);
	error_encode(b, code, why);
	longpoll_tell(p, status, b->oom ? slice_of(NULL, 0) : buf_unread(b),
	    slice_of(NULL, 0));
}

static void
longpoll_unheard(struct longpoll *p)
{
	counter_add(COUNTER_longpolls_unheard, 1);
	longpoll_fail(p, 503, "unavailable",
	    "what was kept cannot be read now");
}

static bool
longpoll_is_at(const struct since *s, const struct since *place)
{
	return (s->given && s->offset == place->offset &&
	    slice_eq(since_epoch(s), since_epoch(place)));
}

/* The body, which is complete but for the place behind it. */
static void
longpoll_answer(struct longpoll *p, const struct buf *body,
    const struct since *place)
{
	static char text[CURSOR_MAX];
	struct slice at = slice_of(text, cursor_put(text, place, 1));

	/* what it may see is found out again, as time has passed */
	if (principal_is_over(p->who, p->hub->conf->jwt.leeway_ms,
	    p->hub->wall) || tokens_revoked(p->hub, p->who))
		longpoll_fail(p, 401, "unauthorized", "the token is over");
	else if (body->oom)
		longpoll_fail(p, 503, "internal", "out of memory");
	else if (longpoll_is_at(&p->seen, place))
		longpoll_tell(p, 304, slice_of(NULL, 0), at);
	else
		longpoll_tell(p, 200, buf_unread(body), at);
}

/* In place of the last brace. */
static void
longpoll_put_next(struct buf *b, const struct since *place)
{
	if (b->oom)
		return;
	b->wpos--;
	buf_str(b, ",\"next\":\"");
	buf_slice(b, since_epoch(place));
	buf_byte(b, ':');
	buf_u64(b, place->offset);
	buf_str(b, "\"}");
}

static struct slice
longpoll_raw(const struct longpoll *p)
{
	struct buf *raw = &p->hub->longpolls->raw;

	buf_reset(raw);
	json_escape(raw, room_name(p->room));
	return (buf_unread(raw));
}

/* Nothing has come. */
static void
longpoll_over(struct longpoll *p)
{
	const struct since place = p->again ? p->seen : p->since;
	struct buf *b = &p->hub->longpolls->body;

	buf_reset(b);
	page_put_one(b, longpoll_raw(p), since_epoch(&place), place.offset,
	    NULL, false);
	longpoll_put_next(b, &place);
	longpoll_answer(p, b, &place);
}

/* --- pages ----------------------------------------------------------------- */

/* Where a client is that has got the page; *any: with something in it. */
static struct since
longpoll_place(const struct bus_envelope *page, bool *any)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct slice frames = page->page.frames;
	struct since place = { .given = false };

	since_set(&place, page->page.epoch, page->page.top);
	*any = false;
	while (history_next(&frames, &e)) {
		*any = true;
		if (page->flags & BUS_MORE)
			place.offset = e.publish.kept;
	}
	return (place);
}

/* Is it to be answered?  One that names no place wants what is there; but none
 * wants to hear again what it has.  Behind the end of a room nothing comes. */
static bool
longpoll_has_news(const struct longpoll *p, const struct bus_envelope *page,
    const struct since *place, bool any)
{
	const struct hub *h = p->hub;

	if (page->page.finished || h->now.us >= p->until_us ||
	    h->longpolls->leaving)
		return (true);
	if (longpoll_is_at(&p->seen, place))
		return ((page->flags & BUS_MORE) != 0);
	return (any || !p->since.given || history_has_gap(page) ||
	    (p->since.epoch_len == 0 && history_lacks_first(page)));
}

/* false: no memory. */
static bool
longpoll_stays(struct longpoll *p, const struct since *place)
{
	p->again = longpoll_is_at(&p->seen, place) &&
	    !longpoll_is_at(&p->since, place);
	if (!p->again)
		p->since = *place;
	return (longpoll_wait(p));
}

/* The same for all of them. */
static void
longpoll_put_page(struct longpoll *p, const struct bus_envelope *page,
    const struct since *place)
{
	struct buf *b = &p->hub->longpolls->body;

	buf_reset(b);
	page_put(b, longpoll_raw(p), &p->since, page, true);
	longpoll_put_next(b, place);
}

static void
longpoll_page(struct hub *h, struct history_ask *a,
    const struct bus_envelope *page)
{
	struct longpoll_reading *r = container_of(a, struct longpoll_reading,
	    ask);
	struct since place = { .given = false };
	bool any = false, encoded = false;
	struct longpoll *p;

	if (page != NULL)
		place = longpoll_place(page, &any);
	while ((p = TAILQ_FIRST(&r->polls)) != NULL) {
		TAILQ_REMOVE(&r->polls, p, link);
		p->reading = NULL;
		work_add(&h->work, 1);
		if (page == NULL) {
			longpoll_unheard(p);
			continue;
		}
		if (!longpoll_has_news(p, page, &place, any) &&
		    longpoll_stays(p, &place))
			continue;
		if (!encoded)
			longpoll_put_page(p, page, &place);
		encoded = true;
		longpoll_answer(p, &h->longpolls->body, &place);
	}
	free(r);
}

/* false: the store cannot be asked. */
static bool
longpoll_read(struct longpoll *p)
{
	struct history_part part = page_part(&p->since, p->limit);
	struct longpoll_reading *r = calloc(1, sizeof *r);

	if (r == NULL)
		return (false);
	r->ask.page = longpoll_page;
	if (!history_ask(p->hub, &r->ask, p->ns, room_name(p->room), &part)) {
		free(r);
		return (false);
	}
	TAILQ_INIT(&r->polls);
	TAILQ_INSERT_TAIL(&r->polls, p, link);
	p->reading = r;
	return (true);
}

/* What was asked for now, after the same event, is as good for it. */
static bool
longpoll_read_with(struct longpoll *p, struct longpoll_reading *r)
{
	const struct longpoll *other = r == NULL ? NULL :
	    TAILQ_FIRST(&r->polls);

	if (other == NULL || other->limit != p->limit ||
	    (p->since.given ? !longpoll_is_at(&other->since, &p->since) :
	    other->since.given))
		return (false);
	TAILQ_INSERT_TAIL(&r->polls, p, link);
	p->reading = r;
	return (true);
}

/* --- what wakes them ------------------------------------------------------- */

static bool
longpoll_is_next(const struct longpoll *p, const struct bus_publish *b)
{
	return (p->since.offset + 1 == b->kept &&
	    slice_eq(since_epoch(&p->since), b->epoch));
}

/* Returns the reading that the next one may share. */
static struct longpoll_reading *
longpoll_reread(struct longpoll *p, struct longpoll_reading *others)
{
	if (longpoll_read_with(p, others) || longpoll_read(p))
		return (p->reading);
	longpoll_unheard(p);
	return (others);
}

void
longpoll_kept(struct hub *h, struct room *r, const struct bus_publish *e)
{
	struct buf *b = &h->longpolls->body;
	struct longpoll_reading *reading = NULL;
	struct longpoll_room *at;
	struct longpoll *p;
	struct since place = { .given = false };
	bool encoded = false;

	if (likely(h->longpolls->rooms.count == 0))
		return;
	if (e != NULL)
		since_set(&place, e->epoch, e->kept);
	r->holds++;	/* the last one to be answered may be all it has */
	while ((at = longpoll_room_find(h, r)) != NULL) {
		p = TAILQ_FIRST(&at->polls);
		longpoll_stop(p);
		work_add(&h->work, 1);
		if (e == NULL || p->again || !longpoll_is_next(p, e)) {
			reading = longpoll_reread(p, reading);
			continue;
		}
		if (!encoded) {
			buf_reset(b);
			page_put_one(b, longpoll_raw(p), e->epoch, e->kept, e,
			    r->place != NULL && r->place->finished);
			longpoll_put_next(b, &place);
			encoded = true;
		}
		longpoll_answer(p, b, &place);
	}
	room_release(h, &r);
}

static struct longpoll *
longpoll_of(struct wait *w)
{
	return (w == NULL ? NULL : container_of(w, struct longpoll, wait));
}

void
longpoll_tick(struct hub *h)
{
	struct longpoll *p;

	while ((p = longpoll_of(waits_over(&h->longpolls->waits,
	    h->now.us))) != NULL)
		longpoll_over(p);
}

void
longpoll_leave(struct hub *h)
{
	struct longpoll *p;

	h->longpolls->leaving = true;	/* who reads does not begin to wait */
	while ((p = longpoll_of(waits_first(&h->longpolls->waits))) != NULL)
		longpoll_over(p);
}

/* --- asking ---------------------------------------------------------------- */

struct longpoll *
longpoll_open(struct hub *h, struct admission *a,
    const struct longpoll_ask *ask, void *asker)
{
	struct longpoll *p = calloc(1, sizeof *p);

	counter_add(COUNTER_longpolls, 1);
	if (p == NULL || (p->room = room_hold(h, a->ns, ask->room)) == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		free(p);
		return (NULL);
	}
	p->magic = LONGPOLL_MAGIC;
	p->hub = h;
	p->ns = a->ns;
	p->who = a->who == NULL ? NULL : principal_ref(a->who);
	p->asker = asker;
	p->limit = ask->limit;
	p->until_us = h->now.us + ask->wait_ms * 1000;
	(void)longpoll_since(&p->since, ask->since);
	if (!cursor_parse(&p->seen, 1, ask->seen))
		p->seen.given = false;
	if (longpoll_read(p))
		return (p);
	counter_add(COUNTER_longpolls_unheard, 1);
	longpoll_free(p);
	return (NULL);
}
