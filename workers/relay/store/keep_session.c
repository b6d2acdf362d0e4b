/*
 * One session, and the rooms that it is in and was in; see keep_sessions.h.
 */
#include "relay/store/keep_session.h"

#include <stdlib.h>

#include "base/state.h"

struct stored *
stored_new(const struct bus_session *b)
{
	struct stored *s;

	if (b->nsp.n > UINT16_MAX || b->user.n > UINT16_MAX)
		return (NULL);
	s = calloc(1, sizeof *s + b->nsp.n + b->user.n);
	if (s == NULL)
		return (NULL);
	STAILQ_INIT(&s->rooms);
	s->has_user = b->has_user;
	s->nsp_n = (uint16_t)b->nsp.n;
	s->user_n = (uint16_t)b->user.n;
	if (b->nsp.n != 0)
		memcpy(s->text, b->nsp.p, b->nsp.n);
	if (b->user.n != 0)
		memcpy(s->text + b->nsp.n, b->user.p, b->user.n);
	return (s);
}

/* With what the heap and the table add. */
uint64_t
stored_will_cost(const struct bus_session *b)
{
	return (sizeof(struct stored) + b->nsp.n + b->user.n +
	    4 * sizeof(void *));
}

uint64_t
stored_cost(const struct stored *s)
{
	return (sizeof *s + s->nsp_n + s->user_n + 4 * sizeof(void *));
}

uint64_t
stored_room_cost(struct slice name)
{
	return (sizeof(struct stored_room) + name.n + 2 * sizeof(void *));
}

uint64_t
stored_bytes(const struct stored *s)
{
	const struct stored_room *r;
	uint64_t n = stored_cost(s);

	STAILQ_FOREACH(r, &s->rooms, next)
		n += stored_room_cost(slice_of(r->name, r->n));
	return (n);
}

void
stored_set_epoch(struct stored *s, struct slice epoch)
{
	MUST(epoch.n <= sizeof s->epoch);
	if (epoch.n != 0)
		memcpy(s->epoch, epoch.p, epoch.n);
	s->epoch_n = (uint8_t)epoch.n;
}

/* --- rooms ----------------------------------------------------------------*/

static struct slice
session_room_name(const struct stored_room *r)
{
	return (slice_of(r->name, r->n));
}

static void
session_forget(struct sessions *t, struct stored *s, struct stored_room *r)
{
	STAILQ_REMOVE(&s->rooms, r, stored_room, next);
	s->nleft -= r->to != 0;
	t->bytes -= stored_room_cost(session_room_name(r));
	free(r);
}

void
stored_clear(struct sessions *t, struct stored *s)
{
	while (!STAILQ_EMPTY(&s->rooms))
		session_forget(t, s, STAILQ_FIRST(&s->rooms));
}

void
stored_rebase(struct sessions *t, struct stored *s, struct slice epoch,
    uint64_t place)
{
	struct stored_room *r, *next;

	stored_set_epoch(s, epoch);
	s->base = place;
	s->proven = 0;
	s->nholes = 0;
	s->floor = place == 0 ? 1 : place;
	for (r = STAILQ_FIRST(&s->rooms); r != NULL; r = next) {
		next = STAILQ_NEXT(r, next);
		if (r->to != 0)
			session_forget(t, s, r);
		else
			r->from = place;
	}
}

/* That it is in now. */
static struct stored_room *
session_in(struct stored *s, bool watch, struct slice name)
{
	struct stored_room *r;

	STAILQ_FOREACH(r, &s->rooms, next)
		if (r->to == 0 && (r->kind == SESSION_WATCH) == watch &&
		    slice_eq(session_room_name(r), name))
			return (r);
	return (NULL);
}

static struct stored_room *
session_add(struct sessions *t, struct stored *s, uint8_t kind,
    struct slice name, uint64_t place)
{
	struct stored_room *r = calloc(1, sizeof *r + name.n);

	if (r == NULL)
		return (NULL);
	r->kind = kind;
	r->from = place;
	r->n = (uint16_t)name.n;
	memcpy(r->name, name.p, name.n);
	STAILQ_INSERT_TAIL(&s->rooms, r, next);
	t->bytes += stored_room_cost(name);
	return (r);
}

static bool
session_enter(struct sessions *t, struct stored *s, uint8_t kind,
    struct slice name, uint64_t place)
{
	struct stored_room *r = session_in(s, kind == SESSION_WATCH, name);

	if (r != NULL) {
		r->kind = kind;
		return (true);
	}
	return (session_add(t, s, kind, name, place) != NULL);
}

/* Too many to remember: who has not seen what came up to the end of the first
 * is not told all. */
static void
session_forget_left(struct sessions *t, struct stored *s)
{
	struct stored_room *r;

	STAILQ_FOREACH(r, &s->rooms, next) {
		if (r->to == 0)
			continue;
		if (s->floor < r->to)
			s->floor = r->to;
		session_forget(t, s, r);
		return;
	}
}

static void
session_leave(struct sessions *t, struct stored *s, struct slice name,
    uint64_t place)
{
	struct stored_room *r = session_in(s, false, name);

	if (r == NULL)
		return;
	if (place <= r->from) {	/* nothing came of it */
		session_forget(t, s, r);
		return;
	}
	r->to = place;
	STAILQ_REMOVE(&s->rooms, r, stored_room, next);
	STAILQ_INSERT_TAIL(&s->rooms, r, next);
	if (++s->nleft > STORED_LEFT_MAX)
		session_forget_left(t, s);
}

bool
stored_change(struct sessions *t, struct stored *s, uint8_t kind,
    struct slice name, uint64_t place)
{
	struct stored_room *r;

	if (name.n == 0)
		return (false);
	switch (kind) {
	case SESSION_ROOM:
	case SESSION_ASKED:
	case SESSION_WATCH:
		return (session_enter(t, s, kind, name, place));
	case SESSION_LEFT:
		session_leave(t, s, name, place);
		return (true);
	case SESSION_UNWATCH:
		r = session_in(s, true, name);
		if (r != NULL)
			session_forget(t, s, r);
		return (true);
	}
	return (false);
}

/* --- orders ---------------------------------------------------------------*/

static bool
session_is_among(const struct slice *v, size_t n, struct slice s)
{
	while (n > 0)
		if (slice_eq(v[--n], s))
			return (true);
	return (false);
}

static bool
session_in_any(const struct stored *s, const struct slice *v, size_t n)
{
	const struct stored_room *r;

	STAILQ_FOREACH(r, &s->rooms, next)
		if (n != 0 && r->to == 0 && r->kind != SESSION_WATCH &&
		    session_is_among(v, n, session_room_name(r)))
			return (true);
	return (false);
}

bool
stored_is_in(const struct stored *s, const struct bus_audience *to)
{
	struct slice sid = slice_of(s->sid, STORED_SID);

	return ((to->nrooms + to->nusers + to->nsids == 0 ||
	    session_is_among(to->sids, to->nsids, sid) ||
	    (s->has_user && session_is_among(to->users, to->nusers,
	    stored_user(s))) || session_in_any(s, to->rooms, to->nrooms)) &&
	    !session_is_among(to->except, to->nexcept, sid) &&
	    !session_in_any(s, to->except, to->nexcept));
}

/* --- records --------------------------------------------------------------*/

void
stored_put(const struct stored *s, struct buf *b)
{
	const struct stored_room *r;

	STAILQ_FOREACH(r, &s->rooms, next) {
		state_put_u8(b, r->kind);
		state_put_u64(b, r->from);
		state_put_u64(b, r->to);
		state_put_slice(b, session_room_name(r));
	}
}

bool
stored_get(struct sessions *t, struct stored *s, struct slice records)
{
	struct state_in in = state_in(records);
	struct stored_room *r;
	struct slice name;
	uint64_t from, to;
	uint8_t kind;

	while (in.p != in.end) {
		kind = state_get_u8(&in);
		from = state_get_u64(&in);
		to = state_get_u64(&in);
		name = state_get_slice(&in);
		if (in.bad || name.n == 0 || name.n > INTEREST_NAME_MAX ||
		    (kind != SESSION_ROOM && kind != SESSION_ASKED &&
		    kind != SESSION_WATCH))
			return (false);
		r = session_add(t, s, kind, name, from);
		if (r == NULL)
			return (false);
		r->to = to;
		s->nleft += to != 0;
	}
	return (true);
}
