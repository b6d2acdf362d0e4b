/*
 * A client has come back whose session is in the store; this worker, B, takes
 * it from there.
 *
 *	B ──TAKE──► relay ──OVER──► who has it yet ──AWAY──► relay ──TAKEN──► B
 *	B makes it: it is in its rooms, and nobody has it;
 *	B ──HISTORY──► relay ──PAGE──► ... the last: all that is before it in the
 *	stream is in the journal's pages, all behind it is for the client
 *
 * What has come to it until then is of the journal, too, and is told from there:
 * once, and in one order with what was missed.
 */
#include "hub/recover/recover_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/state.h"
#include "hub/audience/fanout.h"
#include "hub/audience/room.h"
#include "hub/publish/post.h"
#include "hub/publish/publish.h"
#include "hub/session/limit.h"
#include "hub/session/principal.h"
#include "hub/store/keep.h"
#include "hub/store/place.h"
#include "hub/store/store.h"

#define JOURNAL_ROOM	SLICE("\001journal")

struct was_in {			/* a room, from one place to another */
	struct slice	 name;		/* in asking.state */
	uint64_t	 from, to;	/* behind, up to; 0: it is in it */
	uint8_t		 kind;
};

/* --- asking --------------------------------------------------------------- */

enum recover_result
recover_store_ask(struct client *c, const struct conf_namespace *ns,
    struct slice pid, struct slice offset, struct principal *who,
    struct slice auth)
{
	struct hub *h = c->hub;
	struct bus_envelope e;
	struct bus_session *q = bus_session(&e, BUS_SESSION_TAKE,
	    BUS_SESSION_HERE);
	struct asking *a;
	uint32_t ref;

	/* clients take any last string of an event for an offset: this is none */
	if (offset.n > OFFSET_MAX)
		offset = slice_of(NULL, 0);
	if ((ref = waits_ref(&h->recover->asks)) == 0 ||
	    (a = recover_asking_new(c, ns, pid, who, auth)) == NULL)
		return (RECOVER_NOT);
	a->stored = true;
	q->nsp = slice_of(ns->name, ns->name_len);
	q->pid = pid;
	q->offset = offset;
	q->has_user = who != NULL;
	if (who != NULL)
		q->user = principal_user(who);
	if (!post_to(h, 0, ref, &e)) {
		recover_asking_drop(a);
		return (RECOVER_NOT);
	}
	recover_asking_add(h, a, ref);
	return (RECOVER_ASKING);
}

/* --- what it was in ------------------------------------------------------- */

static int
store_was_in_compare(const void *a, const void *b)
{
	const struct was_in *x = a, *y = b;
	size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
	int c = n == 0 ? 0 : memcmp(x->name.p, y->name.p, n);

	if (c != 0)
		return (c);
	return (x->name.n < y->name.n ? -1 : x->name.n > y->name.n);
}

static bool
store_was_in_read(struct asking *a)
{
	struct state_in in = state_in(buf_unread(&a->state));
	size_t n = 0;

	/* a record is no shorter than its numbers */
	a->rooms = calloc(buf_unread(&a->state).n / 17 + 1, sizeof *a->rooms);
	if (a->rooms == NULL)
		return (false);
	for (; in.p != in.end; n++) {
		a->rooms[n].kind = state_get_u8(&in);
		a->rooms[n].from = state_get_u64(&in);
		a->rooms[n].to = state_get_u64(&in);
		a->rooms[n].name = state_get_slice(&in);
		if (in.bad)
			return (false);
	}
	a->nrooms = n;
	qsort(a->rooms, n, sizeof *a->rooms, store_was_in_compare);
	return (true);
}

/* Was it in this room at this place? */
static bool
store_was_in(const struct asking *a, struct slice room, uint64_t place)
{
	const struct was_in key = { .name = room }, *r;
	size_t low = 0, high = a->nrooms, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (store_was_in_compare(&a->rooms[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < a->nrooms; low++) {
		r = &a->rooms[low];
		if (!slice_eq(r->name, room))
			break;
		if (r->kind != 'w' && place > r->from &&
		    (r->to == 0 || place <= r->to))
			return (true);
	}
	return (false);
}

/* --- what it has missed --------------------------------------------------- */

static bool
store_missed_excepts(const struct asking *a, const struct bus_audience *to,
    struct slice sid, uint64_t place)
{
	size_t i;

	for (i = 0; i < to->nexcept; i++)
		if (slice_eq(to->except[i], sid) ||
		    store_was_in(a, to->except[i], place))
			return (true);
	return (false);
}

/* Would it have got it? */
static bool
store_missed_is_its(const struct asking *a, const struct bus_audience *to,
    uint64_t place)
{
	const struct session *s = a->made->session;
	bool its = to->nrooms + to->nusers + to->nsids == 0;
	size_t i;

	for (i = 0; !its && i < to->nrooms; i++)
		its = store_was_in(a, to->rooms[i], place);
	for (i = 0; !its && i < to->nusers; i++)
		its = s->who != NULL && slice_eq(to->users[i],
		    principal_user(s->who));
	for (i = 0; !its && i < to->nsids; i++)
		its = slice_eq(to->sids[i], session_sid(s));
	return (its && !store_missed_excepts(a, to, session_sid(s), place));
}

/* false: it is more than may be missed. */
static bool
store_missed_note(struct hub *h, struct asking *a, struct slice frame)
{
	if (++a->nmissed > h->conf->recovery_packets ||
	    buf_unread(&a->late).n + frame.n > h->conf->recovery_bytes)
		return (false);
	buf_slice(&a->late, frame);
	return (!a->late.oom);
}

/* An offset of the journal: "EPOCH:PLACE" with its quotes. */
static bool
store_missed_place(struct slice offset, struct since *since)
{
	return (offset.n > 2 && since_parse(since,
	    slice_of(offset.p + 1, offset.n - 2)));
}

static bool
store_missed_page(struct hub *h, struct asking *a, const struct bus_envelope *page)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct slice rest = page->page.frames, before;

	for (;;) {
		before = rest;
		if (!history_next(&rest, &e))
			return (true);
		if (!store_missed_place(e.publish.offset, &a->since))
			return (false);
		if (store_missed_is_its(a, &e.publish.to, a->since.offset) &&
		    !store_missed_note(h, a, slice_of(before.p,
		    before.n - rest.n)))
			return (false);
	}
}

/* To the session, which is its client's by now. */
static void
store_missed_tell(struct hub *h, struct session *s, const struct buf *frames)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct slice rest = buf_unread(frames);
	struct publication p;

	while (history_next(&rest, &e)) {
		p = publish_received(&e);
		(void)fanout_session(h, s, &p);
	}
}

/* --- the session ---------------------------------------------------------- */

/* What has come to it is in the journal. */
static void
store_forget_queued(struct asking *a)
{
	recover_drain(a->made, 0, NULL);
	a->made->out.lossy = false;
}

/* A hole of this worker in one of its rooms is filled for all that are in it then:
 * what the journal has told this one would come to it once more. */
static bool
store_comes_again(struct hub *h, const struct asking *a)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct slice rest = buf_unread(&a->late);
	const struct bus_publish *b = &e.publish;
	const struct room *r;

	if (!a->ns->keeps)
		return (false);
	if (store_heals(a->made->session))
		return (true);
	while (history_next(&rest, &e)) {
		r = b->kept == 0 ? NULL : room_find(h, a->ns->index, ROOM_NAMED,
		    b->to.rooms[0]);
		if (r != NULL && place_had(r) &&
		    place_look(r, b->epoch, b->kept) != PLACE_BEFORE)
			return (true);
	}
	return (false);
}

static void
store_finish(struct hub *h, struct asking *a)
{
	struct client *c = a->client;
	struct recover *r = a->made;
	struct session *s = r->session;
	struct limit_nodes nodes;
	const char *why;

	if (!recover_asking_may_have(h, a) || store_comes_again(h, a) ||
	    !limit_session(h, c, a->ns, a->who, &nodes, &why)) {
		recover_asking_give_up(h, a);
		return;
	}
	r->start = outq_pos(c->out);
	s->counted = nodes;
	a->made = NULL;		/* the client's from here */
	if (recover_attach(c, r, a->who))
		store_missed_tell(h, s, &a->late);
	recover_asking_free(h, a);
}

static bool
store_ask_page(struct hub *h, struct asking *a)
{
	struct history_part part = { .from = BUS_HISTORY_AFTER,
		.epoch = since_epoch(&a->since), .since = a->since.offset };

	a->paging = history_ask(h, &a->page, a->ns, JOURNAL_ROOM, &part);
	if (a->paging)
		waits_until(&h->recover->asks, &a->wait,
		    h->now.us + RECOVER_MOVE_MS * UINT64_C(1000));
	return (a->paging);
}

static void
store_mark(struct hub *h, const struct asking *a, struct slice epoch,
    uint64_t top)
{
	char text[OFFSET_MAX];
	int n = snprintf(text, sizeof text, "\"%.*s:%llu\"", (int)epoch.n,
	    (const char *)epoch.p, (unsigned long long)top);

	if (n > 0 && (size_t)n < sizeof text)
		journal_mark(h, a->ns, slice_of(text, (size_t)n));
}

static void
store_on_page(struct hub *h, struct history_ask *q,
    const struct bus_envelope *page)
{
	struct asking *a = container_of(q, struct asking, page);

	a->paging = false;
	if (a->made == NULL || page == NULL || history_has_gap(page) ||
	    !store_missed_page(h, a, page)) {
		recover_asking_give_up(h, a);
		return;
	}
	store_mark(h, a, page->page.epoch, page->page.top);
	store_forget_queued(a);
	if ((page->flags & BUS_MORE) == 0)
		store_finish(h, a);
	else if (!store_ask_page(h, a))
		recover_asking_give_up(h, a);
}

/* In what it is in, parked. */
static bool
store_make(struct hub *h, struct asking *a, const struct bus_session *b)
{
	size_t i;

	buf_slice(&a->state, b->records);
	if (a->state.oom || b->sid.n != SESSION_SID_LEN ||
	    !store_missed_place(b->offset, &a->since) || !store_was_in_read(a))
		return (false);
	a->since.offset = b->since;
	a->made = recover_make(h, a, a->ns, a->who,
	    (enum wire)a->client->wire, b->sid,
	    slice_of(a->pid, sizeof a->pid));
	if (a->made == NULL)
		return (false);
	for (i = 0; i < a->nrooms; i++)
		if (a->rooms[i].to == 0 && !recover_asking_enter(h,
		    a->made->session, (char)a->rooms[i].kind,
		    a->rooms[i].name))
			return (false);
	return (true);
}

void
recover_bus_taken(struct hub *h, const struct bus_envelope *e)
{
	const struct bus_session *b = &e->session;
	struct asking *a = recover_asking_find(h, e->ref);
	bool ok;

	if (a == NULL || !a->stored || a->made != NULL) {
		/* who asked is gone: it may come back once more */
		if (b->is == BUS_SESSION_YOURS)
			tell_away_of(h, b->nsp, b->pid);
		return;
	}
	if (b->is != BUS_SESSION_YOURS) {
		recover_asking_give_up(h, a);
		return;
	}
	ok = store_make(h, a, b);
	if (a->made != NULL)
		a->made->stored = true;
	a->page.page = store_on_page;
	if (!ok || !store_ask_page(h, a))
		recover_asking_give_up(h, a);
}

/* Its client is elsewhere, or was. */
void
recover_bus_over(struct hub *h, const struct bus_envelope *e)
{
	const struct bus_session *b = &e->session;
	struct recover *r = recover_find_any(h, b->pid);
	struct client *c;

	if (r == NULL || !r->stored) {
		tell_away_of(h, b->nsp, b->pid);
	} else if (r->made != NULL) {
		tell_away(r);
		recover_asking_give_up(h, r->made);
	} else if ((c = r->session->client) != NULL) {
		recover_park(c, REASON_taken_over);
		client_close(c, REASON_taken_over);
	}
}
