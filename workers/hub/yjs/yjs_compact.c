/*
 * Snapshots: a client that may write, and has all of the log up to a place, is
 * asked for all that it has; its answer goes into the log like any update, and
 * then what it covers is trimmed.  See yjs_int.h.
 *
 *	NONE ──due─► ASKED ──its answer─► KEEPING ─► HELD ──another has read it,
 *	  ▲            │ it leaves, is late            │    or some time─► trim
 *	  └────────────┴───────────────────────────────┘
 *
 * Updates commute, so it is no matter where in the log they stand, and a host
 * that dies between the two steps leaves a log that is longer, no other one.
 * Nor does it matter when two hosts do it at once; a claim makes that rare.
 */
#include "hub/yjs/yjs_int.h"

#include "hub/audience/room.h"
#include "hub/publish/post.h"
#include "hub/publish/publish.h"
#include "hub/store/heal.h"

#define COMPACT_ANSWER_US UINT64_C(60000000)	/* a client's */
#define COMPACT_AGAIN_US UINT64_C(1000000)	/* behind one that did not come */
#define COMPACT_DOUBT_US UINT64_C(60000000)	/* behind one that was not taken, or
						 * was late, and nobody else is there */
#define COMPACT_CLAIM_US UINT64_C(30000000)	/* another worker's */
#define COMPACT_HOLD_US	UINT64_C(5000000)	/* what it covers is kept */
/* A snapshot is not smaller than that part of the one before, or of the log. */
#define COMPACT_OF_LAST	4u
#define COMPACT_OF_LOG	64u
#define COMPACT_FEW	1024u	/* bytes: never mind */

static void
compact_later(struct ydoc *d, uint64_t us)
{
	d->snapshot.state = YCOMPACT_NONE;
	d->snapshot.who = NULL;
	d->snapshot.next_us = d->hub->now.us + us;
}

void
ycompact_drop(struct ydoc *d)
{
	bool held = d->snapshot.state == YCOMPACT_HELD;

	compact_later(d, 0);
	if (held)
		ydoc_unref(&d);
}

/* --- when -------------------------------------------------------------------- */

/* Not for a few bytes behind a large snapshot. */
static bool
compact_has_grown(const struct ylog *l)
{
	return (l->since_bytes >= l->snapshot_bytes / 4);
}

bool
ycompact_is_due(const struct ydoc *d)
{
	const struct ylog *l = &d->log;

	if (!d->known || d->conf == NULL || l->since < 2)
		return (false);
	return ((l->since >= d->compact && compact_has_grown(l)) ||
	    l->since >= d->conf->history / 4 ||
	    (l->bytes >= d->hub->conf->store_room_bytes / 2 &&
	    compact_has_grown(l)));
}

/* All up to where the document stands has been queued for it. */
static bool
compact_may_ask(const struct yjs *y)
{
	const struct session *s = y->client.sessions;
	const struct membership *m;

	if (!y->live || !y->writer || y->client.closing || !y->stepped ||
	    y->asked != YJS_ASKED_NOTHING || s == NULL)
		return (false);
	m = room_membership(s, ROOM_NAMED, ydoc_name(y->doc));
	return (m != NULL && !m->lags);
}

static void
compact_claim(struct ydoc *d)
{
	struct slice name = ydoc_name(d);
	struct audience to = { .rooms = &name, .nrooms = 1 };
	struct publication p = yjs_publication(d, YJS_CLAIM_EVENT, NULL, 0);

	p.args = p.first = SLICE("null");
	p.is_volatile = true;
	(void)publish_audience(d->hub, d->ns, &to, &p, NULL);
}

bool
ycompact_ask(struct yjs *y)
{
	struct ydoc *d = y->doc;
	struct ycompact *c = &d->snapshot;
	uint64_t now_us = d->hub->now.us;

	if (c->state != YCOMPACT_NONE || now_us < c->next_us ||
	    heal_is_on(d->hub, d->room) || !compact_may_ask(y))
		return (false);
	c->state = YCOMPACT_ASKED;
	c->who = y;
	c->place = d->last;
	c->log = d->log;
	c->epoch_n = d->epoch_n;
	memcpy(c->epoch, d->epoch, sizeof c->epoch);
	c->until_us = now_us + COMPACT_ANSWER_US;
	yjs_ask(y, YJS_ASKED_ALL);
	compact_claim(d);
	return (true);
}

/* The one whose answer was too small is asked last. */
static bool
compact_is_doubted(const struct ydoc *d, const struct yjs *y)
{
	return (d->snapshot.small != 0 && y->client.sessions != NULL &&
	    memcmp(d->snapshot.small_sid, y->client.sessions->sid,
	    SESSION_SID_LEN) == 0);
}

void
ycompact_look(struct ydoc *d)
{
	struct yjs *y, *last = NULL;

	if (d->snapshot.state != YCOMPACT_NONE ||
	    d->hub->now.us < d->snapshot.next_us || !ycompact_is_due(d))
		return;
	TAILQ_FOREACH_REVERSE(y, &d->clients, yjs_list, link) {
		if (compact_is_doubted(d, y))
			last = y;
		else if (ycompact_ask(y))
			return;
	}
	if (last == NULL || !ycompact_ask(last))
		d->snapshot.next_us = d->hub->now.us + COMPACT_AGAIN_US;
}

/* Another one than this may be asked. */
static uint64_t
compact_pause(const struct ydoc *d, const struct yjs *but)
{
	const struct yjs *y;

	TAILQ_FOREACH(y, &d->clients, link)
		if (y != but && compact_may_ask(y))
			return (COMPACT_AGAIN_US);
	return (COMPACT_DOUBT_US);
}

void
ycompact_claimed(struct ydoc *d)
{
	d->snapshot.next_us = d->hub->now.us + COMPACT_CLAIM_US;
}

/* --- the answer ----------------------------------------------------------------- */

static bool
compact_is_small(const struct ycompact *c, size_t n)
{
	const struct ylog *l = &c->log;

	return (l->bytes > COMPACT_FEW &&
	    (n < l->snapshot_bytes / COMPACT_OF_LAST ||
	    n < (l->bytes - l->snapshot_bytes) / COMPACT_OF_LOG));
}

/* A faulty client could erase what others wrote; two that say the same are not
 * faulty. */
static bool
compact_is_believed(struct ydoc *d, const struct yjs *y, size_t n)
{
	struct ycompact *c = &d->snapshot;

	if (!compact_is_small(c, n))
		return (true);
	if (!compact_is_doubted(d, y) && c->small != 0 &&
	    n >= c->small / 2 && n / 2 <= c->small)
		return (true);
	c->small = n;
	memcpy(c->small_sid, y->client.sessions->sid, SESSION_SID_LEN);
	return (false);
}

bool
ycompact_answer(struct yjs *y, struct slice update)
{
	struct ydoc *d = y->doc;
	struct ycompact *c = &d->snapshot;
	struct yjs_keep k = { .update = update, .covers = c->place,
		.epoch = slice_of(c->epoch, c->epoch_n),
		.vector = buf_unread(&d->low) };

	if (c->state != YCOMPACT_ASKED || c->who != y || !d->known ||
	    !slice_eq(k.epoch, ydoc_epoch(d)))
		return (false);		/* it is an update as any other */
	if (!compact_is_believed(d, y, update.n)) {
		counter_add(COUNTER_yjs_compactions_small, 1);
		compact_later(d, compact_pause(d, y));
		return (false);
	}
	if (k.vector.n == 0)
		k.vector = slice_of("\0", 1);
	c->state = YCOMPACT_KEEPING;
	c->until_us = d->hub->now.us + COMPACT_ANSWER_US;
	yjs_keep(y, &k);
	return (true);
}

void
ycompact_kept(struct ydoc *d, struct slice epoch, bool good)
{
	struct ycompact *c = &d->snapshot;

	if (c->state != YCOMPACT_KEEPING)
		return;
	if (!good || !slice_eq(epoch, slice_of(c->epoch, c->epoch_n))) {
		compact_later(d, COMPACT_AGAIN_US);
		return;
	}
	counter_add(COUNTER_yjs_compactions, 1);
	c->state = YCOMPACT_HELD;
	(void)ydoc_ref(d);	/* nobody may be there when its time is over */
	c->small = 0;
	c->until_us = d->hub->now.us + COMPACT_HOLD_US;
}

/* Whoever has asked for it may be no more, and of other hosts each has some of the
 * log at hand: all that have it open trim it, which is the same as once. */
void
ycompact_heard(struct ydoc *d, uint64_t covers)
{
	struct ycompact *c = &d->snapshot;

	if (c->state != YCOMPACT_NONE || !d->known)
		return;
	c->state = YCOMPACT_HELD;
	(void)ydoc_ref(d);
	c->who = NULL;
	c->place = covers;
	c->log = d->log;	/* but for what came since, all of it */
	c->log.entries -= d->log.since < d->log.entries ? d->log.since : 0;
	c->log.bytes -= d->log.snapshot_bytes < d->log.bytes ?
	    d->log.snapshot_bytes : 0;
	c->epoch_n = d->epoch_n;
	memcpy(c->epoch, d->epoch, sizeof c->epoch);
	c->until_us = d->hub->now.us + 2 * COMPACT_HOLD_US;
}

/* --- the end ------------------------------------------------------------------- */

static void
compact_trim(struct ydoc *d)
{
	struct ycompact *c = &d->snapshot;
	struct bus_envelope e;
	struct bus_publish *b = bus_trim(&e);

	b->nsp = slice_of(d->ns->name, d->ns->name_len);
	b->to.rooms[b->to.nrooms++] = ydoc_name(d);
	b->epoch = slice_of(c->epoch, c->epoch_n);
	b->kept = c->place;
	/* it may be lost: the next one takes that along */
	(void)post_to(d->hub, 0, 0, &e);
	d->log.entries -= c->log.entries < d->log.entries ?
	    c->log.entries : d->log.entries;
	d->log.bytes -= c->log.bytes < d->log.bytes ? c->log.bytes :
	    d->log.bytes;
	ycompact_drop(d);
}

void
ycompact_seen(struct ydoc *d, const struct yjs *y)
{
	if (d->snapshot.state == YCOMPACT_HELD && d->snapshot.who != y)
		compact_trim(d);
}

void
ycompact_left(struct ydoc *d, const struct yjs *y)
{
	struct ycompact *c = &d->snapshot;

	if (c->who != y)
		return;
	if (c->state == YCOMPACT_ASKED) {
		counter_add(COUNTER_yjs_compactions_given_up, 1);
		compact_later(d, COMPACT_AGAIN_US);
	} else
		c->who = NULL;
}

/* So much that what is held has to go at once. */
static bool
compact_is_pressed(const struct ydoc *d)
{
	return (d->conf != NULL && (d->log.entries > d->conf->history * 3u / 4 ||
	    d->log.bytes > d->hub->conf->store_room_bytes / 4 * 3));
}

void
ycompact_tick(struct ydoc *d)
{
	struct ycompact *c = &d->snapshot;
	bool over = d->hub->now.us > c->until_us;

	switch (c->state) {
	case YCOMPACT_NONE:
		ycompact_look(d);
		break;
	case YCOMPACT_ASKED:
	case YCOMPACT_KEEPING:
		if (!over)
			break;
		counter_add(COUNTER_yjs_compactions_given_up, 1);
		compact_later(d, compact_pause(d, c->who));
		break;
	case YCOMPACT_HELD:
		if (over || compact_is_pressed(d))
			compact_trim(d);
		break;
	}
}
