/*
 * A session moves to the worker that its client has come back to; the picture
 * is in recover.h.  This is the side of A, who has it; B, who asks, is in
 * recover_ask.c.
 *
 * Once described, ours is given away (to): it is only forwarded, and nobody
 * else can have it.
 */
#include "hub/recover/recover_int.h"

#include "hub/publish/post.h"
#include "hub/store/store.h"

/* --- answering --------------------------------------------------------- */

static void
move_describe(struct recover *r, uint32_t skip, struct buf *b)
{
	struct session *s = r->session;
	struct membership *m;
	struct slice name;

	recover_record(b, 's', session_sid(s));
	if (s->status != 0)
		recover_record(b, 'p', slice_of(&s->status, 1));
	for (m = s->memberships; m != NULL; m = m->next) {
		name = slice_of(m->room->key + 1, m->room->len - 1u);
		if (m->room->key[0] == ROOM_NAMED)
			recover_record(b, m->asked ? 'a' : 'r', name);
		else if (m->room->key[0] == ROOM_WATCH)
			recover_record(b, 'w', name);
	}
	recover_drain(r, skip, b);
}

/* From now on it is only forwarded; it may not live longer than the move. */
static void
move_start(struct hub *h, struct recover *r, uint16_t to, uint32_t ref)
{
	TAILQ_REMOVE(&h->recover->parked, r, link);
	r->to = to;
	r->ref = ref;
	r->joined = false;
	r->nlate = 0;
	memset(r->passed, 0, sizeof r->passed);
	r->until_us = h->now.us + RECOVER_ASK_MS * UINT64_C(1000);
	TAILQ_INSERT_TAIL(&h->recover->moving, r, link);
}

void
recover_bus_ask(struct hub *h, const struct bus_envelope *e)
{
	const struct bus_recover_ask *q = &e->recover_ask;
	struct recover *r = recover_find(h, q->pid);
	struct bus_envelope answer;
	struct session *s;
	struct buf state;
	uint32_t skip;
	bool ok;

	bus_recover_none(&answer);
	if (r == NULL || !slice_eq(slice_of(r->session->ns->name,
	    r->session->ns->name_len), q->nsp) ||
	    !recover_is_of(r->session, q->has_user ? &q->user : NULL)) {
		(void)post_to(h, e->from, e->ref, &answer);
		return;
	}
	s = r->session;
	if (!recover_ready(r, q->offset, &skip)) {
		if (r->parked && r->to == 0)
			session_free(&s);
		(void)post_to(h, e->from, e->ref, &answer);
		return;
	}
	buf_init(&state);
	move_describe(r, skip, &state);
	bus_recover_state(&answer, buf_unread(&state));
	ok = !state.oom && post_to(h, e->from, e->ref, &answer);
	buf_fini(&state);
	if (ok)
		move_start(h, r, e->from, e->ref);
	else
		session_free(&s);	/* B gives up at its deadline */
}

/* false: it could not be told, and so must not be said to be done. */
static bool
move_send_late(struct recover *r, struct buf *late)
{
	struct bus_envelope e;

	if (late->oom)
		return (false);
	if (buf_unread(late).n == 0)
		return (true);
	bus_recover_late(&e, ++r->nlate, buf_unread(late));
	return (post_to(r->session->hub, r->to, r->ref, &e));
}

static bool
move_forward(struct recover *r)
{
	bool ok = !r->out.lossy;
	struct buf late;

	buf_init(&late);
	recover_drain(r, 0, &late);
	ok = move_send_late(r, &late) && ok;
	buf_fini(&late);
	return (ok);
}

void
recover_forward(struct recover *r)
{
	if (!move_forward(r))
		recover_discard(r);	/* B gives up: a new session */
}

bool
recover_is_moving(const struct session *s)
{
	return (s->recover != NULL && s->recover->to != 0);
}

void
recover_forward_rooms(struct session *s, const struct slice *join,
    size_t njoin, const struct slice *leave, size_t nleave)
{
	struct recover *r = s->recover;
	struct buf late;
	bool ok;
	size_t i;

	buf_init(&late);
	for (i = 0; i < njoin; i++)
		recover_record(&late, 'r', join[i]);
	for (i = 0; i < nleave; i++)
		recover_record(&late, 'l', leave[i]);
	ok = move_send_late(r, &late);
	buf_fini(&late);
	if (!ok)
		recover_discard(r);
}

static struct recover *
move_find(struct hub *h, uint16_t to, uint32_t ref)
{
	struct recover *r;

	TAILQ_FOREACH(r, &h->recover->moving, link)
		if (r->to == to && r->ref == ref)
			return (r);
	return (NULL);
}

/* All that could have been routed here alone has come. */
static void
move_finish(struct hub *h, struct recover *r)
{
	struct bus_envelope e;

	if (move_forward(r)) {
		bus_recover_done(&e, r->nlate);
		(void)post_to(h, r->to, r->ref, &e);
	}
	recover_discard(r);
}

/* ... what is missing in its rooms, too. */
static bool
move_has_all(const struct recover *r, const uint64_t passed[2])
{
	return (r->joined && slotset_covers(passed, r->want) &&
	    !store_heals(r->session));
}

static void
move_look(struct hub *h, struct recover *r)
{
	if (move_has_all(r, r->passed))
		move_finish(h, r);
}

void
recover_bus_joined(struct hub *h, const struct bus_envelope *q)
{
	struct recover *r = move_find(h, q->from, q->ref);

	if (r == NULL)
		return;
	slotset_copy(r->want, q->recover_joined.others);
	r->joined = true;
	move_look(h, r);
}

/* The word of a worker, behind all that it had sent before. */
void
recover_bus_passed(struct hub *h, const struct bus_envelope *q)
{
	struct recover *r = move_find(h, q->recover_passed.asker, q->ref);

	if (r == NULL)
		return;
	slotset_add(r->passed, q->from);
	move_look(h, r);
}

void
recover_bus_barrier(struct hub *h, const struct bus_envelope *q)
{
	struct bus_envelope e;

	bus_recover_passed(&e, q->from);
	(void)post_to(h, q->recover_barrier.holder, q->ref, &e);
}

/*
 * Time is up.  A word that has not come is of a worker that has died, and what
 * it sent with it; or of one that is slow, and then more may come from it that
 * the client would never hear of.  B that has not joined could miss some, too.
 */
static void
move_end(struct hub *h, struct recover *r)
{
	uint64_t passed[2];

	post_others(h, passed);	/* who lives */
	passed[0] = r->passed[0] | ~passed[0];
	passed[1] = r->passed[1] | ~passed[1];
	if (move_has_all(r, passed))
		move_finish(h, r);
	else
		recover_discard(r);
}

void
recover_move_tick(struct hub *h)
{
	struct recover *r, *next;

	for (r = TAILQ_FIRST(&h->recover->moving); r != NULL; r = next) {
		next = TAILQ_NEXT(r, link);
		move_look(h, r);
	}
	while ((r = TAILQ_FIRST(&h->recover->moving)) != NULL &&
	    r->until_us <= h->now.us)
		move_end(h, r);
}
