/*
 * Encode once, queue to each; see fanout.h, and out.h for what a queue is.
 * Called by rule.c for events of clients here, by publish.c for back ends and
 * other workers.
 */
#include "hub/audience/fanout.h"

#include <stdio.h>

#include "hub/hub_int.h"
#include "hub/audience/late.h"
#include "hub/audience/room.h"
#include "hub/audience/sids.h"
#include "hub/queue/args.h"
#include "hub/queue/pack.h"
#include "hub/queue/send.h"
#include "hub/queue/wire_sse.h"

/* --- offsets -------------------------------------------------------------- */

const struct publication *
fanout_offset(struct hub *h, const struct conf_namespace *ns,
    const struct publication *p, struct publication *with)
{
	if (!h->recovers || p->offset.n != 0 || p->asks || ns->journals)
		return (p);
	*with = *p;
	with->offset = offset_make(h->offset, &h->origin, ++h->seq);
	return (with);
}

/*
 * What has no place in a journal is not told again, but a client takes the last
 * string of any event for an offset: it says where the journal stands.
 */
static const struct publication *
fanout_place(struct hub *h, const struct conf_namespace *ns,
    const struct publication *p, struct publication *with)
{
	const struct journal_mark *m = &h->marks[ns->index];

	if (!ns->journals)
		return (fanout_offset(h, ns, p, with));
	if (p->offset.n != 0 || p->asks)
		return (p);
	*with = *p;
	with->offset = m->n == 0 ? SLICE("\":0\"") : slice_of(m->text, m->n);
	return (with);
}

/* One message to `got` clients, in frames. */
static void
fanout_count_frames(enum wire w, const struct publication *p, uint32_t got)
{
	counter_add(COUNTER_ws_frames_out, (uint64_t)got * wire_frames(w, p));
}

/* --- event streams --------------------------------------------------------- */

/* The id before what a room keeps: each stream has its own, which tells of all
 * its rooms. */
static void
fanout_id(struct hub *h, struct session *s, const struct publication *p)
{
	struct slice id;
	uint8_t *to;

	if (likely(s->wire != WIRE_SSE || p->epoch.n == 0))
		return;
	id = h->events->stream_id(s, p);
	if (id.n == 0)
		return;
	to = out_direct(&h->out, s->out, wire_sse_id_size(id));
	if (to != NULL)
		(void)wire_sse_id_put(to, id);
	else
		send_lost(&h->out, s->out);
}

/* What is behind its id and cannot be queued would give the id to another. */
static bool
fanout_push(struct hub *h, struct session *s, const struct publication *p,
    struct msg *m)
{
	if (m != NULL) {
		fanout_id(h, s, p);
		if (out_push(&h->out, s->out, m, 0, m->len))
			return (true);
		if (s->wire == WIRE_SSE && p->epoch.n != 0)
			send_lost(&h->out, s->out);
	}
	if (!s->out->dead)
		counter_add(COUNTER_dropped_memory, 1);
	return (false);
}

static struct msg *
fanout_encode(struct hub *h, enum wire w, const struct publication *p)
{
	struct wire_plan plan = pack_plan(h->out.pack, w, p);
	struct msg *m = msg_new(plan.total);

	if (m == NULL)
		return (NULL);
	m->len = (uint32_t)plan.total;
	pack_put(w, p, &plan, m->data);
	counter_add(COUNTER_encodings, 1);
	return (m);
}

/* A room's streams, of what it keeps: encoded once, a reference each. */
static uint32_t
fanout_streams(struct hub *h, struct room_wire *rw,
    const struct publication *p, const struct outq *except)
{
	struct msg *m = fanout_encode(h, WIRE_SSE, p);
	uint32_t i, got = 0;

	work_add(&h->work, rw->n / 16);
	for (i = 0; i < rw->n; i++) {
		if (rw->v[i].out == NULL || rw->v[i].out == except ||
		    unlikely(late_lags(h, &rw->v[i], p)))
			continue;
		got += fanout_push(h, rw->v[i].ship->session, p, m);
	}
	if (m != NULL)
		msg_unref(&m);
	return (got);
}

/* --- one room: the common case -------------------------------------------- */

/* One publication to the members of one wire form. */
struct fanout_one {
	const struct publication *p;
	enum wire	 w;
	uint64_t	 id;		/* late_id(); 0: none */
	struct msg	*late;		/* made for the first who is behind */
	uint32_t	 nlate;		/* of those */
};

static void
fanout_one_late(struct hub *h, struct fanout_one *one, struct outq *q)
{
	/* as it is: what is compressed for the others stands in pack */
	if (one->id != 0 && one->late == NULL && !q->parked)
		one->late = fanout_encode(h, wire_form(one->w), one->p);
	one->nlate += late_wait(h, q, one->id, one->late);
}

/* Attach all members but those who shall not get this one message. */
static uint32_t
fanout_attach(struct hub *h, struct batch *b, struct room_wire *rw,
    struct fanout_one *one, const struct outq *except, bool *left_out)
{
	const struct publication *p = one->p;
	struct outq *q;
	uint32_t i, n = 0;

	for (i = 0; i < rw->n; i++) {
		q = rw->v[i].out;
		if (q == NULL)
			continue;
		if (unlikely(q == except)) {
			*left_out = true;
			continue;
		}
		if (unlikely(p->is_volatile && late_is(h, q, p))) {
			fanout_one_late(h, one, q);
			continue;
		}
		if (unlikely(late_lags(h, &rw->v[i], p)))
			continue;
		if (likely(batch_attach(&h->out, b, q)))
			n++;
		else if (!q->dead)
			counter_add(COUNTER_dropped_memory, 1);
	}
	return (n);
}

/* The first message of the room in this turn. */
static uint8_t *
fanout_first(struct hub *h, struct room_wire *rw, size_t size,
    struct fanout_one *one, struct outq *except, uint32_t *got)
{
	struct batch *b = batch_open(&h->out);
	bool seen, left_out = false;
	uint8_t *to;

	rw->batch = NULL;
	if (b == NULL)
		return (NULL);
	work_add(&h->work, rw->n / 64);
	*got = fanout_attach(h, b, rw, one, except, &left_out);
	to = batch_append(&h->out, b, size, NULL, &seen);
	if (left_out)
		batch_wait(b, except);
	/* with others left out too, the next message starts a new batch */
	if (*got + left_out == rw->n - rw->holes) {
		rw->batch = b;
		rw->turn = h->turn;
	}
	return (to);
}

static uint32_t
fanout_wire(struct hub *h, struct room_wire *rw, struct fanout_one *one,
    struct outq *except)
{
	const struct publication *p = one->p;
	struct wire_plan plan = pack_plan(h->out.pack, one->w, p);
	bool seen = false;
	uint32_t got;
	uint8_t *to;

	if (rw->batch == NULL || rw->turn != h->turn ||
	    batch_size(rw->batch) > BATCH_MAX ||
	    (p->is_volatile && (h->out.nblocked + h->out.nlate > 0 ||
	    batch_size(rw->batch) > h->volatile_bytes)) ||
	    (p->epoch.n != 0 && (h->out.nblocked + h->nlags > 0 ||
	    batch_size(rw->batch) > h->kept_bytes / 4))) {
		to = fanout_first(h, rw, plan.total, one, except, &got);
	} else {
		if (except != NULL)
			batch_except(rw->batch, except);
		to = batch_append(&h->out, rw->batch, plan.total,
		    except, &seen);
		got = rw->n - rw->holes - seen;
	}
	if (to == NULL) {
		counter_add(COUNTER_dropped_memory, rw->n - rw->holes);
		return (0);
	}
	pack_put(one->w, p, &plan, to);
	counter_add(COUNTER_encodings, 1);
	got += one->nlate;
	fanout_count_frames(one->w, p, got);
	return (got);
}

static size_t
fanout_bytes(const struct publication *p)
{
	return (args_bytes(p->args, p->attachments, p->nattach));
}

static void
fanout_count(const struct room *r, uint32_t got, size_t bytes)
{
	counter_add(COUNTER_deliveries, got);
	counter_ns_add(r->ns, NS_events_out, got);
	counter_ns_add(r->ns, NS_bytes_out, got * bytes);
}

uint32_t
fanout_room(struct hub *h, struct room *r, const struct publication *p,
    const struct outq *except)
{
	struct publication with;
	struct fanout_one one;
	struct room_wire *rw;
	uint64_t id;
	uint32_t got = 0;
	enum wire w;

	CHECK_MAGIC(r, ROOM_MAGIC);
	p = fanout_place(h, &h->conf->namespaces[r->ns], p, &with);
	id = late_id_room(h, p, r);
	for (rw = r->wires; rw != NULL; rw = rw->next) {
		w = (enum wire)rw->wire;
		if (rw->n == 0 || unlikely(wire_shuns(w, p)))
			continue;
		if (unlikely(w == WIRE_SSE && p->epoch.n != 0)) {
			got += fanout_streams(h, rw, p, except);
			continue;
		}
		one = (struct fanout_one){ .p = p, .w = w, .id = id };
		got += fanout_wire(h, rw, &one,
		    (struct outq *)(uintptr_t)except);
		if (unlikely(one.late != NULL))
			msg_unref(&one.late);
	}
	fanout_count(r, got, fanout_bytes(p));
	return (got);
}

/* --- one session ---------------------------------------------------------- */

static void
fanout_count_session(const struct session *s, const struct publication *p)
{
	fanout_count_frames(s->wire, p, 1);
	counter_add(COUNTER_deliveries, 1);
	counter_ns_add(s->ns->index, NS_events_out, 1);
	counter_ns_add(s->ns->index, NS_bytes_out, fanout_bytes(p));
}

static bool
fanout_session_late(struct hub *h, struct session *s,
    const struct publication *p)
{
	uint64_t id = late_id(h, p);
	struct msg *m = id == 0 || s->out->parked ? NULL :
	    fanout_encode(h, (enum wire)s->wire, p);
	bool waits = late_wait(h, s->out, id, m);

	if (m != NULL)
		msg_unref(&m);
	if (waits)
		fanout_count_session(s, p);
	return (waits);
}

bool
fanout_session(struct hub *h, struct session *s, const struct publication *p)
{
	struct publication with;
	struct wire_plan plan;
	uint8_t *to;

	if (unlikely(wire_form((enum wire)s->wire) == WIRE_YJS) &&
	    wire_shuns((enum wire)s->wire, p))
		return (true);
	if (p->is_volatile && late_is(h, s->out, p))
		return (fanout_session_late(h, s, p));
	p = fanout_place(h, s->ns, p, &with);
	plan = pack_plan(h->out.pack, s->wire, p);
	fanout_id(h, s, p);
	to = out_direct(&h->out, s->out, plan.total);
	if (to == NULL) {
		counter_add(COUNTER_dropped_memory, !s->out->dead);
		if (s->wire == WIRE_SSE)
			send_lost(&h->out, s->out);
		return (false);
	}
	pack_put(s->wire, p, &plan, to);
	counter_add(COUNTER_encodings, 1);
	fanout_count_session(s, p);
	return (true);
}

/* --- any audience --------------------------------------------------------- */

/* One walk over several rooms: a frame for each wire, made when first needed,
 * and a stamp that marks who has had it (or must not). */
struct walk {
	struct hub	*h;
	const struct publication *p;
	uint32_t	 stamp;
	uint32_t	 got;
	uint64_t	 id;		/* late_id(); 0: none */
	struct msg	*frames[(unsigned)DEFLATE__MAX * (unsigned)WIRE__MAX];
	/* instead of p: who they are */
	void		(*each)(void *arg, struct session *);
	/* p asks: who has got it, of those who can answer */
	void		(*sent)(void *arg, struct session *);
	void		*arg;
};

static struct msg *
fanout_walk_frame(struct walk *k, enum wire w)
{
	struct msg **frame = &k->frames[wire_window(w) * (unsigned)WIRE__MAX +
	    wire_form(w)];

	if (*frame == NULL)
		*frame = fanout_encode(k->h, w, k->p);
	return (*frame);
}

static void
fanout_walk_session(struct walk *k, struct session *s)
{
	if (s->stamp == k->stamp)
		return;
	s->stamp = k->stamp;
	if (k->each != NULL)
		k->each(k->arg, s);
	if (k->p == NULL)
		return;		/* only marking */
	if (k->sent != NULL && s->client == NULL)
		return;		/* parked: nobody there to answer */
	if (wire_shuns((enum wire)s->wire, k->p))
		return;
	if (k->p->is_volatile && late_is(k->h, s->out, k->p)) {
		if (!late_wait(k->h, s->out, k->id, k->id == 0 ||
		    s->out->parked ? NULL : fanout_walk_frame(k, s->wire)))
			return;
	} else if (!fanout_push(k->h, s, k->p, fanout_walk_frame(k, s->wire)))
		return;
	k->got++;
	fanout_count_frames(s->wire, k->p, 1);
	if (k->sent != NULL && wire_answers(s->wire))
		k->sent(k->arg, s);
}

/* Of those who are to get it. */
static bool
fanout_walk_lags(const struct walk *k, const struct member *v)
{
	return (k->p != NULL && v->ship->session->stamp != k->stamp &&
	    unlikely(late_lags(k->h, v, k->p)));
}

static void
fanout_walk_room(struct walk *k, const struct room *r)
{
	const struct room_wire *rw = r == NULL ? NULL : r->wires;
	uint32_t i;

	for (; rw != NULL; rw = rw->next)
		for (i = 0; i < rw->n; i++)
			if (rw->v[i].out != NULL &&
			    !fanout_walk_lags(k, &rw->v[i]))
				fanout_walk_session(k, rw->v[i].ship->session);
}

static void
fanout_walk_names(struct walk *k, uint16_t ns, enum room_kind kind,
    const struct slice *names, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		fanout_walk_room(k, room_find(k->h, ns, kind, names[i]));
}

static void
fanout_walk_sids(struct walk *k, const struct conf_namespace *ns,
    const struct slice *sids, size_t n)
{
	struct session *s;
	size_t i;

	for (i = 0; i < n; i++) {
		s = sid_find(k->h, sids[i]);
		if (s != NULL && s->ns == ns)
			fanout_walk_session(k, s);
	}
}

/* Marked first, they are passed by. */
static void
fanout_walk_except(struct walk *k, const struct conf_namespace *ns,
    const struct audience *a)
{
	fanout_walk_sids(k, ns, a->except, a->nexcept);
	fanout_walk_names(k, ns->index, ROOM_NAMED, a->except, a->nexcept);
}

static void
fanout_walk_audience(struct walk *k, const struct conf_namespace *ns,
    const struct audience *a)
{
	if (a->nrooms + a->nusers + a->nsids == 0)
		fanout_walk_room(k, room_find(k->h, ns->index, ROOM_NAMESPACE,
		    slice_of(NULL, 0)));
	fanout_walk_names(k, ns->index, ROOM_NAMED, a->rooms, a->nrooms);
	fanout_walk_names(k, ns->index, ROOM_USER, a->users, a->nusers);
	fanout_walk_sids(k, ns, a->sids, a->nsids);
}

static bool
fanout_is_one_room(const struct audience *a)
{
	return (a->nexcept == 0 && a->nsids == 0 && a->nrooms + a->nusers <= 1);
}

static struct room *
fanout_the_room(struct hub *h, uint16_t ns, const struct audience *a)
{
	if (a->nrooms == 1)
		return (room_find(h, ns, ROOM_NAMED, a->rooms[0]));
	if (a->nusers == 1)
		return (room_find(h, ns, ROOM_USER, a->users[0]));
	return (room_find(h, ns, ROOM_NAMESPACE, slice_of(NULL, 0)));
}

/* Everybody once, with a reference each. */
static uint32_t
fanout_walk(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, const struct publication *p,
    void (*sent)(void *arg, struct session *),
    void *arg)
{
	struct walk k = { .h = h, .stamp = ++h->stamp, .sent = sent,
		.arg = arg };
	unsigned i;

	fanout_walk_except(&k, ns, a);
	k.p = p;
	k.id = p->asks ? 0 : late_id_audience(h, p, a);
	fanout_walk_audience(&k, ns, a);
	for (i = 0; i < nitems(k.frames); i++)
		if (k.frames[i] != NULL)
			msg_unref(&k.frames[i]);
	counter_add(COUNTER_deliveries, k.got);
	counter_ns_add(ns->index, NS_events_out, k.got);
	counter_ns_add(ns->index, NS_bytes_out, k.got * fanout_bytes(p));
	return (k.got);
}

void
fanout_each(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, void (*each)(void *arg, struct session *),
    void *arg)
{
	struct walk k = { .h = h, .stamp = ++h->stamp };

	fanout_walk_except(&k, ns, a);
	k.each = each;
	k.arg = arg;
	fanout_walk_audience(&k, ns, a);
}

/* One room but for one session: an event of a client, which has come back from
 * where it was given its place. */
static bool
fanout_is_but_one(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, const struct outq **except)
{
	struct session *s;

	if (a->nrooms != 1 || a->nusers + a->nsids != 0 || a->nexcept != 1 ||
	    room_find(h, ns->index, ROOM_NAMED, a->except[0]) != NULL)
		return (false);
	s = sid_find(h, a->except[0]);
	*except = s != NULL && s->ns == ns ? s->out : NULL;
	return (true);
}

uint32_t
fanout_audience(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, const struct publication *p)
{
	const struct outq *except = NULL;
	struct publication with;
	struct room *r;

	p = fanout_place(h, ns, p, &with);
	if (!fanout_is_one_room(a) && !fanout_is_but_one(h, ns, a, &except))
		return (fanout_walk(h, ns, a, p, NULL, NULL));
	r = fanout_the_room(h, ns->index, a);
	return (r == NULL ? 0 : fanout_room(h, r, p, except));
}

uint32_t
fanout_ask(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, const struct publication *p,
    void (*sent)(void *arg, struct session *), void *arg)
{
	MUST(p->asks && p->offset.n == 0);
	return (fanout_walk(h, ns, a, p, sent, arg));
}
