/*
 * Between workers and the store; see keep.h.
 */
#include "relay/store/keep_int.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/slotset.h"
#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/store/edit.h"
#include "relay/store/keep_journal.h"
#include "relay/store/keep_sessions.h"
#include "relay/store/keep_sessions_far.h"
#include "shm/counters.h"
#include "sys/log.h"
#include "sys/sealed.h"

/* Of one page, whatever is asked for. */
#define KEEP_PAGE_EVENTS	1000u
#define KEEP_PAGE_BYTES		(256u << 10)
/* A page is given to who has no more than that to read, so that what is published
 * meanwhile is not far behind; and not more pages are read in one turn. */
#define KEEP_AHEAD_BYTES	(256u << 10)
#define KEEP_TURN_PAGES		64u
#define KEEP_TURN_BYTES		(1u << 20)
#define KEEP_SAVED_MAX		(UINT64_C(4) << 30)

/* --- to the workers -------------------------------------------------------*/

/* Who has asked may be gone by now.  False: it has no room for it. */
bool
keep_answer(struct keep *k, const struct store_asker *to,
    struct bus_envelope *e)
{
	if (to->ref == 0 || exchange_peer(k->x, to->slot) == NULL)
		return (true);
	slotset_only(e->slots, to->slot);
	e->from = e->generation = 0;
	e->ref = to->ref;
	buf_reset(&k->frame);
	if (bus_encode(&k->frame, e))
		return (exchange_route(k->x, buf_unread(&k->frame), e->slots,
		    0));
	k->frame.oom = false;
	counter_add(COUNTER_memory_failures, 1);
	return (false);
}

void
keep_say(struct keep *k, const struct store_asker *to, enum bus_store result,
    struct slice epoch, uint64_t kept, const uint64_t slots[2])
{
	static struct bus_envelope e;	/* large; one at a time */
	struct bus_kept *a = bus_kept(&e, result);

	a->epoch = epoch;
	a->kept = kept;
	slotset_copy(a->slots, slots);
	(void)keep_answer(k, to, &e);	/* it does not wait for ever */
}

void
keep_refuse(struct keep *k, const struct store_asker *to,
    enum bus_store result)
{
	static const uint64_t nobody[2];

	keep_say(k, to, result, slice_of(NULL, 0), 0, nobody);
}

void
keep_who(struct keep *k, struct slice nsp, struct slice room,
    uint64_t slots[2])
{
	const struct conf_namespace *ns = conf_namespace_find(k->conf, nsp);
	char key[INTEREST_KEY_MAX];

	slotset_clear(slots);
	if (ns != NULL && room.n <= INTEREST_NAME_MAX)
		interest_who(k->interest, ns->index,
	    interest_key(key, INTEREST_ROOM, room), slots);
}

/* b holds a frame for nobody. */
static void
keep_give(struct keep *k, const struct store_asker *from, struct buf *b,
    const uint64_t slots[2])
{
	static struct bus_envelope e;	/* large; one at a time */
	struct bus_publish *p = bus_publish(&e);
	uint16_t flags;
	uint64_t none[2];

	if (bus_frame(buf_unread(b), none, &flags) <= 0)
		flags = 0;
	e.flags = BUS_NUMBERED | (flags & (BUS_NAMED | BUS_FINISH | BUS_EDIT)) |
	    (from->flags & (BUS_NAMED | BUS_FINISH | BUS_EDIT |
	    BUS_WANT_COUNT | BUS_WANT_ANSWERS));
	slotset_copy(e.slots, slots);
	e.from = from->slot;
	e.generation = from->generation;
	e.ref = from->ref;
	p->timeout_ms = from->timeout_ms;
	p->sent_us = from->sent_us;
	if (bus_frame_address(b, 0, &e))
		(void)exchange_route(k->x, buf_unread(b), slots, e.flags);
	else {
		b->oom = false;
		counter_add(COUNTER_memory_failures, 1);
	}
}

/* Where there are other hosts, these have it from Redis; servers of Socket.IO
 * are told. */
static bool
keep_goes_far(const struct keep *k, const struct store_asker *from)
{
	return (k->remote != NULL && (from->flags & BUS_FAR) != 0 &&
	    k->x->far != NULL);
}

void
keep_route_here(struct keep *k, const struct store_asker *from,
    struct buf *b, const uint64_t slots[2])
{
	if (keep_goes_far(k, from) || !slotset_empty(slots))
		keep_give(k, from, b, slots);
}

void
keep_route_far(struct keep *k, const struct store_asker *from, struct buf *b)
{
	if (keep_goes_far(k, from))
		k->x->far(k->x->arg, buf_unread(b));
}

void
keep_route(struct keep *k, const struct store_asker *from, struct buf *b,
    const uint64_t slots[2])
{
	keep_route_here(k, from, b, slots);
	keep_route_far(k, from, b);
}

/* --- keeping --------------------------------------------------------------*/

/* It was not appended: how the key is. */
static void
keep_conflict(struct keep *k, const struct store_kept *kept)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct bus_kept *a = bus_kept(&e, BUS_STORE_CONFLICT);

	a->epoch = kept->epoch;
	a->kept = kept->kept;
	a->version = kept->version;
	(void)keep_answer(k, &kept->asker, &e);
}

void
keep_count_refused(const struct keep *k, enum bus_store result)
{
	switch (result) {
	case BUS_STORE_TOO_LARGE:
		counter_add(COUNTER_store_refused_too_large, 1);
		break;
	case BUS_STORE_FINISHED:
		counter_add(COUNTER_store_refused_finished, 1);
		break;
	case BUS_STORE_UNAVAILABLE:
		if (k->remote != NULL)
			break;		/* it has counted why */
		counter_add(COUNTER_store_refused_memory, 1);
		counter_add(COUNTER_memory_failures, 1);
		break;
	case BUS_STORE_CONFLICT:
		counter_add(COUNTER_store_conflicts, 1);
		break;
	case BUS_STORE_FULL:
		counter_add(COUNTER_store_refused_keys, 1);
		break;
	case BUS_STORE_GAP:	/* what was to be changed is not there */
	case BUS_STORE_EPOCH:
		counter_add(COUNTER_store_edits_missed, 1);
		break;
	case BUS_STORE_OK:
		break;
	}
}

void
keep_count_kept(const struct store_kept *kept)
{
	if (kept->asker.flags & BUS_EDIT)
		counter_add(COUNTER_store_edits, 1);
	else if (kept->asker.flags & BUS_FINISH)
		counter_add(COUNTER_store_finished, 1);
}

static void
keep_on_kept(void *arg, const struct store_kept *kept)
{
	struct keep *k = arg;
	uint64_t slots[2];

	if (kept->result != BUS_STORE_OK) {
		keep_count_refused(k, kept->result);
		if (kept->result == BUS_STORE_CONFLICT) {
			keep_conflict(k, kept);
			return;
		}
		keep_refuse(k, &kept->asker, kept->result);
		return;
	}
	slotset_clear(slots);
	if (kept->frame != NULL || kept->later) {
		counter_add(COUNTER_store_appends, 1);
		keep_count_kept(kept);
		keep_who(k, kept->key.nsp, kept->key.room, slots);
	}
	keep_say(k, &kept->asker, BUS_STORE_OK, kept->epoch, kept->kept,
	    slots);
	if (kept->frame != NULL)
		keep_route(k, &kept->asker, kept->frame, slots);
}

/* A worker that has an older configuration, or a newer one, takes the room for
 * one with a history, or there are other hosts: it is a publication as any
 * other. */
static void
keep_pass(struct keep *k, const struct store_asker *from,
    struct bus_envelope *e)
{
	uint64_t slots[2];

	keep_who(k, e->publish.nsp, e->publish.to.rooms[0], slots);
	keep_say(k, from, BUS_STORE_OK, slice_of(NULL, 0), 0, slots);
	e->kind = BUS_PUBLISH;
	e->flags &= (uint16_t)~BUS_FINISH;
	e->publish.timeout_ms = e->publish.sent_us = 0;
	e->publish.epoch = slice_of(NULL, 0);
	e->publish.kept = e->publish.keyed = e->publish.base = 0;
	e->publish.key = e->publish.based = slice_of(NULL, 0);
	buf_reset(&k->frame);
	if (!bus_encode(&k->frame, e)) {
		k->frame.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		return;
	}
	keep_give(k, from, &k->frame, slots);
	if ((from->flags & BUS_FAR) && k->x->far != NULL)
		k->x->far(k->x->arg, buf_unread(&k->frame));
}

bool
keep_bounds(const struct keep *k, const struct conf_namespace *ns,
    struct slice room, struct store_bounds *b)
{
	struct slice values[CONF_PARAMS_MAX];
	const struct conf_room *c;

	if (slice_eq(room, JOURNAL_ROOM))
		return (journal_bounds(k->conf, ns, b));
	/* what other hosts publish would be kept nowhere: nobody could say what
	 * is missing */
	if (keep_is_off(k->conf))
		return (false);
	c = conf_room_find(ns, room, values);
	if (c == NULL || c->history == 0)
		return (false);
	b->events = c->history;
	b->bytes = k->conf->store_room_bytes;
	b->keep_ms = c->keep_ms;
	b->stays = c->document;
	if (c->document) {	/* the worker refuses earlier: a snapshot has room */
		b->events *= 2;
		b->bytes *= 2;
	}
	b->keys = c->documents || c->latest ? c->keys : 0;
	b->keys_bytes = c->keys_bytes;
	return (true);
}

bool
keep_judge(void *arg, const struct store_key *key, struct store_bounds *b)
{
	const struct keep *k = arg;
	const struct conf_namespace *ns = conf_namespace_find(k->conf,
	    key->nsp);

	return (ns != NULL && keep_bounds(k, ns, key->room, b));
}

static struct store_asker
keep_asker(const struct bus_envelope *e)
{
	return ((struct store_asker){ .slot = e->from,
		.generation = e->generation, .flags = e->flags,
		.ref = e->ref });
}

static void
keep_take(struct keep *k, struct bus_envelope *e)
{
	struct bus_publish *p = &e->publish;
	struct store_append a = { .asker = keep_asker(e),
		.key = { p->nsp, p->to.rooms[0] }, .e = e,
		.done = keep_on_kept, .arg = k };
	const struct conf_namespace *ns = conf_namespace_find(k->conf, p->nsp);

	a.asker.timeout_ms = p->timeout_ms;
	a.asker.sent_us = p->sent_us;
	if (ns == NULL || a.key.room.n > INTEREST_NAME_MAX ||
	    p->key.n > STORE_KEY_MAX) {
		counter_add(COUNTER_store_refused_unknown, 1);
		keep_refuse(k, &a.asker, BUS_STORE_UNAVAILABLE);
		return;
	}
	if (ns->journals && k->remote != NULL)
		journal_take(k, e);	/* the worker does not know of it yet */
	else if (keep_bounds(k, ns, a.key.room, &a.bounds))
		k->store->does->append(k->store->engine, &a);
	else if (edit_is(&a))
		keep_refuse(k, &a.asker, BUS_STORE_GAP);
	else
		keep_pass(k, &a.asker, e);
}

/* --- trimming -------------------------------------------------------------*/

static void
keep_trim(struct keep *k, const struct bus_envelope *e)
{
	const struct bus_publish *p = &e->publish;
	const struct conf_namespace *ns = conf_namespace_find(k->conf, p->nsp);
	struct store_trim t = { .key = { p->nsp, p->to.rooms[0] },
		.epoch = p->epoch, .place = p->kept };

	if (ns != NULL && t.key.room.n <= INTEREST_NAME_MAX &&
	    keep_bounds(k, ns, t.key.room, &t.bounds))
		k->store->does->trim(k->store->engine, &t);
}

/* --- reading --------------------------------------------------------------*/

static void
keep_send_page(struct keep *k, const struct store_page *page)
{
	static struct bus_envelope e;	/* large; one at a time */

	*bus_page(&e, BUS_STORE_OK) = page->page;
	if (page->more)
		e.flags |= BUS_MORE;
	if (keep_answer(k, &page->asker, &e))
		return;
	/* an event that is larger than its queue */
	*bus_page(&e, BUS_STORE_UNAVAILABLE) = (struct bus_page){
		.result = BUS_STORE_UNAVAILABLE };
	(void)keep_answer(k, &page->asker, &e);
}

static void
keep_refuse_page(struct keep *k, const struct store_asker *to)
{
	struct store_page none = { .asker = *to };

	none.page.result = BUS_STORE_UNAVAILABLE;
	keep_send_page(k, &none);
}

static void
keep_on_page(void *arg, const struct store_page *page)
{
	struct keep *k = arg;

	counter_add(COUNTER_store_reads, 1);
	k->pages++;
	k->page_bytes += page->page.frames.n;
	if (page->page.result == BUS_STORE_GAP)
		counter_add(COUNTER_store_gaps, 1);
	if (page->page.result == BUS_STORE_EPOCH)
		counter_add(COUNTER_store_epochs_lost, 1);
	keep_send_page(k, page);
}

static uint64_t
keep_at_most(uint64_t asked, uint64_t most)
{
	return (asked == 0 || asked > most ? most : asked);
}

/* A page that a worker has room for, whatever its bound. */
static uint64_t
keep_page_bytes(const struct keep *k)
{
	return (keep_at_most(k->conf->bus_queue_bytes / 4, KEEP_PAGE_BYTES));
}

static void
keep_look(struct keep *k, const struct bus_envelope *e)
{
	const struct bus_history *h = &e->history;
	struct store_read q = { .asker = keep_asker(e),
		.key = { h->nsp, h->room },
		.from = (enum bus_history_from)h->from, .epoch = h->epoch,
		.since = h->since, .of = h->key,
		.limit = keep_at_most(h->limit, KEEP_PAGE_EVENTS),
		.bytes = keep_at_most(h->bytes, keep_page_bytes(k)),
		.done = keep_on_page, .arg = k };
	const struct conf_namespace *ns = conf_namespace_find(k->conf, h->nsp);

	if (ns != NULL && q.key.room.n <= INTEREST_NAME_MAX &&
	    keep_bounds(k, ns, q.key.room, &q.bounds))
		k->store->does->read(k->store->engine, &q);
	else
		keep_refuse_page(k, &q.asker);
}

static bool
keep_has_room(const struct keep *k, unsigned slot)
{
	return (exchange_queued(k->x, slot) <= KEEP_AHEAD_BYTES &&
	    !exchange_crowded(k->x, slot));
}

static bool
keep_may_read(const struct keep *k)
{
	return (k->pages < KEEP_TURN_PAGES &&
	    k->page_bytes < KEEP_TURN_BYTES);
}

bool
keep_takes(const struct keep *k, unsigned slot)
{
	return (keep_may_read(k) && keep_has_room(k, slot));
}

/* Now, or in its turn; what is asked later is answered later. */
static void
keep_ask(struct keep *k, const struct bus_envelope *e, struct slice frame)
{
	struct store_asker asker = keep_asker(e);

	if (!waiting_has(&k->waiting, e->from) && keep_may_read(k) &&
	    keep_has_room(k, e->from)) {
		keep_look(k, e);
		return;
	}
	if (waiting_add(&k->waiting, e->from, frame))
		return;
	counter_add(COUNTER_store_refused_crowded, 1);
	keep_refuse_page(k, &asker);
}

static void
keep_on_frame(void *arg, struct slice frame)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct keep *k = arg;

	if (!bus_whole(frame, &e)) {
		counter_add(COUNTER_bus_bad, 1);
		return;
	}
	switch ((unsigned)e.kind) {
	case BUS_KEEP:
		keep_take(k, &e);
		break;
	case BUS_HISTORY:
		keep_ask(k, &e, frame);
		break;
	case BUS_TRIM:
		keep_trim(k, &e);
		break;
	case BUS_JOURNAL:
		journal_take(k, &e);
		break;
	case BUS_SESSION:
		sessions_told(k, &e);
		break;
	case BUS_SESSION_TAKE:
		sessions_take(k, &e);
		break;
	case BUS_DISCONNECT:
	case BUS_ROOMS:
		sessions_order(k, &e);
		break;
	}
}

/* Workers that have a question and room for its answer. */
static bool
keep_ready(const struct keep *k, uint64_t ready[2])
{
	uint64_t left[2];
	unsigned slot;

	slotset_clear(ready);
	slotset_copy(left, k->waiting.slots);
	while ((slot = slotset_take(left)) != 0)
		if (keep_has_room(k, slot))
			slotset_add(ready, slot);
	return (!slotset_empty(ready));
}

static void
keep_answer_waiting(struct keep *k)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct slice frame;
	uint64_t ready[2];
	unsigned slot;

	while (keep_may_read(k) && keep_ready(k, ready)) {
		slot = waiting_next(&k->waiting, ready);
		frame = waiting_first(&k->waiting, slot);
		/* it was found good when it came */
		if (bus_whole(frame, &e))
			keep_look(k, &e);
		waiting_drop_first(&k->waiting, slot);
	}
}

/* --- the rest -------------------------------------------------------------*/

uint64_t
keep_now_ms(void *arg)
{
	const struct keep *k = arg;

	return (k->x->mono_ms);
}

static bool
keep_is_asked_for(const struct conf *conf)
{
	const struct conf_namespace *ns;
	size_t i, j;

	for (i = 0; i < conf->nnamespaces; i++) {
		ns = &conf->namespaces[i];
		for (j = 0; !ns->gone && j < ns->nrooms; j++)
			if (ns->rooms[j].history != 0)
				return (true);
	}
	return (false);
}

/* Nobody is to wonder. */
static void
keep_say_off(const struct conf *conf)
{
	const struct conf_namespace *ns;
	size_t i;

	for (i = 0; i < conf->nnamespaces; i++) {
		ns = &conf->namespaces[i];
		if (!ns->gone && ns->recovery == CONF_RECOVERY_STORE &&
		    conf->recovery_window_ms != 0 && !ns->journals)
			log_warnx("sessions_not_stored namespace=\"%s\"",
			    ns->name);
	}
	if (keep_is_off(conf) && keep_is_asked_for(conf))
		log_warnx("histories_not_kept why=\"there is a redis"
		    " section, and store engine is memory\"");
}

void
keep_conf(struct keep *k, const struct conf *conf)
{
	CHECK_MAGIC(k, KEEP_MAGIC);
	k->conf = conf;
	keep_say_off(conf);
	if (!keep_choose(k))
		counter_add(COUNTER_memory_failures, 1);
	k->store->does->conf(k->store->engine, conf->store_bytes);
	keep_far_journals(k);
	sessions_conf(k);
}

void
keep_worker_gone(struct keep *k, unsigned slot)
{
	CHECK_MAGIC(k, KEEP_MAGIC);
	waiting_forget(&k->waiting, slot);
	sessions_worker_gone(k, slot);
	journal_worker_gone(k, slot);
	if (k->remote != NULL)
		remote_worker_gone(k->remote, slot);
}

void
keep_turn(struct keep *k)
{
	CHECK_MAGIC(k, KEEP_MAGIC);
	keep_answer_waiting(k);
	sessions_turn(k);
	k->store->does->turn(k->store->engine);
	k->pages = 0;
	k->page_bytes = 0;
}

bool
keep_is_settled(const struct keep *k)
{
	CHECK_MAGIC(k, KEEP_MAGIC);
	return (slotset_empty(k->waiting.slots) &&
	    (k->remote == NULL || (remote_is_settled(k->remote) &&
	    sessions_far_is_settled(k))));
}

bool
keep_busy(const struct keep *k)
{
	uint64_t ready[2];

	return (keep_ready(k, ready) || k->store->does->busy(k->store->engine));
}

void
keep_along(struct keep *k, void (*save)(void *arg, struct buf *),
    bool (*load)(void *arg, struct slice saved, struct slice *rest), void *arg)
{
	CHECK_MAGIC(k, KEEP_MAGIC);
	k->along_save = save;
	k->along_load = load;
	k->along_arg = arg;
}

/* What stands before rooms and keys; what there is no memory for is left out, and
 * whole is the rest. */
static void
keep_save_begin(struct keep *k, struct slice before, struct buf *b)
{
	buf_slice(b, before);
	if (!b->oom && k->along_save != NULL)
		k->along_save(k->along_arg, b);
	if (b->oom) {
		counter_add(COUNTER_memory_failures, 1);
		b->wpos = b->wpos < before.n ? 0 : before.n;
		b->oom = false;
	}
	sessions_save(k, b);
}

/* Rooms could not be written; what stands before them perhaps can. */
static int
keep_save_rest(struct slice begin)
{
	int fd = begin.n == 0 ? -1 : sealed_new("roostd-store", begin);

	if (fd == -1 && begin.n != 0)
		log_warn("histories_not_left");
	return (fd);
}

int
keep_save(struct keep *k, struct slice before)
{
	struct buf begin;
	bool bad;
	int fd;

	CHECK_MAGIC(k, KEEP_MAGIC);
	buf_init(&begin);
	keep_save_begin(k, before, &begin);
	fd = k->store->does->save(k->store->engine, buf_unread(&begin), &bad);
	if (bad) {
		log_warn("histories_not_saved");
		fd = keep_save_rest(buf_unread(&begin));
	}
	buf_fini(&begin);
	return (fd);
}

void
keep_load(struct keep *k, int fd, size_t before)
{
	struct slice saved, rest;
	bool good;

	CHECK_MAGIC(k, KEEP_MAGIC);
	if (sealed_map(fd, KEEP_SAVED_MAX, &saved) == -1)
		log_warn("histories_not_read");
	else {
		MUST(before <= saved.n);
		rest = slice_from(saved, before);
		good = k->along_load == NULL ||
		    k->along_load(k->along_arg, rest, &rest);
		good = sessions_load(k, rest, &rest) && good;
		good = k->store->does->load(k->store->engine, rest) && good;
		if (!good)
			log_warnx("histories_not_read why=\"they are not"
			    " understood\"");
		sealed_unmap(saved);
	}
	(void)close(fd);
}

struct keep *
keep_new(const struct keep_params *p)
{
	struct keep *k = calloc(1, sizeof *k);

	if (k == NULL)
		return (NULL);
	k->magic = KEEP_MAGIC;
	k->conf = p->conf;
	k->x = p->exchange;
	buf_init(&k->frame);
	buf_init(&k->entry);
	waiting_init(&k->waiting);
	k->interest = interest_open(p->segment, 0);
	k->wheel = p->wheel;
	keep_say_off(p->conf);
	k->x->keep = keep_on_frame;
	k->x->keep_arg = k;
	k->sessions = sessions_new(k);
	if (k->interest == NULL || k->sessions == NULL || !keep_choose(k))
		keep_free(&k);
	return (k);
}

void
keep_free(struct keep **kp)
{
	struct keep *k = *kp;

	if (k == NULL)
		return;
	*kp = NULL;
	CHECK_MAGIC(k, KEEP_MAGIC);
	k->x->keep = NULL;
	if (k->interest != NULL)
		interest_close(&k->interest);
	if (k->store != NULL)
		k->store->does->free(k->store->engine);
	sessions_free(&k->sessions);
	journals_free(k);
	waiting_fini(&k->waiting);
	buf_fini(&k->frame);
	buf_fini(&k->entry);
	k->magic = 0;
	free(k);
}
