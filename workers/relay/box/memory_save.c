/*
 * Notifications in memory, for the relay that takes this one's place; see
 * memory.h.  Called by boxes.c.
 */
#include "relay/box/memory_int.h"

#include "base/state.h"
#include "shm/interest.h"

/* Users who were asked about least lately come first:
 *
 *	SAVE_BOX	u64 version; then of each, while there is more (bool):
 *			namespace, user, u64 serial, preferences, u32 notices;
 *			then each, the oldest first
 */
#define SAVE_BOX	0x4258		/* "BX" */
#define SAVE_VERSION	1
#define SAVE_MOST	(UINT64_C(1) << 53)	/* of what only grows */

static void
save_notice(struct buf *b, const struct notice *i)
{
	state_put_slice(b, notice_id(i));
	state_put_slice(b, notice_category(i));
	state_put_slice(b, notice_collapse(i));
	state_put_slice(b, notice_json(i));
	state_put_u64(b, i->serial);
	state_put_u64(b, i->at_ms);
	state_put_u64(b, i->expires_ms);
	state_put_bool(b, i->read);
	state_put_bool(b, i->counted);
}

static void
save_box(struct buf *b, const struct box *x)
{
	const struct notice *i;

	state_put_bool(b, true);
	state_put_slice(b, box_nsp(x));
	state_put_slice(b, box_user(x));
	state_put_u64(b, x->serial);
	state_put_slice(b, slice_of(x->prefs, x->prefs_n));
	state_put_u32(b, x->n);
	TAILQ_FOREACH_REVERSE(i, &x->notices, notices, link)
		save_notice(b, i);
}

void
box_memory_save(const struct box_memory *m, struct buf *b)
{
	const struct box *x;
	size_t at;

	CHECK_MAGIC(m, BOX_MEMORY_MAGIC);
	if (TAILQ_EMPTY(&m->boxes))
		return;
	at = state_open(b, SAVE_BOX, SAVE_VERSION);
	state_put_u64(b, m->version);
	TAILQ_FOREACH(x, &m->boxes, used)
		save_box(b, x);
	state_put_bool(b, false);
	state_close(b, at);
}

/* --- and back --------------------------------------------------------------- */

static bool
memory_is_item(const struct box_item *i)
{
	return (i->id.n != 0 && i->id.n <= BOX_NAME_MAX &&
	    i->category.n <= BOX_NAME_MAX && i->collapse.n <= BOX_NAME_MAX &&
	    i->json.n != 0);
}

static bool
memory_load_notice(struct box_memory *m, struct box *x, struct state_in *in)
{
	struct box_item item = { .rank = BOX_NORMAL };
	uint64_t serial, at_ms, top = x->serial;
	struct notice *i;
	bool read, counted;

	item.id = state_get_slice(in);
	item.category = state_get_slice(in);
	item.collapse = state_get_slice(in);
	item.json = state_get_slice(in);
	serial = state_get_u64(in);
	at_ms = state_get_u64(in);
	item.expires_ms = state_get_u64(in);
	read = state_get_bool(in);
	counted = state_get_bool(in);
	if (in->bad || !memory_is_item(&item) || serial > top ||
	    (x->n > 0 && serial <= TAILQ_FIRST(&x->notices)->serial) ||
	    (i = box_add(m, x, &item, at_ms, counted)) == NULL)
		return (false);
	i->serial = serial;
	x->serial = top;
	if (read)
		box_set_read(x, i);
	return (true);
}

static bool
memory_load_box(struct box_memory *m, struct state_in *in)
{
	struct slice nsp = state_get_slice(in), user = state_get_slice(in);
	uint64_t serial = state_get_u64(in);
	struct slice prefs = state_get_slice(in);
	uint32_t n = state_get_u32(in);
	struct box_prefs p;
	struct box *x;

	if (in->bad || serial >= SAVE_MOST || nsp.n == 0 || nsp.n > UINT16_MAX || user.n == 0 ||
	    user.n > INTEREST_NAME_MAX || box_find(m, nsp, user) != NULL ||
	    (prefs.n != 0 && !box_get_prefs(prefs, &p)) ||
	    (x = box_make(m, nsp, user)) == NULL)
		return (false);
	x->serial = serial;
	if (prefs.n != 0 && !box_set_prefs(m, x, prefs))
		return (false);
	while (n-- > 0)
		if (!memory_load_notice(m, x, in))
			return (false);
	box_drop_empty(m, x);
	return (true);
}

bool
box_memory_is_saved(struct slice s)
{
	struct state_in in = state_in(s);

	return (s.n >= 2 && state_get_u16(&in) == SAVE_BOX);
}

bool
box_memory_skip(struct state_in *in)
{
	struct state_in body;
	uint16_t version;

	return (state_section(in, SAVE_BOX, &version, &body));
}

bool
box_memory_load(struct box_memory *m, struct state_in *in)
{
	struct state_in body;
	uint16_t version;
	uint64_t told;

	CHECK_MAGIC(m, BOX_MEMORY_MAGIC);
	if (!state_section(in, SAVE_BOX, &version, &body) ||
	    version != SAVE_VERSION)
		return (false);
	told = state_get_u64(&body);
	if (told >= SAVE_MOST)
		return (false);
	m->version = told;
	while (state_get_bool(&body))
		if (!memory_load_box(m, &body))
			return (false);
	box_show(m);
	return (state_end(&body));
}
