/*
 * The memory of a relay that ends, for the one that takes its place; see
 * memory_int.h.  When there is more than may be saved the rooms used least lately
 * begin anew.
 */
#include "relay/store/memory_int.h"

#include <unistd.h>

#include "base/state.h"
#include "relay/store/memory_keyed.h"
#include "sys/log.h"
#include "sys/sealed.h"

#define SAVE_PIECE	(256u << 10)	/* bytes that are written at once */
#define SAVE_MAX	(UINT64_C(1) << 30)	/* saved: the bus stands still */

struct save {
	struct buf	 b;
	int		 fd;
	uint64_t	 bytes;
	unsigned	 left;		/* rooms that are not saved */
};

/* false: it cannot be written. */
static bool
save_write(struct save *s, size_t more_than)
{
	bool good = !s->b.oom;

	if (good && s->b.wpos <= more_than)
		return (true);
	good = good && sealed_add(s->fd, buf_unread(&s->b)) == 0;
	s->bytes += s->b.wpos;
	buf_reset(&s->b);
	return (good);
}

static void
save_mark(struct save *s, enum save_tag tag)
{
	state_close(&s->b, state_open(&s->b, (uint16_t)tag, SAVE_VERSION));
}

static void
save_place(struct save *s, enum save_tag tag, uint64_t place)
{
	size_t at = state_open(&s->b, (uint16_t)tag, SAVE_VERSION);

	state_put_u64(&s->b, place);
	state_close(&s->b, at);
}

static bool
save_frame(struct save *s, enum save_tag tag, uint64_t at_ms,
    struct slice frame)
{
	size_t at = state_open(&s->b, (uint16_t)tag, SAVE_VERSION);

	state_put_u64(&s->b, at_ms);
	state_put_slice(&s->b, frame);
	state_close(&s->b, at);
	return (save_write(s, SAVE_PIECE));
}

static bool
save_key(void *arg, uint64_t at_ms, struct slice frame)
{
	return (save_frame(arg, SAVE_KEY, at_ms, frame));
}

static bool
save_keys(struct save *s, const struct memory_room *r)
{
	size_t at;

	if (r->keyed == NULL)
		return (true);
	at = state_open(&s->b, SAVE_KEYS, SAVE_VERSION);
	state_put_u64(&s->b, memory_keyed_horizon(r));
	state_put_u64(&s->b, memory_keyed_count(r));
	state_close(&s->b, at);
	return (memory_keyed_each(r, save_key, s));
}

static bool
save_room(struct save *s, const struct memory_room *r)
{
	const struct memory_event *e;
	size_t at;
	uint32_t i;

	if (s->bytes + r->bytes + memory_keyed_bytes(r) > SAVE_MAX) {
		s->left++;
		return (true);
	}
	at = state_open(&s->b, SAVE_ROOM, SAVE_VERSION);
	state_put_slice(&s->b, memory_nsp(r));
	state_put_slice(&s->b, memory_name(r));
	state_put_slice(&s->b, memory_epoch(r));
	state_put_u64(&s->b, r->top - r->n + 1);
	state_close(&s->b, at);
	for (i = 0; i < r->n; i++) {
		e = memory_at(r, i);
		if (!save_frame(s, SAVE_EVENT, e->at_ms,
		    slice_of(e->frame, e->n)))
			return (false);
	}
	save_place(s, SAVE_TOP, r->top);
	return (save_write(s, SAVE_PIECE) && save_keys(s, r));
}

static bool
save_rooms(struct save *s, const struct memory_rooms *rooms)
{
	const struct memory_room *r;

	TAILQ_FOREACH_REVERSE(r, rooms, memory_rooms, used)
		if (!save_room(s, r))
			return (false);
	return (true);
}

static bool
save_all(struct save *s, const struct memory *m)
{
	save_mark(s, SAVE_HEAD);
	if (!save_rooms(s, &m->stay) || !save_rooms(s, &m->full) ||
	    !save_rooms(s, &m->empty))
		return (false);
	save_mark(s, SAVE_END);
	return (save_write(s, 0));
}

int
memory_save(void *engine, struct slice begin, bool *bad)
{
	const struct memory *m = engine;
	struct save s = { .fd = -1 };

	CHECK_MAGIC(m, MEMORY_MAGIC);
	*bad = false;
	if (TAILQ_EMPTY(&m->all) && begin.n == 0)
		return (-1);
	s.fd = sealed_begin("roostd-store");
	if (s.fd == -1) {
		*bad = true;
		return (-1);
	}
	buf_init(&s.b);
	if (sealed_add(s.fd, begin) == -1 || !save_all(&s, m)) {
		(void)close(s.fd);
		s.fd = -1;
	} else if (sealed_end(s.fd) == -1)
		s.fd = -1;
	*bad = s.fd == -1;
	buf_fini(&s.b);
	if (s.left > 0)
		log_warnx("histories_too_large rooms=%u", s.left);
	return (s.fd);
}
