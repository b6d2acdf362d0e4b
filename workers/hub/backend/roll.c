/*
 * Who is here, told piece by piece; see roll.h.  Called by hub.c.
 */
#include "hub/backend/roll.h"

#include <sys/queue.h>

#include <stdlib.h>

#include "hub/audience/fanout.h"
#include "hub/audience/room.h"
#include "hub/audience/sids.h"
#include "hub/hub_int.h"
#include "hub/publish/post.h"
#include "hub/session/principal.h"
#include "proto/bus.h"
#include "proto/json.h"

#define ROLL_CHAINS	64	/* of the table of rooms, in a piece */

struct roll {
	unsigned	 magic;
#define ROLL_MAGIC	0x40111ca1
	STAILQ_ENTRY(roll) link;
	uint32_t	 ref;		/* of the relay's question */
	uint64_t	 had[2];	/* as in an ask */
	uint16_t	 ns;
	enum bus_members_what what;
	bool		 sids_done, rooms_done;
	bool		 partly;	/* some are left out */
	struct buf	 sids;		/* that are still to be told, each 20
					 * bytes */
	size_t		 at;		/* in the table of rooms */
	size_t		 bytes;		/* told so far */
};

struct roll_table {
	STAILQ_HEAD(, roll) waiting;	/* the first is being told */
	unsigned	 n;
	struct buf	 piece;		/* scratch */
	uint32_t	 elements;	/* in it */
};

struct roll_table *
roll_table_new(void)
{
	struct roll_table *t = calloc(1, sizeof *t);

	if (t == NULL)
		return (NULL);
	STAILQ_INIT(&t->waiting);
	buf_init(&t->piece);
	return (t);
}

static void
roll_drop(struct roll_table *t)
{
	struct roll *r = STAILQ_FIRST(&t->waiting);

	CHECK_MAGIC(r, ROLL_MAGIC);
	STAILQ_REMOVE_HEAD(&t->waiting, link);
	t->n--;
	buf_fini(&r->sids);
	r->magic = 0;
	free(r);
}

void
roll_lost(struct hub *h)
{
	while (h->rolls->n > 0)
		roll_drop(h->rolls);
}

void
roll_table_free(struct hub *h)
{
	if (h->rolls == NULL)
		return;
	roll_lost(h);
	buf_fini(&h->rolls->piece);
	free(h->rolls);
	h->rolls = NULL;
}

bool
roll_any(const struct hub *h)
{
	return (h->rolls->n > 0);
}

bool
roll_is_due(const struct hub *h)
{
	return (h->rolls->n > 0 && !h->ports.bus_is_behind(h->ports.host));
}

/* --- the question --------------------------------------------------------- */

/* Parked sessions have nobody there. */
static void
roll_note(void *arg, struct session *s)
{
	struct roll *r = arg;

	if (s->client == NULL || s->client->closing)
		return;
	if (r->sids.wpos == (size_t)ROLL_SIDS_MAX * SESSION_SID_LEN)
		r->partly = true;
	else
		buf_slice(&r->sids, session_sid(s));
}

static struct roll *
roll_new(struct hub *h, const struct conf_namespace *ns,
    const struct bus_envelope *e)
{
	struct audience a = post_whom(&e->members.to);
	struct roll *r = NULL;

	if (h->rolls->n < ROLL_MAX)
		r = calloc(1, sizeof *r);
	if (r == NULL)
		return (NULL);
	r->magic = ROLL_MAGIC;
	r->ref = e->ref;
	if (e->flags & BUS_SHADOW)
		slotset_copy(r->had, e->slots);
	r->ns = (uint16_t)ns->index;
	r->what = (enum bus_members_what)e->members.what;
	r->rooms_done = r->what != BUS_MEMBERS_ROOMS;
	buf_init(&r->sids);
	fanout_each(h, ns, &a, roll_note, r);
	if (r->sids.oom) {
		counter_add(COUNTER_memory_failures, 1);
		r->partly = true;
	}
	return (r);
}

/* A piece, or nothing; false: the stream does not take it. */
static bool
roll_say(struct hub *h, uint32_t ref, const uint64_t had[2], uint16_t flags,
    uint32_t n, struct slice elements)
{
	struct bus_envelope e;
	struct bus_answers *b = bus_answers(&e);

	e.flags = flags;
	bus_had(&e, had);
	b->asked = b->answered = n;
	b->elements = elements;
	return (post_to(h, 0, ref, &e));
}

void
roll_bus(struct hub *h, const struct bus_envelope *e)
{
	const struct conf_namespace *ns = conf_namespace_find(h->conf,
	    e->members.nsp);
	static const uint64_t nobody[2];
	uint64_t what = e->members.what;
	struct roll *r = NULL;

	if (ns != NULL && what >= BUS_MEMBERS_WHOLE &&
	    what <= BUS_MEMBERS_ROOMS &&
	    (r = roll_new(h, ns, e)) == NULL)
		counter_add(COUNTER_rolls_cut, 1);
	if (r == NULL) {
		(void)roll_say(h, e->ref, e->flags & BUS_SHADOW ? e->slots :
		    nobody, BUS_TRUNCATED, 0,
		    slice_of(NULL, 0));
		return;
	}
	STAILQ_INSERT_TAIL(&h->rolls->waiting, r, link);
	h->rolls->n++;
}

/* --- the answer ----------------------------------------------------------- */

static void
roll_next(struct roll_table *t)
{
	if (t->elements++ > 0)
		buf_byte(&t->piece, ',');
}

static void
roll_put_name(struct roll_table *t, struct slice name)
{
	roll_next(t);
	json_escape(&t->piece, name);
}

static void
roll_put_rooms(struct buf *b, const struct session *s)
{
	const struct membership *m;

	buf_str(b, ",\"rooms\":[");
	json_escape(b, session_sid(s));
	for (m = s->memberships; m != NULL; m = m->next)
		if (room_kind(m->room) == ROOM_NAMED) {
			buf_byte(b, ',');
			json_escape(b, room_name(m->room));
		}
	buf_byte(b, ']');
}

/* {} is nobody's: without a token. */
static void
roll_put_data(struct buf *b, const struct principal *p)
{
	struct slice role;
	size_t i;

	buf_str(b, ",\"data\":{");
	if (p != NULL) {
		buf_str(b, "\"user\":");
		buf_slice(b, principal_user_json(p));
		buf_str(b, ",\"roles\":[");
		for (i = 0; principal_role(p, i, &role); i++) {
			if (i != 0)
				buf_byte(b, ',');
			json_escape(b, role);
		}
		buf_byte(b, ']');
	}
	buf_byte(b, '}');
}

/* As servers of Socket.IO tell each other.  Of the handshake nothing is kept
 * here that may be told: its headers, query and auth hold the secrets. */
static void
roll_put_session(struct roll_table *t, const struct session *s)
{
	struct buf *b = &t->piece;

	roll_next(t);
	buf_str(b, "{\"id\":");
	json_escape(b, session_sid(s));
	buf_str(b, ",\"handshake\":{\"headers\":{},\"query\":{},"
		   "\"auth\":{}}");
	roll_put_rooms(b, s);
	roll_put_data(b, s->who);
	buf_byte(b, '}');
}

/* Those that are still there. */
static void
roll_tell_sids(struct hub *h, struct roll *r)
{
	struct roll_table *t = h->rolls;
	const struct session *s;
	struct slice sid;

	while (t->piece.wpos < ROLL_PIECE) {
		sid = buf_unread(&r->sids);
		if (sid.n < SESSION_SID_LEN) {
			r->sids_done = true;
			return;
		}
		sid.n = SESSION_SID_LEN;
		s = sid_find(h, sid);
		if (s != NULL && s->client != NULL && s->ns->index == r->ns) {
			if (r->what == BUS_MEMBERS_WHOLE)
				roll_put_session(t, s);
			else
				roll_put_name(t, sid);
		}
		buf_consume(&r->sids, SESSION_SID_LEN);
	}
}

static void
roll_note_room(void *arg, const struct room *r)
{
	roll_put_name(arg, room_name(r));
}

static void
roll_tell_rooms(struct hub *h, struct roll *r)
{
	unsigned n;

	for (n = 0; n < ROLL_CHAINS && h->rolls->piece.wpos < ROLL_PIECE;
	    n++) {
		r->at = room_some(h, r->ns, r->at, roll_note_room, h->rolls);
		if (r->at == 0) {
			r->rooms_done = true;
			return;
		}
	}
}

static void
roll_render(struct hub *h, struct roll *r)
{
	struct roll_table *t = h->rolls;

	buf_reset(&t->piece);
	t->elements = 0;
	if (!r->sids_done)
		roll_tell_sids(h, r);
	if (r->sids_done && !r->rooms_done)
		roll_tell_rooms(h, r);
	r->bytes += t->piece.wpos;
	if (t->piece.oom || r->bytes > ROLL_BYTES_MAX) {
		buf_reset(&t->piece);
		t->piece.oom = false;
		t->elements = 0;
		r->partly = r->sids_done = r->rooms_done = true;
	}
}

static void
roll_go_on(struct hub *h, struct roll *r)
{
	struct roll_table *t = h->rolls;
	uint16_t flags = 0;
	bool last;

	roll_render(h, r);
	last = r->sids_done && r->rooms_done;
	if (!last && t->elements == 0)
		return;
	flags |= last ? 0 : BUS_MORE;
	flags |= r->partly ? BUS_TRUNCATED : 0;
	if (!roll_say(h, r->ref, r->had, flags, t->elements, buf_unread(&t->piece))) {
		/* it does not even fit the queue */
		r->partly = last = true;
		(void)roll_say(h, r->ref, r->had, BUS_TRUNCATED, 0,
		    slice_of(NULL, 0));
	}
	if (!last)
		return;
	counter_add(COUNTER_rolls_cut, r->partly);
	roll_drop(t);
}

void
roll_turn(struct hub *h)
{
	if (roll_is_due(h))
		roll_go_on(h, STAILQ_FIRST(&h->rolls->waiting));
}
