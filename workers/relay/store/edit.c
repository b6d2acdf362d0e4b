/*
 * Frames that take the place of others; see edit.h.  Called by engines.
 */
#include "relay/store/edit.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/slotset.h"

#define EDIT_PLACE_MAX	(STORE_EPOCH_MAX + 64)

bool
edit_read(struct slice instead, const struct store_key *k,
    struct bus_envelope *e)
{
	const struct bus_publish *p = &e->publish;

	return (instead.n <= STORE_FRAME_MAX && bus_whole(instead, e) &&
	    e->kind == BUS_PUBLISH && e->from == 0 && e->flags ==
	    (BUS_NUMBERED | (e->flags & (BUS_NAMED | BUS_FINISH))) &&
	    p->to.nrooms == 1 && p->to.nusers + p->to.nsids == 0 &&
	    slotset_empty(e->slots) && e->generation == 0 && e->ref == 0 &&
	    p->timeout_ms == 0 && p->sent_us == 0 && p->once.n == 0 &&
	    p->event.n != 0 && p->epoch.n != 0 &&
	    p->epoch.n < STORE_EPOCH_MAX && p->kept != 0 && p->edits == 0 &&
	    p->instead.n == 0 && (k == NULL || (slice_eq(p->nsp, k->nsp) &&
	    slice_eq(p->to.rooms[0], k->room))));
}

enum bus_store
edit_result(const struct bus_envelope *e, struct slice epoch, uint64_t first,
    uint64_t top)
{
	if (!slice_eq(e->publish.epoch, epoch) || e->publish.kept > top)
		return (BUS_STORE_EPOCH);
	return (e->publish.kept < first ? BUS_STORE_GAP : BUS_STORE_OK);
}

/* What number.c has put at the end of it. */
static struct slice
edit_place(const struct bus_envelope *e, char out[EDIT_PLACE_MAX])
{
	const struct bus_publish *p = &e->publish;
	int n = snprintf(out, EDIT_PLACE_MAX, "\"epoch\":\"%.*s\",\"offset\":%"
	    PRIu64 "%s}", (int)p->epoch.n, (const char *)p->epoch.p, p->kept,
	    e->flags & BUS_FINISH ? ",\"finished\":true" : "");

	MUST(n > 0 && n < EDIT_PLACE_MAX);
	return (slice_of(out, (size_t)n));
}

bool
edit_unnumber(struct bus_envelope *e, struct buf *meta)
{
	struct bus_publish *p = &e->publish;
	char text[EDIT_PLACE_MAX];
	struct slice place = edit_place(e, text), m = p->meta;

	p->epoch = p->offset = slice_of(NULL, 0);
	p->kept = 0;
	if (m.n == 0)
		return (true);
	if (m.n <= place.n || !slice_eq(slice_from(m, m.n - place.n), place))
		return (false);
	m.n -= place.n;
	if (m.p[m.n - 1] == ',')
		m.n--;
	buf_reset(meta);
	buf_slice(meta, m);
	buf_byte(meta, '}');
	p->meta = buf_unread(meta);
	if (!meta->oom)
		return (true);
	meta->oom = false;
	return (false);
}
