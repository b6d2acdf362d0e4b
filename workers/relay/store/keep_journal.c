/*
 * Journals; see keep_journal.h.
 */
#include "relay/store/keep_journal.h"

#include <stdlib.h>

#include "base/slotset.h"
#include "relay/store/edit.h"
#include "shm/counters.h"

#define JOURNAL_MOMENT_MS 5000u	/* what workers add to that */

/* --- the journals ---------------------------------------------------------*/

bool
journal_bounds(const struct conf *conf, const struct conf_namespace *ns,
    struct store_bounds *b)
{
	if (!ns->journals)
		return (false);
	/* who is away longer is over; and that a client has got something is
	 * known after the third time in which workers can tell so */
	*b = (struct store_bounds){ .events = conf->recovery_journal_events,
		.bytes = conf->recovery_journal_bytes,
		.keep_ms = conf->recovery_window_ms + 4 * (JOURNAL_MOMENT_MS +
		    conf->ping_interval_ms + 2 * conf->ping_timeout_ms) };
	return (true);
}

static struct store_key
journal_key(const struct conf_namespace *ns)
{
	return ((struct store_key){ slice_of(ns->name, ns->name_len),
	    JOURNAL_ROOM });
}

static void
journal_set_epoch(struct journal *j, struct slice epoch)
{
	memset(j, 0, sizeof *j);
	if (epoch.n == 0 || epoch.n > sizeof j->epoch)
		return;
	memcpy(j->epoch, epoch.p, epoch.n);
	j->epoch_n = (uint8_t)epoch.n;
}

static void
journal_on_top(void *arg, const struct store_page *page)
{
	struct journal *j = arg;

	if (page->page.result != BUS_STORE_OK || j->epoch_n != 0)
		return;
	journal_set_epoch(j, page->page.epoch);
	j->top = page->page.top;
}

/* Where it stands: a store that another relay has left may have it. */
static void
journal_ask(struct keep *k, const struct conf_namespace *ns, struct journal *j)
{
	struct store_read q = { .key = journal_key(ns),
		.from = BUS_HISTORY_TOP, .limit = 1, .done = journal_on_top,
		.arg = j };

	if (journal_bounds(k->conf, ns, &q.bounds))
		k->store->does->read(k->store->engine, &q);
}

const struct journal *
journal_known(const struct keep *k, const struct conf_namespace *ns)
{
	return (ns->journals && ns->index < k->njournals ?
	    k->journals[ns->index] : NULL);
}

struct journal *
journal_find(struct keep *k, const struct conf_namespace *ns)
{
	struct journal **v, *j;

	if (!ns->journals)
		return (NULL);
	if (ns->index >= k->njournals) {
		v = reallocarray(k->journals, ns->index + 1u, sizeof *v);
		if (v == NULL)
			return (NULL);
		memset(v + k->njournals, 0, (ns->index + 1u - k->njournals) *
		    sizeof *v);
		k->journals = v;
		k->njournals = ns->index + 1u;
	}
	j = k->journals[ns->index];
	if (j == NULL)
		j = k->journals[ns->index] = calloc(1, sizeof *j);
	/* of one in Redis it is told */
	if (j != NULL && j->epoch_n == 0 && k->remote == NULL)
		journal_ask(k, ns, j);
	return (j);
}

void
journals_free(struct keep *k)
{
	size_t i;

	for (i = 0; i < k->njournals; i++)
		free(k->journals[i]);
	free(k->journals);
	k->journals = NULL;
	k->njournals = 0;
}

/* --- places ---------------------------------------------------------------*/

/* "EPOCH:N" with its quotes */
static bool
journal_split(struct slice offset, struct slice *epoch, uint64_t *place)
{
	uint64_t v = 0;
	size_t i, n;

	if (offset.n < 4 || offset.p[0] != '"' ||
	    offset.p[offset.n - 1] != '"')
		return (false);
	for (n = offset.n - 2; n > 1 && offset.p[n] != ':'; n--)
		;
	if (n < 2 || offset.n - 2 - n > 20 || offset.n - 2 == n)
		return (false);
	for (i = n + 1; i < offset.n - 1; i++) {
		if (offset.p[i] < '0' || offset.p[i] > '9')
			return (false);
		v = v * 10 + (offset.p[i] - '0');
	}
	*epoch = slice_of(offset.p + 1, n - 1);
	*place = v;
	return (true);
}

bool
journal_place(const struct journal *j, struct slice offset, uint64_t *place)
{
	struct slice epoch;

	return (j->epoch_n != 0 && journal_split(offset, &epoch, place) &&
	    slice_eq(epoch, journal_epoch(j)));
}

bool
journal_is_other(const struct journal *j, struct slice offset)
{
	struct slice epoch;
	uint64_t place;

	return (journal_split(offset, &epoch, &place) &&
	    !slice_eq(epoch, journal_epoch(j)));
}

uint64_t
journal_stamp(const struct journal *j, unsigned slot, struct slice offset)
{
	uint64_t read = 0;

	if (!journal_place(j, offset, &read))
		read = 0;
	if (j->last[slot] <= read)
		return (j->top);
	return (read + 1 < j->first[slot] ? j->first[slot] - 1 : read);
}

/* --- holes ----------------------------------------------------------------*/

/* Its clients have been told, or there is nobody any more who could. */
static void
journal_close_hole(struct journal *j, unsigned slot)
{
	struct journal_hole *h = j->holes;

	if (j->nholes == JOURNAL_HOLES) {
		/* of two workers: of any */
		h[1].slot = h[0].slot == h[1].slot ? h[1].slot : 0;
		h[1].lost = h[0].lost;
		memmove(h, h + 1, --j->nholes * sizeof *h);
	}
	h[j->nholes++] = (struct journal_hole){ j->lost[slot], j->top, slot };
	j->lost[slot] = 0;
	slotset_drop(j->untold, slot);
}

/* It has been given all that there was to tell it. */
static bool
journal_is_told(const struct keep *k, unsigned slot)
{
	return (exchange_peer(k->x, slot) != NULL &&
	    !slotset_has(k->x->gapped, slot));
}

/* Workers that are told of it. */
static void
journal_look_told(const struct keep *k, struct journal *j)
{
	uint64_t left[2];
	unsigned slot;

	slotset_copy(left, j->untold);
	while ((slot = slotset_take(left)) != 0)
		if (journal_is_told(k, slot))
			journal_close_hole(j, slot);
}

bool
journal_knows(const struct keep *k, struct journal *j, unsigned slot,
    uint64_t seen, bool keeps)
{
	const struct journal_hole *h;

	journal_look_told(k, j);
	if (slotset_has(j->untold, slot) && journal_hides(j->lost[slot],
	    UINT64_MAX, seen, keeps))
		return (false);
	for (h = j->holes; h < j->holes + j->nholes; h++)
		if ((h->slot == slot || h->slot == 0) &&
		    journal_hides(h->lost, h->told, seen, keeps))
			return (false);
	return (true);
}

size_t
journal_holes(const struct keep *k, const struct journal *j, unsigned slot,
    struct journal_hole v[JOURNAL_HOLES + 1])
{
	const struct journal_hole *h;
	size_t n = 0;

	for (h = j->holes; h < j->holes + j->nholes; h++)
		if (h->slot == slot || h->slot == 0)
			v[n++] = *h;
	if (slotset_has(j->untold, slot))
		v[n++] = (struct journal_hole){ j->lost[slot],
			journal_is_told(k, slot) ? j->top : UINT64_MAX, slot };
	return (n);
}

static void
journal_forget(struct journal *j, unsigned slot)
{
	j->first[slot] = j->last[slot] = j->proven[slot] = 0;
	j->nproven[slot] = 0;
	if (slotset_has(j->untold, slot))
		journal_close_hole(j, slot);
}

void
journal_worker_gone(struct keep *k, unsigned slot)
{
	size_t i;

	for (i = 0; i < k->njournals; i++)
		if (k->journals[i] != NULL)
			journal_forget(k->journals[i], slot);
}

/* From this place on, unless something before was. */
static void
journal_open_hole(struct journal *j, unsigned slot, uint64_t place)
{
	if (!slotset_has(j->untold, slot)) {
		j->lost[slot] = place;
		slotset_add(j->unwritten, slot);
	} else if (place < j->lost[slot])
		j->lost[slot] = place;
	slotset_add(j->untold, slot);
}

/* --- what is published ----------------------------------------------------*/

static void
journal_who_of(struct keep *k, uint16_t ns, enum interest_kind kind,
    struct slice name, uint64_t all[2])
{
	char key[INTEREST_KEY_MAX];
	uint64_t bits[2];

	if (name.n > INTEREST_NAME_MAX)
		return;
	slotset_clear(bits);
	interest_who(k->interest, ns, interest_key(key, kind, name), bits);
	slotset_join(all, bits);
}

/* Workers that have some of the audience. */
static void
journal_who(struct keep *k, const struct conf_namespace *ns,
    const struct bus_audience *to, uint64_t all[2])
{
	size_t i;

	slotset_clear(all);
	for (i = 0; i < to->nrooms; i++)
		journal_who_of(k, ns->index, INTEREST_ROOM, to->rooms[i], all);
	for (i = 0; i < to->nusers; i++)
		journal_who_of(k, ns->index, INTEREST_USER, to->users[i], all);
	if (to->nsids != 0 || to->nrooms + to->nusers == 0)
		journal_who_of(k, ns->index, INTEREST_NAMESPACE,
		    slice_of(NULL, 0), all);
}

/* It has this place. */
static void
journal_note(const struct keep *k, struct journal *j, struct slice epoch,
    uint64_t place)
{
	journal_look_told(k, j);
	if (!slice_eq(journal_epoch(j), epoch))
		journal_set_epoch(j, epoch);
	/* of one in Redis some that come first may be known already */
	if (j->top < place)
		j->top = place;
	j->top_ms = k->x->now_ms;
}

static void
journal_queued(const struct keep *k, const uint64_t slots[2], size_t *v)
{
	uint64_t left[2] = { slots[0], slots[1] };
	unsigned slot;

	while ((slot = slotset_take(left)) != 0)
		v[slot] = exchange_queued(k->x, slot);
}

/* What has this place is on its way to these, or, where no more is queued than
 * before, lost; but not to one that has died and is not cleared away yet: who
 * comes in its place has all that there is. */
static void
journal_note_sent(const struct keep *k, struct journal *j, uint64_t place,
    const uint64_t slots[2], const size_t *before)
{
	uint64_t left[2] = { slots[0], slots[1] };
	unsigned slot;

	while ((slot = slotset_take(left)) != 0) {
		if (exchange_peer(k->x, slot) == NULL)
			continue;
		if (exchange_queued(k->x, slot) == before[slot]) {
			journal_open_hole(j, slot, place);
			continue;
		}
		if (j->first[slot] == 0)
			j->first[slot] = place;
		if (j->last[slot] < place)
			j->last[slot] = place;
	}
}

/* One publication on its way, until it has all of its places. */
struct journal_entry {
	struct keep	*k;
	const struct conf_namespace *ns;
	struct bus_envelope *e;
	struct slice	 epoch;		/* of the room that keeps it; or empty */
	uint64_t	 kept;
	struct slice	 room;		/* remote.h: which that is */
	struct store_bounds bounds;
};

static void
journal_on_kept(void *arg, const struct store_kept *kept)
{
	const struct journal_entry *in = arg;
	struct keep *k = in->k;
	struct journal *j = journal_find(k, in->ns);
	size_t before[ROLE_SLOTS_MAX];	/* in their queues */
	uint64_t slots[2];

	if (kept->result != BUS_STORE_OK || j == NULL) {
		keep_count_refused(k, j == NULL ? BUS_STORE_UNAVAILABLE :
		    kept->result);
		keep_refuse(k, &kept->asker, j == NULL ?
		    BUS_STORE_UNAVAILABLE : kept->result);
		return;
	}
	counter_add(COUNTER_journal_appends, 1);
	journal_who(k, in->ns, &in->e->publish.to, slots);
	journal_note(k, j, kept->epoch, kept->kept);
	keep_say(k, &kept->asker, BUS_STORE_OK, in->epoch, in->kept, slots);
	journal_queued(k, slots, before);
	if (!slotset_empty(slots))
		keep_route(k, &kept->asker, kept->frame, slots);
	journal_note_sent(k, j, kept->kept, slots, before);
}

/* --- in Redis -------------------------------------------------------------*/

/* One that has its place, and goes to who has some of its audience here. */
struct journal_given {
	struct journal	*j;		/* NULL: it goes nowhere */
	uint64_t	 place, slots[2];
};

static struct journal_given
journal_take_far(struct keep *k, struct slice nsp, const struct buf *frame)
{
	static struct bus_envelope e;	/* large; one at a time */
	const struct conf_namespace *ns = conf_namespace_find(k->conf, nsp);
	struct journal *j = ns == NULL ? NULL : journal_find(k, ns);
	struct slice bytes = buf_unread(frame), epoch;
	struct journal_given g = { .j = NULL };

	if (j == NULL || !bus_whole(bytes, &e) ||
	    !journal_split(e.publish.offset, &epoch, &g.place))
		return (g);
	g.j = j;
	journal_who(k, ns, &e.publish.to, g.slots);
	journal_note(k, j, epoch, g.place);
	return (g);
}

static void
journal_give_far(struct keep *k, const struct journal_given *g,
    const struct store_asker *from, struct buf *frame)
{
	size_t before[ROLE_SLOTS_MAX];	/* in their queues */

	if (g->j == NULL)
		return;
	journal_queued(k, g->slots, before);
	keep_route_here(k, from, frame, g->slots);
	journal_note_sent(k, g->j, g->place, g->slots, before);
	keep_route_far(k, from, frame);
}

void
journal_place_far(struct keep *k, struct slice nsp,
    const struct store_asker *from, struct buf *frame)
{
	struct journal_given g = journal_take_far(k, nsp, frame);

	journal_give_far(k, &g, from, frame);
}

/* Nobody here will get what follows top: it had gone from Redis before it was
 * heard. */
static void
journal_skip(struct keep *k, struct journal *j, struct slice nsp)
{
	static const struct bus_audience all;	/* of the namespace */
	unsigned slot;

	journal_look_told(k, j);
	for (slot = 1; slot < ROLE_SLOTS_MAX; slot++) {
		if (exchange_peer(k->x, slot) != NULL)
			journal_open_hole(j, slot, j->top + 1);
	}
	exchange_gap(k->x, nsp, &all, j->top_ms);
}

void
journal_stands_far(struct keep *k, struct slice nsp, struct slice epoch,
    uint64_t top)
{
	const struct conf_namespace *ns = conf_namespace_find(k->conf, nsp);
	struct journal *j = ns == NULL ? NULL : journal_find(k, ns);

	if (j == NULL)
		return;
	if (!slice_eq(journal_epoch(j), epoch))
		journal_set_epoch(j, epoch);
	else if (j->top < top)
		journal_skip(k, j, nsp);
	if (j->top < top)
		j->top = top;
	j->top_ms = k->x->now_ms;
}

/* It has its place; or it is accepted, and gets it later. */
static void
journal_on_far(void *arg, const struct store_kept *kept)
{
	struct keep *k = arg;
	struct journal_given g = { .j = NULL };

	if (kept->result != BUS_STORE_OK) {
		keep_count_refused(k, kept->result);
		keep_refuse(k, &kept->asker, kept->result);
		return;
	}
	if (kept->frame != NULL || kept->later)
		counter_add(COUNTER_journal_appends, 1);
	if (kept->frame != NULL)
		g = journal_take_far(k, kept->key.nsp, kept->frame);
	counter_add(COUNTER_store_appends, kept->room_kept != 0 &&
	    (kept->frame != NULL || kept->later));
	if (kept->room_kept != 0)
		keep_count_kept(kept);
	keep_say(k, &kept->asker, BUS_STORE_OK, kept->room_epoch,
	    kept->room_kept, g.slots);
	if (kept->frame != NULL)
		journal_give_far(k, &g, &kept->asker, kept->frame);
}

/* --- appending ------------------------------------------------------------*/

static void
journal_append(struct journal_entry *in, const struct store_asker *asker)
{
	struct store_append a = { .asker = *asker, .key = journal_key(in->ns),
		.e = in->e, .journal = true, .done = journal_on_kept,
		.arg = in };

	if (in->k->remote != NULL) {	/* it answers later */
		a.room = in->room;
		a.room_bounds = in->bounds;
		if (a.room.n == 0)
			a.asker.flags &= (uint16_t)~BUS_FINISH;
		a.done = journal_on_far;
		a.arg = in->k;
	}
	MUST(journal_bounds(in->k->conf, in->ns, &a.bounds));
	in->k->store->does->append(in->k->store->engine, &a);
}

/* Its room has it; the journal's frame says so. */
static void
journal_on_room(void *arg, const struct store_kept *kept)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct journal_entry in = *(const struct journal_entry *)arg;
	struct keep *k = in.k;
	struct slice frame;

	if (kept->result != BUS_STORE_OK) {
		keep_count_refused(k, kept->result);
		keep_refuse(k, &kept->asker, kept->result);
		return;
	}
	counter_add(COUNTER_store_appends, 1);
	keep_count_kept(kept);
	buf_reset(&k->entry);
	buf_slice(&k->entry, buf_unread(kept->frame));
	frame = buf_unread(&k->entry);
	if (k->entry.oom || !bus_whole(frame, &e)) {
		k->entry.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		keep_refuse(k, &kept->asker, BUS_STORE_UNAVAILABLE);
		return;
	}
	in.e = &e;
	in.epoch = e.publish.epoch;
	in.kept = e.publish.kept;
	journal_append(&in, &kept->asker);
}

/* The worker's configuration has a journal, and ours has none. */
static void
journal_pass(struct keep *k, const struct store_asker *asker,
    const struct conf_namespace *ns, struct bus_envelope *e)
{
	uint64_t slots[2];

	journal_who(k, ns, &e->publish.to, slots);
	keep_say(k, asker, BUS_STORE_OK, slice_of(NULL, 0), 0, slots);
	e->kind = BUS_PUBLISH;
	e->flags &= (uint16_t)~BUS_FINISH;
	e->publish.timeout_ms = e->publish.sent_us = 0;
	buf_reset(&k->frame);
	if (!bus_encode(&k->frame, e)) {
		k->frame.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		return;
	}
	keep_route(k, asker, &k->frame, slots);
}

void
journal_take(struct keep *k, struct bus_envelope *e)
{
	struct bus_publish *p = &e->publish;
	struct journal_entry in = { .k = k, .e = e,
		.ns = conf_namespace_find(k->conf, p->nsp) };
	struct store_append room = { .asker = { .slot = e->from,
		.generation = e->generation, .flags = e->flags,
		.ref = e->ref, .timeout_ms = p->timeout_ms,
		.sent_us = p->sent_us }, .e = e, .done = journal_on_room,
		.arg = &in };

	if (in.ns == NULL) {
		counter_add(COUNTER_store_refused_unknown, 1);
		keep_refuse(k, &room.asker, BUS_STORE_UNAVAILABLE);
		return;
	}
	if (!in.ns->journals && !edit_is(&room)) {
		journal_pass(k, &room.asker, in.ns, e);
		return;
	}
	p->offset = p->epoch = slice_of(NULL, 0);
	p->kept = 0;
	if (p->to.nrooms == 1 && p->to.rooms[0].n <= INTEREST_NAME_MAX) {
		room.key = (struct store_key){ p->nsp, p->to.rooms[0] };
		if (p->to.nusers + p->to.nsids == 0 && keep_bounds(k, in.ns,
		    room.key.room, &room.bounds)) {
			if (k->remote == NULL) {
				k->store->does->append(k->store->engine,
				    &room);
				return;
			}
			in.room = room.key.room;
			in.bounds = room.bounds;
		}
	}
	if (edit_is(&room) && in.room.n == 0) {
		keep_refuse(k, &room.asker, BUS_STORE_GAP);
		return;
	}
	journal_append(&in, &room.asker);
}
