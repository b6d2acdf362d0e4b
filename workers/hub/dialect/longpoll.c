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
#include "hub/dialect/longpoll_int.h"

#include <stdlib.h>

#include "hub/audience/room.h"
#include "hub/client.h"
#include "hub/session/principal.h"

#define LONGPOLLS_MAX	(1u << 20)	/* that wait, of one worker */

/* A room that is waited for. */
struct longpoll_room {
	struct hashtab_link link;
	struct room	*room;
	TAILQ_HEAD(, longpoll) polls;
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

bool
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

void
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
	struct longpoll_reading *reading = NULL;
	struct longpoll_room *at;
	struct longpoll *p;
	struct since place = { .given = false };
	bool encoded = false;

	/* NULL: the hub ends, with what was asked for */
	if (h->longpolls == NULL || likely(h->longpolls->rooms.count == 0))
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
		if (!encoded)
			longpoll_put(p, &place, e,
			    r->place != NULL && r->place->finished);
		encoded = true;
		longpoll_answer(p, &place);
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
