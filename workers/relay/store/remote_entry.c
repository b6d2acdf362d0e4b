/*
 * Publications as they are kept in Redis, without a place, and sealed; see
 * remote_int.h.  Called by remote_out.c.
 */
#include "relay/store/remote_int.h"

#include "base/slotset.h"
#include "relay/store/edit.h"
#include "shm/counters.h"

/* u32 length, frame, seal: in m->entry. */
static bool
entry_seal(struct remote *m, const struct bus_envelope *e)
{
	uint32_t n;
	unsigned i;
	bool good;

	buf_reset(&m->frame);
	buf_reset(&m->entry);
	if (!bus_encode(&m->frame, e) ||
	    !m->link.seal(m->link.arg, &m->frame) || m->frame.oom) {
		m->frame.oom = false;
		return (false);
	}
	n = (uint32_t)m->frame.wpos;
	for (i = 0; i < 4; i++)
		buf_byte(&m->entry, (uint8_t)(n >> 8 * i));
	buf_slice(&m->entry, buf_unread(&m->frame));
	good = !m->entry.oom;
	m->entry.oom = false;
	return (good);
}

bool
remote_entry_encode(struct remote *m, const struct store_append *a, uint64_t edits)
{
	struct bus_envelope *e = a->e;
	struct bus_publish *p = &e->publish;

	e->kind = BUS_PUBLISH;
	e->flags = a->asker.flags & (BUS_NAMED | BUS_FINISH | BUS_EDIT);
	slotset_clear(e->slots);
	e->from = e->generation = 0;
	e->ref = 0;
	p->epoch = p->once = p->offset = slice_of(NULL, 0);
	if (a->bounds.keys == 0) {
		p->key = p->based = slice_of(NULL, 0);
		p->keyed = p->base = 0;
	}
	p->kept = p->timeout_ms = p->sent_us = 0;
	p->edits = edits;
	p->instead = slice_of(NULL, 0);
	return (entry_seal(m, e));
}

enum bus_store
remote_entry_edit(struct remote *m, const struct store_append *a,
    struct remote_edit *edit)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct store_key k = { a->key.nsp, a->journal ? a->room : a->key.room };

	*edit = (struct remote_edit){ .place = 0 };
	if (!edit_is(a))
		return (BUS_STORE_OK);
	if (!remote_up(m)) {
		counter_add(COUNTER_store_refused_away, 1);
		return (BUS_STORE_UNAVAILABLE);
	}
	if (!edit_read(a->e->publish.instead, &k, &e))
		return (BUS_STORE_UNAVAILABLE);
	edit->place = e.publish.kept;
	edit->epoch = e.publish.epoch;	/* in the frame */
	e.flags &= (uint16_t)~BUS_NUMBERED;
	if (!edit_unnumber(&e, &m->meta) || !entry_seal(m, &e))
		return (BUS_STORE_UNAVAILABLE);
	buf_reset(&m->page);
	buf_slice(&m->page, buf_unread(&m->entry));
	edit->entry = buf_unread(&m->page);
	if (!m->page.oom)
		return (BUS_STORE_OK);
	m->page.oom = false;
	return (BUS_STORE_UNAVAILABLE);
}
