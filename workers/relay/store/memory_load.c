/*
 * What another relay has saved; see memory_int.h.  It may be of another version:
 * what is taken is whole rooms that make sense, and fit, those used last first.
 */
#include "relay/store/memory_int.h"

#include "base/state.h"
#include "relay/store/memory_keyed.h"
#include "shm/interest.h"

/* The next section, whichever it is. */
static bool
load_next(struct state_in *in, enum save_tag *tag, struct state_in *body)
{
	struct state_in look = *in;
	uint16_t version;

	*tag = (enum save_tag)state_get_u16(&look);
	return (state_section(in, (uint16_t)*tag, &version, body) &&
	    version == SAVE_VERSION);
}

static bool
load_is_epoch(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!(s.p[i] >= '0' && s.p[i] <= '9') &&
		    !(s.p[i] >= 'a' && s.p[i] <= 'z'))
			return (false);
	return (s.n > 0 && s.n < STORE_EPOCH_MAX);
}

/* A room as it was, without its events; NULL with bad: it makes no sense; or
 * nothing is kept of it now, or there is no memory. */
static struct memory_room *
load_room(struct memory *m, struct state_in *in, bool *bad)
{
	struct store_key k;
	struct store_bounds bounds;
	struct memory_room *r;
	struct slice epoch;
	uint64_t first;

	k.nsp = state_get_slice(in);
	k.room = state_get_slice(in);
	epoch = state_get_slice(in);
	first = state_get_u64(in);
	*bad = !state_end(in) || k.nsp.n == 0 || k.nsp.n > UINT16_MAX ||
	    k.room.n == 0 || k.room.n > INTEREST_NAME_MAX ||
	    !load_is_epoch(epoch) || first == 0 ||
	    memory_find(m, &k) != NULL;
	if (*bad || !m->p.judge(m->p.arg, &k, &bounds))
		return (NULL);
	memory_narrow(m, &k, &bounds);
	r = memory_begin(m, &k, &bounds);
	if (r == NULL)
		return (NULL);
	memcpy(r->epoch, epoch.p, epoch.n);
	r->epoch_n = (uint8_t)epoch.n;
	r->top = first - 1;
	return (r);
}

static bool
load_is_frame(struct slice s)
{
	uint64_t slots[2];
	uint16_t flags;

	return (s.n <= STORE_FRAME_MAX &&
	    bus_frame(s, slots, &flags) == (ssize_t)s.n &&
	    bus_frame_kind(s) == BUS_PUBLISH && flags ==
	    (BUS_NUMBERED | (flags & (BUS_NAMED | BUS_FINISH | BUS_EDIT))));
}

/* Behind the last of a room there is what tells of changes. */
static bool
load_may_follow(const struct memory_room *r, struct slice frame)
{
	uint64_t slots[2];
	uint16_t flags;

	return (!r->finished || (bus_frame(frame, slots, &flags) > 0 &&
	    (flags & BUS_EDIT) != 0));
}

/* false: it makes no sense.  *full: no memory. */
static bool
load_event(struct memory_room *r, struct state_in *in, bool *full)
{
	uint64_t at_ms = state_get_u64(in);
	struct slice frame = state_get_slice(in);

	if (!state_end(in) || !load_is_frame(frame) ||
	    !load_may_follow(r, frame) ||
	    r->top == UINT64_MAX || at_ms > memory_now(r->m) ||
	    (r->n > 0 && at_ms < memory_at(r, r->n - 1)->at_ms))
		return (false);
	*full = !memory_push(r, frame, at_ms);
	return (true);
}

/* Those that came before it were used later. */
static void
load_put_behind(struct memory_room *r)
{
	struct memory_rooms *rooms = memory_line(r);

	TAILQ_REMOVE(rooms, r, used);
	TAILQ_INSERT_HEAD(rooms, r, used);
}

/* What is behind SAVE_ROOM, for the room or, when it is NULL, for nobody.
 * false: it makes no sense. */
static bool
load_events(struct memory_room *r, struct state_in *in, bool *lost)
{
	struct state_in body;
	enum save_tag tag;
	uint64_t top;

	*lost = false;
	while (load_next(in, &tag, &body) && tag == SAVE_EVENT)
		if (r != NULL && !*lost && !load_event(r, &body, lost))
			return (false);
	if (in->bad || tag != SAVE_TOP)
		return (false);
	top = state_get_u64(&body);
	if (!state_end(&body))
		return (false);
	/* of a room in which nothing is left its first is one more */
	return (r == NULL || *lost || top == r->top);
}

/* One key.  false: it makes no sense. */
static bool
load_key(struct memory_room *r, struct state_in *in, bool *full)
{
	uint64_t at_ms = state_get_u64(in);
	struct slice frame = state_get_slice(in);

	return (state_end(in) && load_is_frame(frame) &&
	    at_ms <= memory_now(r->m) &&
	    memory_keyed_load(r, frame, at_ms, full));
}

/* Keys of the room, or (NULL) of nobody, if it had any. */
static bool
load_keys(struct memory_room *r, struct state_in *in, bool *lost)
{
	struct state_in before = *in, body;
	enum save_tag tag;
	uint64_t horizon, n;

	if (!load_next(in, &tag, &body) || tag != SAVE_KEYS) {
		*in = before;
		return (true);
	}
	horizon = state_get_u64(&body);
	n = state_get_u64(&body);
	if (!state_end(&body))
		return (false);
	if (r != NULL && !*lost && r->bounds.keys != 0)
		*lost = !memory_keyed_begin(r, horizon);
	else
		r = NULL;
	for (; n > 0; n--)
		if (!load_next(in, &tag, &body) || tag != SAVE_KEY ||
		    (r != NULL && !*lost && !load_key(r, &body, lost)))
			return (false);
	return (true);
}

/* In what there is room for: the next one would be used less lately still. */
static bool
load_one(struct memory *m, struct state_in *in, struct state_in *body)
{
	struct memory_room *r;
	bool bad, lost;

	r = load_room(m, body, &bad);
	if (bad)
		return (false);
	bad = !load_events(r, in, &lost) || !load_keys(r, in, &lost);
	if (r != NULL && (bad || lost || m->bytes > m->p.bytes))
		memory_end(r);
	else if (r != NULL)
		load_put_behind(r);
	return (!bad);
}

bool
memory_load(void *engine, struct slice saved)
{
	struct memory *m = engine;
	struct state_in in = state_in(saved), body;
	enum save_tag tag;
	bool good;

	CHECK_MAGIC(m, MEMORY_MAGIC);
	good = load_next(&in, &tag, &body) && tag == SAVE_HEAD;
	while (good && (good = load_next(&in, &tag, &body)) &&
	    tag == SAVE_ROOM)
		good = load_one(m, &in, &body);
	memory_show(m);
	/* bounds that have become narrower meanwhile */
	m->look = TAILQ_FIRST(&m->all);
	return (good && tag == SAVE_END && state_end(&in));
}
