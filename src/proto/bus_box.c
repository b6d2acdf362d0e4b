/*
 * Notifications between worker and relay; see bus_box.h.
 */
#include "proto/bus_box.h"

#include "base/state.h"

/* --- ranks ---------------------------------------------------------------- */

static const char *const ranks[BOX_RANKS] = {
	[BOX_LOW] = "low", [BOX_NORMAL] = "normal", [BOX_HIGH] = "high",
	[BOX_URGENT] = "urgent",
};

const char *
box_rank_name(uint8_t rank)
{
	MUST(rank < BOX_RANKS);
	return (ranks[rank]);
}

bool
box_rank_of(struct slice word, uint8_t *rank)
{
	uint8_t i;

	for (i = 0; i < BOX_RANKS; i++)
		if (slice_eq(word, slice_str(ranks[i]))) {
			*rank = i;
			return (true);
		}
	return (false);
}

/* --- forms ---------------------------------------------------------------- */

static bool
box_is_name(struct slice s, bool needed)
{
	return (s.n <= BOX_NAME_MAX && (s.n != 0 || !needed));
}

void
box_put_due(struct buf *b, uint64_t due_ms)
{
	state_put_u64(b, due_ms);
}

bool
box_get_due(struct slice s, uint64_t *due_ms)
{
	struct state_in in = state_in(s);

	*due_ms = state_get_u64(&in);
	return (state_end(&in));
}

void
box_put_item(struct buf *b, const struct box_item *i)
{
	state_put_slice(b, i->id);
	state_put_slice(b, i->category);
	state_put_slice(b, i->collapse);
	state_put_u32(b, i->rank);
	state_put_u64(b, i->ts_ms);
	state_put_u64(b, i->expires_ms);
	state_put_slice(b, i->json);
}

bool
box_get_item(struct slice s, struct box_item *i)
{
	struct state_in in = state_in(s);

	i->id = state_get_slice(&in);
	i->category = state_get_slice(&in);
	i->collapse = state_get_slice(&in);
	i->rank = (uint8_t)state_get_below(&in, BOX_RANKS);
	i->ts_ms = state_get_u64(&in);
	i->expires_ms = state_get_u64(&in);
	i->json = state_get_slice(&in);
	return (state_end(&in) && box_is_name(i->id, true) &&
	    box_is_name(i->category, false) &&
	    box_is_name(i->collapse, false) && i->json.n != 0);
}

void
box_put_look(struct buf *b, const struct box_look *l)
{
	state_put_u64(b, l->cursor);
	state_put_u32(b, l->limit);
	state_put_bool(b, l->unread);
	state_put_slice(b, l->category);
}

bool
box_get_look(struct slice s, struct box_look *l)
{
	struct state_in in = state_in(s);

	l->cursor = state_get_u64(&in);
	l->limit = state_get_u32(&in);
	l->unread = state_get_bool(&in);
	l->category = state_get_slice(&in);
	return (state_end(&in) && l->limit >= 1 && l->limit <= BOX_PAGE_MAX &&
	    box_is_name(l->category, false));
}

void
box_put_pick(struct buf *b, const struct box_pick *p)
{
	uint32_t i;

	state_put_bool(b, p->all);
	state_put_slice(b, p->category);
	state_put_u32(b, p->n);
	for (i = 0; i < p->n; i++)
		state_put_slice(b, p->ids[i]);
}

bool
box_get_pick(struct slice s, struct box_pick *p)
{
	struct state_in in = state_in(s);
	bool good = true;
	uint32_t i;

	p->all = state_get_bool(&in);
	p->category = state_get_slice(&in);
	p->n = state_get_below(&in, BOX_IDS_MAX + 1);
	for (i = 0; i < p->n; i++) {
		p->ids[i] = state_get_slice(&in);
		good = good && box_is_name(p->ids[i], true);
	}
	return (state_end(&in) && good && box_is_name(p->category, false) &&
	    (p->all ? p->n == 0 : p->n != 0 && p->category.n == 0));
}

void
box_put_prefs(struct buf *b, const struct box_prefs *p)
{
	uint32_t i;

	state_put_u32(b, p->least);
	state_put_bool(b, p->quiet);
	state_put_bool(b, p->count_only);
	state_put_u16(b, p->from);
	state_put_u16(b, p->to);
	state_put_u16(b, (uint16_t)p->offset);
	state_put_slice(b, p->json);
	state_put_u32(b, p->nmuted);
	for (i = 0; i < p->nmuted; i++)
		state_put_slice(b, p->muted[i]);
}

bool
box_get_prefs(struct slice s, struct box_prefs *p)
{
	struct state_in in = state_in(s);
	bool good = true;
	uint32_t i;

	p->least = (uint8_t)state_get_below(&in, BOX_RANKS);
	p->quiet = state_get_bool(&in);
	p->count_only = state_get_bool(&in);
	p->from = state_get_u16(&in);
	p->to = state_get_u16(&in);
	p->offset = (int16_t)state_get_u16(&in);
	p->json = state_get_slice(&in);
	p->nmuted = state_get_below(&in, BOX_MUTED_MAX + 1);
	for (i = 0; i < p->nmuted; i++) {
		p->muted[i] = state_get_slice(&in);
		good = good && box_is_name(p->muted[i], true);
	}
	return (state_end(&in) && good && p->json.n != 0 &&
	    p->from < BOX_DAY && p->to < BOX_DAY && p->offset > -BOX_DAY &&
	    p->offset < BOX_DAY);
}

void
box_put_reply(struct buf *b, const struct box_reply *r)
{
	state_put_u64(b, r->count);
	state_put_u64(b, r->version);
	state_put_u64(b, r->due_ms);
	state_put_u64(b, r->next);
	state_put_u8(b, r->did);
	state_put_slice(b, r->text);
}

bool
box_get_reply(struct slice s, struct box_reply *r)
{
	struct state_in in = state_in(s);

	r->count = state_get_u64(&in);
	r->version = state_get_u64(&in);
	r->due_ms = state_get_u64(&in);
	r->next = state_get_u64(&in);
	r->did = state_get_u8(&in);
	r->text = state_get_slice(&in);
	return (state_end(&in));
}

/* --- preferences ------------------------------------------------------------ */

bool
box_mutes(const struct box_prefs *p, struct slice category, uint8_t rank)
{
	uint32_t i;

	if (rank < p->least)
		return (true);
	for (i = 0; i < p->nmuted; i++)
		if (slice_eq(p->muted[i], category))
			return (true);
	return (false);
}

bool
box_is_quiet(const struct box_prefs *p, uint64_t unix_ms)
{
	int64_t minute = (int64_t)(unix_ms / 60000 % BOX_DAY) + p->offset;

	if (!p->quiet)
		return (false);
	minute = (minute % BOX_DAY + BOX_DAY) % BOX_DAY;
	if (p->from < p->to)
		return (minute >= p->from && minute < p->to);
	return (minute >= p->from || minute < p->to);
}
