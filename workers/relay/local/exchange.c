/*
 * Routing by slot; see exchange.h.
 */
#include "relay/local/exchange.h"

#include <stdlib.h>

#include "conf/conf.h"
#include "gaps/gaps.h"
#include "proto/bus.h"
#include "relay/local/peer.h"
#include "shm/counters.h"

void
exchange_init(struct exchange *x, const struct conf *conf)
{
	memset(x, 0, sizeof *x);
	x->magic = EXCHANGE_MAGIC;
	x->conf = conf;
	buf_init(&x->words);
	buf_init(&x->frame);
	buf_init(&x->spread);
}

void
exchange_fini(struct exchange *x)
{
	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	MUST(x->npeers == 0);
	buf_fini(&x->words);
	buf_fini(&x->frame);
	buf_fini(&x->spread);
	x->magic = 0;
}

void
exchange_conf(struct exchange *x, const struct conf *conf)
{
	unsigned slot;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	x->conf = conf;
	for (slot = 1; slot < ROLE_SLOTS_MAX; slot++) {
		if (x->peers[slot] != NULL)
			x->peers[slot]->limit = (size_t)conf->bus_queue_bytes;
		if (x->gaps[slot] != NULL)
			gaps_conf(x->gaps[slot], conf);
	}
}

struct peer *
exchange_peer(const struct exchange *x, unsigned slot)
{
	return (slot < ROLE_SLOTS_MAX ? x->peers[slot] : NULL);
}

void
exchange_add(struct exchange *x, struct peer *p)
{
	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	MUST(p->slot > 0 && p->slot < ROLE_SLOTS_MAX);
	MUST(x->peers[p->slot] == NULL);
	if (x->generations[p->slot] != p->generation) {
		shadow_reused(&x->shadow, p->slot);
		slotset_drop(x->left, p->slot);
	}
	x->generations[p->slot] = p->generation;
	/* one that ends may be given another stream before it is known */
	p->leaves = slotset_has(x->left, p->slot);
	x->peers[p->slot] = p;
	x->npeers++;
}

/* Who ends is told nothing; a worker that gets another stream tells its clients
 * itself. */
static void
exchange_forget_gaps(struct exchange *x, unsigned slot)
{
	slotset_drop(x->gapped, slot);
	if (x->gaps[slot] == NULL)
		return;
	gaps_fini(x->gaps[slot]);
	free(x->gaps[slot]);
	x->gaps[slot] = NULL;
}

void
exchange_remove(struct exchange *x, struct peer *p)
{
	unsigned i, n;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	MUST(x->peers[p->slot] == p && x->npeers > 0);
	x->peers[p->slot] = NULL;
	x->npeers--;
	exchange_forget_gaps(x, p->slot);
	cut_forget(&x->cuts, p->slot);
	for (i = n = 0; i < x->ndirty; i++) {
		if (x->dirty[i] != p)
			x->dirty[n++] = x->dirty[i];
	}
	x->ndirty = n;
}

/* --- gaps -----------------------------------------------------------------*/

/* The set of a worker, which is to be told; NULL: no memory, counted. */
static struct gaps *
exchange_gaps_of(struct exchange *x, unsigned slot)
{
	struct gaps *g = x->gaps[slot];

	if (g == NULL) {
		g = malloc(sizeof *g);
		if (g == NULL) {
			counter_add(COUNTER_memory_failures, 1);
			return (NULL);
		}
		gaps_init(g, x->conf);
		x->gaps[slot] = g;
	}
	slotset_add(x->gapped, slot);
	return (g);
}

/* A frame that had no room: the only one that is looked into. */
static void
exchange_lost(struct exchange *x, unsigned slot, struct slice frame)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct gaps *g;

	if (!bus_whole(frame, &e) ||
	    !gaps_are_told_of(&e))
		return;
	g = exchange_gaps_of(x, slot);
	if (g != NULL)
		gaps_note_lost(g, &e, x->now_ms);
}

void
exchange_gap(struct exchange *x, struct slice nsp,
    const struct bus_audience *to, uint64_t from_ms)
{
	struct gaps *g;
	unsigned slot;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	for (slot = 1; slot < ROLE_SLOTS_MAX; slot++)
		if (x->peers[slot] != NULL &&
		    (g = exchange_gaps_of(x, slot)) != NULL)
			gaps_note(g, nsp, to, from_ms, x->now_ms);
}

void
exchange_gap_all(struct exchange *x, uint64_t from_ms)
{
	struct gaps *g;
	unsigned slot;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	for (slot = 1; slot < ROLE_SLOTS_MAX; slot++)
		if (x->peers[slot] != NULL &&
		    (g = exchange_gaps_of(x, slot)) != NULL)
			gaps_note_all(g, from_ms, x->now_ms);
}

/* --- routing --------------------------------------------------------------*/

/* Whether a frame for it reaches it. */
static bool
exchange_takes(const struct exchange *x, unsigned slot)
{
	const struct peer *p = exchange_peer(x, slot);

	return (p != NULL && !p->leaves);
}

static bool
exchange_give(struct exchange *x, unsigned slot, struct slice frame,
    uint16_t flags)
{
	struct peer *p;

	p = exchange_peer(x, slot);
	if (!exchange_takes(x, slot)) {
		counter_add(COUNTER_bus_unroutable, 1);
		return (false);
	}
	if (!peer_queue(p, frame, (flags & BUS_VOLATILE) != 0)) {
		if ((flags & BUS_VOLATILE) == 0)
			exchange_lost(x, slot, frame);
		return (false);
	}
	if (!p->dirty) {
		p->dirty = true;
		x->dirty[x->ndirty++] = p;
	}
	return (true);
}

/* The heirs of those whom it is for; false: there are none.  What an heir itself
 * has sent it has delivered itself, but for what had to be kept before. */
static bool
exchange_heirs(struct exchange *x, struct slice frame,
    const uint64_t slots[2], uint16_t flags, uint64_t heirs[2])
{
	uint64_t left[2];
	unsigned slot, from = bus_frame_from(frame);

	if (!shadow_follows(bus_frame_kind(frame)) ||
	    !shadow_find(&x->shadow, slots, x->mono_ms, heirs))
		return (false);
	if (slotset_has(heirs, from) && (flags & BUS_NUMBERED) == 0)
		slotset_drop(heirs, from);
	slotset_copy(left, heirs);
	while ((slot = slotset_take(left)) != 0)
		if (!exchange_takes(x, slot))
			slotset_drop(heirs, slot);
	return (!slotset_empty(heirs));
}

/* The same frame, for these and those heirs, which says who gets it: an answer
 * says that again, and so who asks waits for the right ones. */
static struct slice
exchange_spread(struct exchange *x, struct slice frame,
    const uint64_t slots[2], const uint64_t heirs[2])
{
	uint64_t left[2] = { slots[0], slots[1] };
	uint64_t get[2] = { heirs[0], heirs[1] };
	unsigned slot;

	while ((slot = slotset_take(left)) != 0)
		if (exchange_takes(x, slot))
			slotset_add(get, slot);
	buf_reset(&x->spread);
	buf_slice(&x->spread, frame);
	if (x->spread.oom) {
		buf_fini(&x->spread);
		buf_init(&x->spread);
		counter_add(COUNTER_memory_failures, 1);
		return (frame);
	}
	bus_frame_spread(x->spread.data, get);
	return (buf_unread(&x->spread));
}

/* A worker that has left would have said that it has nobody, and, as an heir
 * does, who else got it: nothing is over before those have answered. */
static void
exchange_answer_for(struct exchange *x, unsigned slot, struct slice frame,
    uint16_t flags)
{
	static struct bus_envelope e;	/* large; one at a time */
	unsigned asker = bus_frame_from(frame);
	uint64_t had[2];

	if ((flags & (BUS_WANT_COUNT | BUS_WANT_ANSWERS)) == 0 || asker == 0)
		return;
	if (bus_frame_kind(frame) == BUS_PUBLISH &&
	    (flags & BUS_WANT_ANSWERS) == 0)
		bus_count(&e, 0);
	else
		(void)bus_answers(&e);
	e.flags |= flags & BUS_NUMBERED;
	slotset_only(e.slots, asker);
	e.from = (uint16_t)slot;
	e.generation = (uint16_t)x->generations[slot];
	e.ref = bus_frame_ref(frame);
	if (bus_frame(frame, had, &flags) > 0 && (flags & BUS_SHADOW) != 0)
		bus_had(&e, had);
	buf_reset(&x->frame);
	if (bus_encode(&x->frame, &e))
		(void)exchange_give(x, asker, buf_unread(&x->frame), 0);
	else {
		x->frame.oom = false;	/* it is told after its time */
		counter_add(COUNTER_memory_failures, 1);
	}
}

bool
exchange_route(struct exchange *x, struct slice frame, const uint64_t slots[2],
    uint16_t flags)
{
	uint64_t left[2] = { slots[0], slots[1] }, heirs[2];
	unsigned slot;
	bool all = true;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	if (!slotset_empty(x->shadow.givers) &&
	    exchange_heirs(x, frame, slots, flags, heirs)) {
		frame = exchange_spread(x, frame, slots, heirs);
		while ((slot = slotset_take(heirs)) != 0) {
			counter_add(COUNTER_bus_shadowed, 1);
			(void)exchange_give(x, slot, frame, flags);
		}
	}
	while ((slot = slotset_take(left)) != 0)
		if (slotset_has(x->left, slot))
			exchange_answer_for(x, slot, frame, flags);
		else if (!exchange_give(x, slot, frame, flags))
			all = false;
	return (all);
}

/* One event, to this worker; false: no memory now. */
static bool
exchange_tell_gap(struct exchange *x, unsigned slot, const struct gap *g)
{
	static struct bus_envelope e;	/* large; one at a time */

	if (!gaps_publication(g, &x->words, &e))
		return (false);
	slotset_only(e.slots, slot);
	e.from = e.generation = 0;
	e.ref = 0;
	buf_reset(&x->frame);
	if (!bus_encode(&x->frame, &e)) {
		x->frame.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	if (!exchange_give(x, slot, buf_unread(&x->frame), 0))
		return (false);
	counter_add(COUNTER_gaps_told, 1);
	return (true);
}

void
exchange_tell_gaps(struct exchange *x)
{
	uint64_t left[2] = { x->gapped[0], x->gapped[1] };
	const struct gap *g;
	unsigned slot;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	while ((slot = slotset_take(left)) != 0) {
		while (!exchange_crowded(x, slot) &&
		    (g = gaps_first(x->gaps[slot])) != NULL &&
		    exchange_tell_gap(x, slot, g))
			gaps_drop_first(x->gaps[slot]);
		if (gaps_first(x->gaps[slot]) == NULL)
			slotset_drop(x->gapped, slot);
	}
}

/* --- cuts -----------------------------------------------------------------*/

/* Whether what comes behind the mark reaches that worker in order and soon:
 * what was lost for it before must be told to its clients while it has them. */
static bool
exchange_can_cut(const struct exchange *x, unsigned slot)
{
	return (exchange_takes(x, slot) &&
	    !slotset_has(x->gapped, slot) && !exchange_crowded(x, slot));
}

static void
exchange_put_mark(struct exchange *x, const struct bus_cut *cut, bool refused)
{
	static struct bus_envelope e;	/* large; one at a time */

	bus_mark(&e, cut->batch, refused);
	slotset_only(e.slots, cut->giver);
	slotset_add(e.slots, cut->heir);
	e.from = e.generation = 0;
	e.ref = 0;
	buf_reset(&x->frame);
	if (bus_encode(&x->frame, &e)) {
		/* who does not get it gives up in time, and tells the other */
		(void)exchange_route(x, buf_unread(&x->frame), e.slots, 0);
		return;
	}
	x->frame.oom = false;
	counter_add(COUNTER_memory_failures, 1);
}

/* A worker has given all its clients away and would end.  Who looked for
 * receivers before that, or finds it as an heir of long ago, would wait for its
 * answer: it gives those that are on their way, up to the mark, and from there
 * on nobody is told that it got anything. */
static void
exchange_leave(struct exchange *x, struct slice frame)
{
	static struct bus_envelope e;	/* large; one at a time */
	unsigned slot = bus_frame_from(frame);

	if (!exchange_takes(x, slot))
		return;
	bus_mark(&e, 0, false);
	slotset_only(e.slots, slot);
	e.from = e.generation = 0;
	e.ref = 0;
	buf_reset(&x->frame);
	if (bus_encode(&x->frame, &e))
		(void)exchange_give(x, slot, buf_unread(&x->frame), 0);
	else {
		x->frame.oom = false;	/* it does not wait for ever */
		counter_add(COUNTER_memory_failures, 1);
	}
	x->peers[slot]->leaves = true;
	slotset_add(x->left, slot);
}

/* From here on the giver's audience may be the heir's. */
static void
exchange_cut(struct exchange *x, struct slice frame)
{
	static struct bus_envelope e;	/* large; one at a time */
	const struct bus_cut *cut = &e.cut;
	bool can;

	if (!bus_whole(frame, &e)) {
		counter_add(COUNTER_bus_bad, 1);
		return;
	}
	if (!cut_said(&x->cuts, cut, e.from, x->mono_ms))
		return;
	can = exchange_can_cut(x, cut->giver) && exchange_can_cut(x, cut->heir);
	counter_add(can ? COUNTER_cuts : COUNTER_cuts_put_off, 1);
	exchange_put_mark(x, cut, !can);
	if (can)
		shadow_cast(&x->shadow, cut->giver, cut->heir, x->mono_ms);
}

void
exchange_tick(struct exchange *x)
{
	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	cut_tick(&x->cuts, x->mono_ms);
}

/* --- from the workers -----------------------------------------------------*/

static bool
exchange_is_for_store(enum bus_kind kind)
{
	return (kind == BUS_KEEP || kind == BUS_HISTORY ||
	    kind == BUS_JOURNAL || kind == BUS_SESSION ||
	    kind == BUS_SESSION_TAKE || kind == BUS_TRIM);
}

static void
exchange_frame(struct exchange *x, struct slice frame, const uint64_t slots[2],
    uint16_t flags)
{
	enum bus_kind kind = bus_frame_kind(frame);

	if (exchange_is_for_store(kind)) {
		if (x->keep != NULL)
			x->keep(x->keep_arg, frame);
		return;
	}
	if (kind == BUS_FORWARD || kind == BUS_QUEUE || kind == BUS_INBOX ||
	    kind == BUS_HOOKS) {
		if (x->stream != NULL)
			x->stream(x->stream_arg, frame);
		return;
	}
	if (kind == BUS_BOX) {
		if (x->box != NULL)
			x->box(x->box_arg, frame);
		return;
	}
	if (kind == BUS_CUT)
		exchange_cut(x, frame);
	else if (kind == BUS_LEAVE)
		exchange_leave(x, frame);
	else
		(void)exchange_route(x, frame, slots, flags);
	/* sessions that are away obey, too */
	if ((kind == BUS_DISCONNECT || kind == BUS_ROOMS) && x->keep != NULL)
		x->keep(x->keep_arg, frame);
	if ((flags & BUS_FAR) && x->far != NULL)
		x->far(x->arg, frame);
	if ((flags & BUS_RELAY) && x->answer != NULL)
		x->answer(x->arg, frame);
}

ssize_t
exchange_feed(struct exchange *x, struct slice in)
{
	uint64_t slots[2];
	uint16_t flags;
	size_t at = 0;
	ssize_t n;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	while (at < in.n) {
		n = bus_frame(slice_from(in, at), slots, &flags);
		if (n == CODEC_MORE)
			break;
		if (n < 0)
			return (CODEC_BAD);
		counter_add(COUNTER_bus_envelopes_in, 1);
		exchange_frame(x, slice_of(in.p + at, (size_t)n), slots,
		    flags);
		at += (size_t)n;
	}
	return ((ssize_t)at);
}

size_t
exchange_queued(const struct exchange *x, unsigned slot)
{
	const struct peer *p = exchange_peer(x, slot);

	return (p == NULL ? 0 : buf_unread(&p->out).n);
}

bool
exchange_crowded(const struct exchange *x, unsigned slot)
{
	const struct peer *p = exchange_peer(x, slot);

	return (p != NULL && exchange_queued(x, slot) > p->limit / 2);
}

void
exchange_mark(struct exchange *x)
{
	unsigned i;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	for (i = 1; i < ROLE_SLOTS_MAX; i++)
		if (x->peers[i] != NULL)
			x->peers[i]->mark = x->peers[i]->queued;
}

bool
exchange_mark_reached(const struct exchange *x)
{
	unsigned i;

	for (i = 1; i < ROLE_SLOTS_MAX; i++)
		if (x->peers[i] != NULL &&
		    x->peers[i]->sent < x->peers[i]->mark)
			return (false);
	return (true);
}

bool
exchange_done(const struct exchange *x)
{
	const struct peer *p;
	unsigned i;

	CHECK_MAGIC(x, EXCHANGE_MAGIC);
	for (i = 1; i < ROLE_SLOTS_MAX; i++) {
		p = x->peers[i];
		if (p != NULL && (!p->ended || buf_unread(&p->out).n > 0 ||
		    slotset_has(x->gapped, i)))
			return (false);
	}
	return (true);
}

struct peer *
exchange_next_dirty(struct exchange *x)
{
	struct peer *p;

	if (x->ndirty == 0)
		return (NULL);
	p = x->dirty[--x->ndirty];
	p->dirty = false;
	return (p);
}
