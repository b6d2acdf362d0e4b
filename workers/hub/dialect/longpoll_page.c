/*
 * Pages that polls read, together where they want the same, and their answers;
 * see longpoll_int.h.
 */
#include "hub/dialect/longpoll_int.h"

#include <stdlib.h>

#include "hub/audience/room.h"
#include "hub/client.h"
#include "hub/session/principal.h"
#include "hub/session/tokens.h"
#include "hub/store/page.h"
#include "proto/error.h"
#include "proto/json.h"

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

void
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

void
longpoll_answer(struct longpoll *p, const struct since *place)
{
	const struct buf *body = &p->hub->longpolls->body;
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

void
longpoll_put(struct longpoll *p, const struct since *place,
    const struct bus_publish *e, bool finished)
{
	struct buf *b = &p->hub->longpolls->body;

	buf_reset(b);
	page_put_one(b, longpoll_raw(p), since_epoch(place), place->offset, e,
	    finished);
	longpoll_put_next(b, place);
}

void
longpoll_over(struct longpoll *p)
{
	const struct since place = p->again ? p->seen : p->since;

	longpoll_put(p, &place, NULL, false);
	longpoll_answer(p, &place);
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

/* The same for all of a reading. */
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
		longpoll_answer(p, &place);
	}
	free(r);
}

bool
longpoll_read(struct longpoll *p)
{
	struct history_part part = page_part(&p->since, p->limit);
	struct longpoll_reading *r = calloc(1, sizeof *r);

	if (r == NULL)
		return (false);
	/* not the newest events, but the newest of each key */
	if (!p->since.given && conf_room_keyed(p->ns, room_name(p->room)))
		part.from = BUS_HISTORY_STATE;
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

bool
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
