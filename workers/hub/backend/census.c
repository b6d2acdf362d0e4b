/*
 * A page of who is here; see census.h.  Called by hub.c, and by api_survey.c for the
 * part of the worker that asks.
 */
#include "hub/backend/census.h"

#include <sys/queue.h>

#include <inttypes.h>
#include <stdlib.h>

#include "hub/audience/fanout.h"
#include "hub/audience/room.h"
#include "hub/audience/sids.h"
#include "hub/backend/ask.h"
#include "hub/hub_int.h"
#include "hub/publish/post.h"
#include "hub/session/principal.h"
#include "proto/bus.h"
#include "proto/json.h"

/* Of those found so far, that come first: sorted, none twice. */
struct census_name {
	uint16_t	 n;
	char		 text[ROOM_NAME_MAX];
};

struct census {
	unsigned	 magic;
#define CENSUS_MAGIC	0xce2505ce
	STAILQ_ENTRY(census) link;
	uint16_t	 from;		/* who has asked, */
	uint32_t	 ref;		/* and by what */
	uint64_t	 had[2];	/* as in an ask */
	enum bus_members_what what;
	const struct conf_namespace *ns;	/* rooms */
	size_t		 at;		/* in the table of rooms */
	bool		 found;		/* all of them are in names */
	uint32_t	 told;		/* of them */
	uint32_t	 limit, n;
	struct census_name after;
	struct census_name **order;	/* limit places; n are used */
	struct census_name *names;	/* as many */
};

struct census_table {
	STAILQ_HEAD(, census) waiting;	/* the first is being taken */
	unsigned	 n;
	struct buf	 piece;		/* scratch */
	uint32_t	 elements;	/* in it */
};

struct census_table *
census_table_new(void)
{
	struct census_table *t = calloc(1, sizeof *t);

	if (t == NULL)
		return (NULL);
	STAILQ_INIT(&t->waiting);
	buf_init(&t->piece);
	return (t);
}

static void
census_free(struct census *c)
{
	free(c->order);
	free(c->names);
	c->magic = 0;
	free(c);
}

static void
census_drop(struct census_table *t, struct census *c)
{
	CHECK_MAGIC(c, CENSUS_MAGIC);
	STAILQ_REMOVE(&t->waiting, c, census, link);
	t->n--;
	census_free(c);
}

void
census_lost(struct hub *h)
{
	struct census *c, *next;

	for (c = STAILQ_FIRST(&h->censuses->waiting); c != NULL; c = next) {
		next = STAILQ_NEXT(c, link);
		if (c->from != h->slot)
			census_drop(h->censuses, c);
	}
}

void
census_table_free(struct hub *h)
{
	struct census_table *t = h->censuses;

	if (t == NULL)
		return;
	while (!STAILQ_EMPTY(&t->waiting))
		census_drop(t, STAILQ_FIRST(&t->waiting));
	buf_fini(&t->piece);
	free(t);
	h->censuses = NULL;
}

bool
census_any(const struct hub *h)
{
	return (h->censuses->n > 0);
}

bool
census_is_due(const struct hub *h)
{
	return (h->censuses->n > 0 && !h->ports.bus_is_behind(h->ports.host));
}

/* --- names ---------------------------------------------------------------- */

static int
census_compare(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int d = n == 0 ? 0 : memcmp(a.p, b.p, n);

	return (d != 0 ? d : a.n < b.n ? -1 : a.n > b.n);
}

static struct slice
census_text(const struct census_name *name)
{
	return (slice_of(name->text, name->n));
}

/* Where it is among them, or would be. */
static uint32_t
census_place(const struct census *c, struct slice name, bool *there)
{
	uint32_t low = 0, high = c->n, mid;
	int d;

	*there = false;
	while (low < high) {
		mid = (low + high) / 2;
		d = census_compare(census_text(c->order[mid]), name);
		*there |= d == 0;
		if (d < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return (low);
}

/* Perhaps one of the first, of which the last may go. */
static void
census_note(struct census *c, struct slice name)
{
	struct census_name *x;
	bool there;
	uint32_t at;

	if (name.n == 0 || name.n > sizeof x->text ||
	    census_compare(name, census_text(&c->after)) <= 0)
		return;
	at = census_place(c, name, &there);
	if (there || at == c->limit)
		return;
	x = c->n < c->limit ? &c->names[c->n++] : c->order[c->n - 1];
	memmove(&c->order[at + 1], &c->order[at],
	    (c->n - 1 - at) * sizeof c->order[0]);
	c->order[at] = x;
	x->n = (uint16_t)name.n;
	memcpy(x->text, name.p, name.n);
}

static void
census_note_room(void *arg, const struct room *r)
{
	/* one is held by somebody who is about to join */
	if (r->members > 0)
		census_note(arg, room_name(r));
}

static void
census_note_session(void *arg, struct session *s)
{
	census_note(arg, session_sid(s));
}

/* --- the question --------------------------------------------------------- */

/* What has to be walked at once: the members of one room or user. */
static void
census_find_sessions(struct hub *h, struct census *c,
    const struct bus_members *m)
{
	const struct conf_namespace *all = h->conf->namespaces;
	struct audience a = post_whom(&m->to);
	size_t i;

	if (c->ns != NULL)
		fanout_each(h, c->ns, &a, census_note_session, c);
	for (i = 0; c->ns == NULL && i < h->conf->nnamespaces; i++)
		fanout_each(h, &all[i], &a, census_note_session, c);
	c->found = true;
}

/* NULL: no memory, or it makes no sense. */
static struct census *
census_new(struct hub *h, const struct bus_envelope *e)
{
	const struct bus_members *m = &e->members;
	struct census *c;

	if (h->censuses->n >= CENSUS_MAX || m->limit < 1 ||
	    m->limit > BUS_PAGE_MAX || m->after.n > ROOM_NAME_MAX ||
	    m->what > BUS_MEMBERS_PAGE_USER ||
	    (c = calloc(1, sizeof *c)) == NULL)
		return (NULL);
	c->magic = CENSUS_MAGIC;
	c->from = e->from;
	c->ref = e->ref;
	if (e->flags & BUS_SHADOW)
		slotset_copy(c->had, e->slots);
	c->what = (enum bus_members_what)m->what;
	c->limit = (uint32_t)m->limit;
	c->ns = m->nsp.n == 0 ? NULL : conf_namespace_find(h->conf, m->nsp);
	c->after.n = (uint16_t)m->after.n;
	if (m->after.n > 0)
		memcpy(c->after.text, m->after.p, m->after.n);
	c->order = calloc(c->limit, sizeof c->order[0]);
	c->names = calloc(c->limit, sizeof c->names[0]);
	/* an unknown namespace is of a generation that is going or coming */
	c->found = c->ns == NULL && c->what != BUS_MEMBERS_PAGE_USER;
	if (c->order == NULL || c->names == NULL) {
		census_free(c);
		return (NULL);
	}
	if (!c->found && c->what != BUS_MEMBERS_PAGE_ROOMS)
		census_find_sessions(h, c, m);
	return (c);
}

/* A piece, or nothing; false: the stream does not take it. */
static bool
census_say(struct hub *h, uint16_t to, uint32_t ref, const uint64_t had[2],
    uint16_t flags, uint32_t n, struct slice elements)
{
	struct bus_envelope e;
	struct bus_answers *b = bus_answers(&e);

	if (to == h->slot) {
		ask_here(h, ref, flags, elements);
		return (true);
	}
	e.flags = flags;
	bus_had(&e, had);
	b->asked = b->answered = n;
	b->elements = elements;
	return (post_to(h, to, ref, &e));
}

void
census_bus(struct hub *h, const struct bus_envelope *e)
{
	static const uint64_t nobody[2];
	struct census *c = census_new(h, e);

	if (c == NULL) {
		counter_add(COUNTER_rolls_cut, 1);
		(void)census_say(h, e->from, e->ref, e->flags & BUS_SHADOW ?
		    e->slots : nobody, BUS_TRUNCATED, 0, slice_of(NULL, 0));
		return;
	}
	STAILQ_INSERT_TAIL(&h->censuses->waiting, c, link);
	h->censuses->n++;
}

/* --- the answer ----------------------------------------------------------- */

static void
census_put_name(struct buf *b, const char *member, struct slice name)
{
	buf_str(b, member);
	json_escape(b, name);
}

/* {"room","sessions"}; false: there is nobody any more. */
static bool
census_put_room(struct hub *h, const struct census *c, struct slice name,
    struct buf *b)
{
	const struct room *r = room_find(h, (uint16_t)c->ns->index, ROOM_NAMED,
	    name);

	if (r == NULL || r->members == 0)
		return (false);
	census_put_name(b, "{\"room\":", name);
	buf_str(b, ",\"sessions\":");
	buf_u64(b, r->members);
	buf_byte(b, '}');
	return (true);
}

static void
census_put_rooms(struct buf *b, const struct session *s)
{
	const struct membership *m;
	bool first = true;

	buf_str(b, ",\"rooms\":[");
	for (m = s->memberships; m != NULL; m = m->next) {
		if (room_kind(m->room) != ROOM_NAMED)
			continue;
		census_put_name(b, first ? "" : ",", room_name(m->room));
		first = false;
	}
	buf_byte(b, ']');
}

/* {"sid","user","host"} or {"sid","namespace","host","rooms"}, and "away" where
 * nobody is, but may come back. */
static bool
census_put_session(struct hub *h, const struct census *c, struct slice sid,
    struct buf *b)
{
	const struct session *s = sid_find(h, sid);
	bool of_user = c->what == BUS_MEMBERS_PAGE_USER;

	if (s == NULL || (c->ns != NULL && s->ns->index != c->ns->index))
		return (false);
	census_put_name(b, "{\"sid\":", sid);
	if (of_user) {
		census_put_name(b, ",\"namespace\":", slice_of(s->ns->name,
		    s->ns->name_len));
	} else {
		buf_str(b, ",\"user\":");
		buf_slice(b, s->who == NULL ? SLICE("null") :
		    principal_user_json(s->who));
	}
	buf_printf(b, ",\"host\":\"%016" PRIx64 "\"", h->node_id);
	if (of_user)
		census_put_rooms(b, s);
	if (s->client == NULL || s->client->closing)
		buf_str(b, ",\"away\":true");
	buf_byte(b, '}');
	return (true);
}

static void
census_put(struct hub *h, const struct census *c, struct slice name)
{
	struct census_table *t = h->censuses;
	size_t before = t->piece.wpos;
	bool put;

	if (t->elements > 0)
		buf_byte(&t->piece, ',');
	put = c->what == BUS_MEMBERS_PAGE_ROOMS ?
	    census_put_room(h, c, name, &t->piece) :
	    census_put_session(h, c, name, &t->piece);
	if (put)
		t->elements++;
	else
		t->piece.wpos = before;
}

static void
census_find_rooms(struct hub *h, struct census *c)
{
	unsigned n;

	for (n = 0; n < CENSUS_CHAINS && !c->found; n++) {
		c->at = room_some(h, (uint16_t)c->ns->index, c->at,
		    census_note_room, c);
		c->found = c->at == 0;
	}
}

static void
census_tell(struct hub *h, struct census *c)
{
	struct census_table *t = h->censuses;
	uint16_t flags = 0;
	bool said;

	buf_reset(&t->piece);
	t->elements = 0;
	while (t->piece.wpos < CENSUS_PIECE && c->told < c->n)
		census_put(h, c, census_text(c->order[c->told++]));
	if (t->piece.oom) {
		buf_reset(&t->piece);
		t->piece.oom = false;
		t->elements = 0;
		c->told = c->n;
		flags = BUS_TRUNCATED;
	}
	if (c->told < c->n)
		flags |= BUS_MORE;
	said = census_say(h, c->from, c->ref, c->had, flags, t->elements,
	    buf_unread(&t->piece));
	if (said && (flags & BUS_MORE) != 0)
		return;
	if (!said) {		/* it does not even fit the queue */
		flags |= BUS_TRUNCATED;
		(void)census_say(h, c->from, c->ref, c->had, BUS_TRUNCATED, 0,
		    slice_of(NULL, 0));
	}
	counter_add(COUNTER_rolls_cut, (flags & BUS_TRUNCATED) != 0);
	census_drop(t, c);
}

void
census_turn(struct hub *h)
{
	struct census *c;

	if (!census_is_due(h))
		return;
	c = STAILQ_FIRST(&h->censuses->waiting);
	CHECK_MAGIC(c, CENSUS_MAGIC);
	if (!c->found)
		census_find_rooms(h, c);
	else
		census_tell(h, c);
}
