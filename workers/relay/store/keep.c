/*
 * Between workers and the store; see keep.h.
 */
#include "relay/store/keep_int.h"

#include <stdlib.h>
#include <unistd.h>

#include "conf/conf.h"
#include "proto/bus.h"
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
