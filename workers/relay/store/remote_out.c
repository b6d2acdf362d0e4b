/*
 * Appends on their way to Redis; see remote.h.  Of a room some go at once, as one
 * batch, and no more before their answer: so they stay in order.  A batch whose
 * answer was lost goes again under the same name, and finds what it did.
 */
#include "relay/store/remote_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "sys/log.h"

/* So long Redis remembers a batch, less what clocks differ by. */
#define OUT_REMEMBERED_MS	(3600000u - 60000u)

/* --- what is said to who has asked ----------------------------------------*/

static void
out_tell(struct remote_room *r, struct remote_append *p,
    struct store_kept *kept)
{
	if (p->told)
		return;
	p->told = true;
	kept->asker = p->asker;
	kept->key = remote_key(r);
	if (p->done != NULL)
		p->done(p->arg, kept);
}

static void
out_refuse(struct remote_room *r, struct remote_append *p)
{
	struct store_kept no = { .result = BUS_STORE_UNAVAILABLE };

	out_tell(r, p, &no);
}

static void
out_note_wait(struct remote *m)
{
	if (m->waits_ms == 0) {
		log_warnx("histories_wait");
		m->waits_ms = remote_now(m);
		m->waited = 0;
	}
	m->waited++;
}

/* It will be kept: its place nobody knows yet. */
static void
out_tell_waits(struct remote_room *r, struct remote_append *p)
{
	struct store_kept yes = { .result = BUS_STORE_OK };

	if (p->told)
		return;
	if (p->asked) {		/* its key may be another one by then */
		out_refuse(r, p);
		return;
	}
	counter_add(COUNTER_store_waited, 1);
	out_note_wait(r->m);
	out_tell(r, p, &yes);
	/* nobody counts for it any more */
	p->asker.ref = 0;
	p->asker.flags &= (uint16_t)~(BUS_WANT_COUNT | BUS_WANT_ANSWERS);
}

/* --- the line -------------------------------------------------------------*/

static bool
out_ends_room(const struct remote_append *p)
{
	return (p->room_n != 0 && (p->asker.flags & BUS_FINISH) != 0);
}

static void
out_free_first(struct remote_room *r)
{
	struct remote_append *p = STAILQ_FIRST(&r->out);

	STAILQ_REMOVE_HEAD(&r->out, next);
	r->nlast -= out_ends_room(p);
	r->out_bytes -= p->n + p->instead_n;
	r->m->out_bytes -= p->n + p->instead_n;
	r->m->out_events--;
	free(p);
}

/* Accepted, and not kept: nobody will get it. */
static void
out_lose_first(struct remote_room *r)
{
	struct remote_append *p = STAILQ_FIRST(&r->out);

	if (p->told) {
		counter_add(COUNTER_store_lost, !r->m->saved);
		r->m->lost += !r->m->saved;
	} else
		out_refuse(r, p);
	out_free_first(r);
}

void
remote_out_drop(struct remote_room *r)
{
	while (!STAILQ_EMPTY(&r->out))
		out_lose_first(r);
	r->nsent = 0;
}

/* Those who wait for an answer get one; the others stay in line, as do those
 * that are with Redis, unless all is said. */
static void
out_refuse_untold(struct remote_room *r, bool all)
{
	struct remote_appends stay = STAILQ_HEAD_INITIALIZER(stay);
	struct remote_append *p;
	uint32_t i, nsent = r->nsent;

	for (i = 0; (p = STAILQ_FIRST(&r->out)) != NULL; i++) {
		if (!p->told && (i >= nsent || all)) {
			out_refuse(r, p);
			r->nsent -= i < nsent;
			out_free_first(r);
			continue;
		}
		STAILQ_REMOVE_HEAD(&r->out, next);
		STAILQ_INSERT_TAIL(&stay, p, next);
	}
	STAILQ_CONCAT(&r->out, &stay);
}

static void
out_tell_all_wait(struct remote_room *r)
{
	struct remote_append *p;

	STAILQ_FOREACH(p, &r->out, next)
		out_tell_waits(r, p);
}

/* --- to Redis -------------------------------------------------------------*/

/* How many of the first go together: one that finishes the room is the last, one
 * that changes what it keeps is alone. */
static uint32_t
out_batch(const struct remote_room *r)
{
	const struct remote_append *p;
	uint64_t bytes = 0;
	uint32_t n = 0;

	STAILQ_FOREACH(p, &r->out, next) {
		bytes += p->room_n != 0 ? 2 * p->n : p->n;
		if (n > 0 && (p->near || p->edits != 0 || n == REMOTE_BATCH ||
		    bytes > REMOTE_BATCH_BYTES))
			break;
		n++;
		if (p->near || p->edits != 0 || (p->asker.flags & BUS_FINISH))
			break;
	}
	return (n);
}

static void
out_go(struct remote_room *r)
{
	struct remote *m = r->m;
	struct remote_ask *a;

	if (r->sending || STAILQ_EMPTY(&r->out) ||
	    remote_now(m) < r->pause_ms || !remote_up(m))
		return;
	if (r->nsent == 0) {
		r->nsent = out_batch(r);
		r->seq = ++m->begun;
		r->again = false;
	}
	a = remote_ask_new(r, REMOTE_APPEND);
	r->sending = a != NULL && remote_ask_append(a);
	if (!r->sending && !r->again)
		r->nsent = 0;
}

/* A batch stays as it was sent, if it may have been done and somebody relies on
 * it. */
static bool
out_batch_is_told(const struct remote_room *r)
{
	const struct remote_append *p = STAILQ_FIRST(&r->out);
	uint32_t i;

	for (i = 0; i < r->nsent; i++, p = STAILQ_NEXT(p, next))
		if (p->told)
			return (true);
	return (false);
}

bool
remote_out_look(struct remote_room *r)
{
	struct remote *m = r->m;
	const struct remote_append *p;
	uint64_t now_ms = remote_now(m);

	out_go(r);
	p = STAILQ_FIRST(&r->out);
	if (p == NULL)
		return (false);
	if (r->again && !r->sending && now_ms - p->at_ms > OUT_REMEMBERED_MS)
		while (r->nsent > 0) {
			out_lose_first(r);
			r->nsent--;
		}
	if (STAILQ_EMPTY(&r->out))
		return (false);
	if (!m->p.bounds.refuse && (!remote_up(m) ||
	    now_ms - STAILQ_FIRST(&r->out)->at_ms > REMOTE_ACK_MS))
		out_tell_all_wait(r);
	else if (m->p.bounds.refuse &&
	    now_ms - STAILQ_FIRST(&r->out)->at_ms > REMOTE_ACK_MS)
		out_refuse_untold(r, !r->sending && !out_batch_is_told(r));
	if (r->nsent == 0)
		r->again = false;
	return (!STAILQ_EMPTY(&r->out));
}

/* --- from here ------------------------------------------------------------*/

struct remote_append *
remote_out_add(struct remote_room *r, const struct store_asker *asker,
    struct slice id, struct slice entry, struct slice room,
    const struct store_bounds *bounds, const struct remote_edit *edit)
{
	struct remote_append *p = calloc(1, sizeof *p + id.n + entry.n +
	    room.n + edit->entry.n);

	if (p == NULL)
		return (NULL);
	MUST(edit->epoch.n <= sizeof p->edit_epoch);
	p->asker = *asker;
	p->at_ms = remote_now(r->m);
	p->id_n = (uint8_t)id.n;
	p->n = (uint32_t)entry.n;
	if (id.n != 0)
		memcpy(p->text, id.p, id.n);
	memcpy(p->text + id.n, entry.p, entry.n);
	if (room.n != 0) {
		memcpy(p->text + id.n + entry.n, room.p, room.n);
		p->room_n = (uint16_t)room.n;
		p->bounds = *bounds;
	}
	if (edit->place != 0) {
		p->edits = edit->place;
		p->edit_epoch_n = (uint8_t)edit->epoch.n;
		memcpy(p->edit_epoch, edit->epoch.p, edit->epoch.n);
		p->instead_n = (uint32_t)edit->entry.n;
		memcpy(p->text + id.n + entry.n + room.n, edit->entry.p,
		    edit->entry.n);
	}
	STAILQ_INSERT_TAIL(&r->out, p, next);
	r->ends = !r->journal && (asker->flags & BUS_FINISH) != 0;
	r->nlast += out_ends_room(p);
	r->out_bytes += p->n + p->instead_n;
	r->m->out_bytes += p->n + p->instead_n;
	r->m->out_events++;
	return (p);
}

static bool
out_is_too_large(uint64_t n, const struct store_append *a)
{
	return (n > STORE_FRAME_MAX || n + REMOTE_ENTRY_COST >
	    a->bounds.bytes || (a->room.n != 0 && n + REMOTE_ENTRY_COST >
	    a->room_bounds.bytes));
}

static void
out_near_names(struct buf *b, uint8_t kind, const struct slice *v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		buf_byte(b, kind);
		buf_slice(b, v[i]);
	}
}

/* What every host brings is known by what it says, and to whom, without its
 * meta. */
static struct slice
out_near_id(struct remote *m, const struct bus_publish *p, bool journal,
    char hex[33])
{
	uint8_t sum[20];
	size_t i;

	buf_reset(&m->page);
	buf_slice(&m->page, p->event);
	buf_byte(&m->page, 0);
	buf_slice(&m->page, p->args);
	for (i = 0; i < p->nattach; i++) {
		buf_byte(&m->page, 0);
		buf_slice(&m->page, p->attachments[i]);
	}
	out_near_names(&m->page, 1, p->to.except, p->to.nexcept);
	if (journal) {
		out_near_names(&m->page, 2, p->to.rooms, p->to.nrooms);
		out_near_names(&m->page, 3, p->to.users, p->to.nusers);
		out_near_names(&m->page, 4, p->to.sids, p->to.nsids);
	}
	digest_sha1(buf_unread(&m->page), sum);
	for (i = 0; i < 16; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	return (slice_of(hex, 32));
}

static bool
out_has_room(const struct remote *m, uint64_t bytes)
{
	return (m->out_events < m->p.bounds.wait_events &&
	    m->out_bytes + bytes <= m->p.bounds.wait_bytes);
}

static enum bus_store
out_take(struct remote *m, const struct store_append *a)
{
	char hex[33];
	struct slice id = a->e->publish.once;
	/* the relay's own is nobody else's */
	bool near = (a->asker.flags & BUS_FAR) == 0 && id.n == 0 &&
	    a->asker.slot != 0;
	enum bus_store result;
	bool asked = remote_keyed_is_asked(&a->e->publish);
	struct remote_append *p;
	struct remote_room *r;
	struct remote_edit edit;

	if (id.n > UINT8_MAX || m->link.redis == NULL)
		return (BUS_STORE_UNAVAILABLE);
	if (near)
		id = out_near_id(m, &a->e->publish, a->journal, hex);
	result = remote_entry_edit(m, a, &edit);
	if (result != BUS_STORE_OK)
		return (result);
	if (!remote_entry_encode(m, a, edit.place))
		return (BUS_STORE_UNAVAILABLE);
	if (out_is_too_large(m->entry.wpos, a) ||
	    out_is_too_large(edit.entry.n, a))
		return (BUS_STORE_TOO_LARGE);
	if (!out_has_room(m, m->entry.wpos + edit.entry.n)) {
		counter_add(COUNTER_store_refused_waiting, 1);
		return (BUS_STORE_UNAVAILABLE);
	}
	if ((m->p.bounds.refuse || asked) && !remote_up(m)) {
		counter_add(COUNTER_store_refused_away, 1);
		return (BUS_STORE_UNAVAILABLE);
	}
	r = remote_get(m, &a->key, &a->bounds);
	if (r == NULL)
		return (BUS_STORE_UNAVAILABLE);
	if (r->refusing && remote_now(m) < r->pause_ms) {
		counter_add(COUNTER_store_refused_redis, 1);
		return (BUS_STORE_UNAVAILABLE);
	}
	if (!remote_up(m) && (a->room.n != 0 ?
	    remote_is_twin_over(r, a->room) : remote_is_over(r)))
		return (BUS_STORE_FINISHED);
	p = remote_out_add(r, &a->asker, id, buf_unread(&m->entry), a->room,
	    &a->room_bounds, &edit);
	if (p == NULL) {
		counter_add(COUNTER_store_refused_memory, 1);
		return (BUS_STORE_UNAVAILABLE);
	}
	p->near = near;
	p->asked = asked;
	p->done = a->done;
	p->arg = a->arg;
	out_go(r);
	if (!remote_up(m))
		out_tell_waits(r, p);
	remote_work(r);
	return (BUS_STORE_OK);
}

void
remote_append(void *engine, const struct store_append *a)
{
	struct remote *m = engine;
	struct store_kept kept = { .asker = a->asker, .key = a->key };

	CHECK_MAGIC(m, REMOTE_MAGIC);
	kept.result = out_take(m, a);
	remote_show(m);
	if (kept.result != BUS_STORE_OK)
		a->done(a->arg, &kept);
}

/* --- answers --------------------------------------------------------------*/

static void
out_place(struct remote_room *r, struct remote_append *p, struct slice epoch,
    uint64_t place, const struct remote_twin *twin, bool was)
{
	struct remote *m = r->m;
	struct store_kept kept = { .result = BUS_STORE_OK, .epoch = epoch,
		.kept = place, .room_epoch = twin->epoch,
		.room_kept = twin->place };
	struct store_asker asker = p->asker;
	struct store_key key = remote_key(r);
	bool now;

	if (was) {
		counter_add(COUNTER_store_repeated, 1);
		out_tell(r, p, &kept);
		return;
	}
	counter_add(COUNTER_store_appends, p->told);
	counter_add(COUNTER_store_finished, p->told && p->edits == 0 &&
	    (asker.flags & BUS_FINISH) != 0);
	counter_add(COUNTER_store_edits, p->told && p->edits != 0);
	if (!remote_number(m, r, remote_append_entry(p), epoch, place, false,
	    twin, NULL)) {
		counter_add(COUNTER_memory_failures, 1);
		out_tell(r, p, &kept);
		return;
	}
	now = remote_in_ours(r, place, &asker, epoch);
	if (p->told && now)
		m->p.place(m->p.arg, &key, &asker, &m->frame);
	kept.frame = now ? &m->frame : NULL;
	kept.later = !now;
	out_tell(r, p, &kept);
	remote_in_drain(r);
}

static void
out_note_refused(struct remote *m, const struct reply *o)
{
	char words[REPLY_WORDS] = "no answer of the script";

	counter_add(COUNTER_store_refused_redis, 1);
	if (m->refused_ms != 0)
		return;
	m->refused_ms = remote_now(m);
	if (o->type == REPLY_ERROR)
		reply_words(o, words);
	log_warnx("histories_refused said=\"%s\"", words);
}

static void
out_note_taken(struct remote *m)
{
	if (m->refused_ms == 0)
		return;
	log_info("histories_taken_again after_ms=%" PRIu64,
	    remote_now(m) - m->refused_ms);
	m->refused_ms = 0;
}

void
remote_out_note(struct remote *m)
{
	if (m->lost > 0)
		log_warnx("histories_lost events=%" PRIu64, m->lost);
	m->lost = 0;
	if (m->waits_ms == 0 || m->out_events > 0)
		return;
	log_info("histories_caught_up events=%" PRIu64 " after_ms=%" PRIu64,
	    m->waited, remote_now(m) - m->waits_ms);
	m->waits_ms = 0;
}

/* The first is behind the end of the room, or what it changes is not there. */
static void
out_over_first(struct remote_room *r, enum bus_store result)
{
	struct store_kept no = { .result = result };

	if (STAILQ_FIRST(&r->out)->told) {
		counter_add(result == BUS_STORE_FINISHED ?
		    COUNTER_store_refused_finished :
		    COUNTER_store_edits_missed, 1);
		out_lose_first(r);
		return;
	}
	out_tell(r, STAILQ_FIRST(&r->out), &no);
	out_free_first(r);
}

/* The first was not to be appended, as its key is; or there is no room for it. */
static void
out_unkept_first(struct remote_room *r, struct slice epoch, uint64_t place,
    uint64_t version, bool full)
{
	struct store_kept no = { .result = full ? BUS_STORE_FULL :
		BUS_STORE_CONFLICT, .epoch = epoch, .kept = place,
		.version = version };

	if (STAILQ_FIRST(&r->out)->told) {
		counter_add(full ? COUNTER_store_refused_keys :
		    COUNTER_store_conflicts, 1);
		out_lose_first(r);
		return;
	}
	out_tell(r, STAILQ_FIRST(&r->out), &no);
	out_free_first(r);
}

static void
out_placed(struct remote_room *r, struct remote_placed *placed)
{
	struct remote_twin twin;
	uint64_t place, version;
	bool was, full;

	r->checked = r->m->links;
	r->refusing = false;
	out_note_taken(r->m);
	for (; r->nsent > 0; r->nsent--) {
		if (remote_placed_refused(placed, &place, &version, &full)) {
			out_unkept_first(r, placed->epoch, place, version,
			    full);
			continue;
		}
		if (!remote_placed_next(placed, &place, &twin, &was)) {
			out_lose_first(r);
			continue;
		}
		if (place == 0) {
			out_over_first(r, (enum bus_store)placed->refused);
			continue;
		}
		out_place(r, STAILQ_FIRST(&r->out), placed->epoch, place, &twin,
		    was);
		out_free_first(r);
	}
}

/* Nothing was done.  Who has been told that it waits waits on. */
static void
out_refused(struct remote_room *r, const struct reply *o)
{
	out_note_refused(r->m, o);
	r->refusing = true;
	r->again = false;
	r->pause_ms = remote_now(r->m) + REMOTE_PAUSE_MS;
	out_refuse_untold(r, true);
	r->nsent = 0;
}

void
remote_out_answer(struct remote_ask *a, const struct reply *o)
{
	struct remote_room *r = a->room;
	struct remote *m = r->m;
	struct remote_placed placed;

	r->sending = false;
	if (o != NULL && reply_is_error(o, SLICE("NOSCRIPT")) && !a->whole) {
		a->whole = true;
		r->sending = remote_ask_append(a);
		if (!r->sending)
			remote_work(r);
		return;
	}
	remote_ask_free(a);
	if (o == NULL) {
		r->again = true;
		if (!m->p.bounds.refuse)
			out_tell_all_wait(r);
	} else if (o->type == REPLY_ERROR ||
	    o->type != REPLY_STRING || !remote_placed(o->text, &placed))
		out_refused(r, o);
	else
		out_placed(r, &placed);
	out_go(r);
	if (!STAILQ_EMPTY(&r->out))
		remote_work(r);
	remote_show(m);
}
