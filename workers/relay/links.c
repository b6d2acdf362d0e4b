/*
 * One link to Redis serves, another comes, a third goes; see links.h.  What they
 * carry is links_frames.c's.
 */
#include "relay/links_int.h"

#include <inttypes.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "conf/read/diff.h"
#include "conf/redis_state.h"
#include "relay/bridge/seen.h"
#include "relay/far.h"
#include "relay/local/exchange.h"
#include "relay/store/keep.h"
#include "shm/counters.h"
#include "shm/table_relay.h"
#include "sys/log.h"
#include "sys/loop.h"

#define LINKS_UNSURE_MS	10000	/* so much before a change may be lost */
#define LINKS_LEAVE_MS	15000	/* for the last words, and answers to them */
#define LINKS_MEET_MS	1000	/* what only comes by the new one */
#define LINKS_HOLD_MS	500	/* Redis may not answer at all */
#define LINKS_LEAST_MS	1000	/* for answers, though all is said */

/* How it shows itself in the log. */
static const char *
links_name(const struct far *f)
{
	const struct conf_redis *r = &far_section(f)->redis;

	return (r->nsentinels > 0 ? r->master : r->nshards > 0 ?
	    r->shards[0].shown : r->url.shown);
}

static void
links_count(const struct links *l)
{
	counter_set(COUNTER_redis_links, (uint64_t)(l->now != NULL) +
	    (l->next != NULL) + (l->last != NULL));
}

/* --- one after the other --------------------------------------------------*/

static bool
links_on_held(void *arg, const struct table_event *e)
{
	far_interest(arg, e);
	return (true);
}

static bool
links_on_held_late(void *arg, const struct table_event *e)
{
	far_interest_late(arg, e);
	return (true);
}

static void
links_end_last(struct links *l)
{
	if (l->last == NULL)
		return;
	log_info("redis_left url=%s", links_name(l->last));
	if (l->holds)
		links_release(l);
	links_part(l);
	links_meet(l, false);
	far_close(&l->last);
	l->ledger.twofold = l->leaves = false;
	if (l->conf->redis.nsentinels == 0)
		counter_set(COUNTER_redis_sentinels, 0);
	links_count(l);
}

static void
links_leave(struct links *l)
{
	far_leave(l->last);
	l->leaves = true;
	l->ledger.twofold = false;
	l->since = loop_now(l->loop);
}

/* The one that served is the last one now; place: as the next one sees it. */
static void
links_step_back(struct links *l, enum far_place place, uint64_t linger_ms)
{
	/* back to where this host has not left yet: it stays there */
	if (l->last != NULL && l->next != NULL &&
	    far_is_named_like(l->next, l->last))
		far_step_back(l->last, PLACE_SAME);
	links_end_last(l);
	l->last = l->now;
	l->now = NULL;
	l->era++;
	far_step_back(l->last, place);
	ledger_compare_rest(&l->ledger);
	l->ledger.twofold = true;
	l->holds = true;
	l->began = l->since = loop_now(l->loop);
	if (place == PLACE_SAME || linger_ms == 0)
		links_leave(l);
}

/* Others may have gone there before, and published; and who is there only might
 * have been told before this host was. */
static void
links_tell_gap(struct links *l)
{
	l->unsure_ms = l->asked_ms - LINKS_UNSURE_MS;
	exchange_gap_all(l->exchange, l->unsure_ms);
	far_gap_all(l->now, l->unsure_ms);
}

/* What both bring has come by both.  What was not taken in between, since it
 * might have been a copy, is told when that is over. */
static void
links_settle(struct links *l)
{
	if (!l->drains || far_drains(l->now))
		return;
	l->drains = false;
	ledger_compare_end(&l->ledger);
	exchange_gap_all(l->exchange, l->unsure_ms);
}

static void
links_begin(struct links *l, enum far_place place)
{
	uint64_t linger_ms = l->conf->redis.linger_ms;
	bool follows = l->now != NULL;

	if (!far_charge(l->next, follows, place == PLACE_SAME ? 0 :
	    linger_ms))
		return;		/* with the next beat */
	/* who does not answer would only be waited for */
	if (follows)
		links_step_back(l, place, far_is_ready(l->now) ? linger_ms :
		    0);
	l->now = l->next;
	l->next = NULL;
	l->era++;
	far_keep(l->now);
	if (l->interest != NULL) {
		table_tell_all(l->interest, links_on_held_late, l->now);
		if (follows)
			table_inherit_again(l->presence);
		far_mirror(l->now, l->presence);
	}
	links_count(l);
	if (!follows)
		return;
	/* what the old one brings behind what the new one has brought is out of
	 * order */
	l->ledger.epoch++;
	l->drains = place == PLACE_NEAR || ledger_compares(&l->ledger);
	/* near: by the old one the same comes from servers of Socket.IO */
	links_meet(l, place == PLACE_OTHER);
	links_tell_gap(l);
	counter_add(COUNTER_redis_changes, 1);
	log_info("redis_changed url=%s before=%s same_place=%s after_ms=%"
	    PRIu64, links_name(l->now), links_name(l->last),
	    place == PLACE_SAME ? "yes" : "no", l->exchange->now_ms - l->asked_ms);
}

/* What both bring is compared since a time before all that the new one has yet
 * to bring. */
static bool
links_compare(struct links *l)
{
	if (!ledger_compares(&l->ledger)) {
		if (ledger_compare_begin(&l->ledger) == -1) {
			counter_add(COUNTER_memory_failures, 1);
			return (false);
		}
		far_mark(l->next);
	}
	return (!far_drains(l->next));
}

/* At the same place the new one follows when the old one has brought all that
 * it has.  That may be the place of the last one, too: it goes then. */
static bool
links_may_follow(struct links *l)
{
	struct mono now = loop_now(l->loop);

	if (!links_compare(l))
		return (false);
	if (l->met.us == 0) {
		ledger_compare_all(&l->ledger);
		far_mark(l->now);
		if (l->last != NULL)
			far_mark(l->last);
		l->met = now;
	}
	if (now.us >= mono_add_ms(l->met, LINKS_MEET_MS).us)
		return (true);
	return (!far_drains(l->now) && (l->last == NULL ||
	    !far_drains(l->last)) &&
	    !ledger_is_ahead(&l->ledger, now.us / 1000));
}

static void
links_look(struct links *l)
{
	enum far_place place;

	if (l->next == NULL)
		return;
	if (l->now == NULL) {
		links_begin(l, PLACE_OTHER);
		return;
	}
	if (l->drains)
		return;
	if (!far_is_ready(l->next)) {
		ledger_compare_end(&l->ledger);
		l->met.us = 0;
		return;
	}
	place = far_place(l->next, l->now);
	if (place == PLACE_UNKNOWN || place == PLACE_ASKED ||
	    ((place == PLACE_SAME || l->last != NULL) &&
	    !links_may_follow(l)))
		return;
	links_begin(l, place);
}

/* --- the section ----------------------------------------------------------*/

/* redis { linger } counts when it is needed. */
static void
links_on_difference(void *arg, const struct conf_difference *d)
{
	bool *differs = arg;

	if (slice_starts(slice_str(d->what), SLICE("redis: ")) &&
	    !slice_eq(slice_str(d->what), SLICE("redis: linger")))
		*differs = true;
}

/* -1: no memory. */
static int
links_differs(const struct conf *a, const struct conf *b)
{
	bool differs = false;

	if (conf_diff(a, b, links_on_difference, &differs) == -1)
		return (-1);
	return (differs);
}

static void
links_gauges_off(void)
{
	counter_set(COUNTER_redis_connected, 0);
	counter_set(COUNTER_redis_state, REDIS_OFF);
	counter_set(COUNTER_redis_nodes, 0);
	counter_set(COUNTER_redis_nodes_away, 0);
	counter_set(COUNTER_redis_shards_away, 0);
	counter_set(COUNTER_redis_sentinels, 0);
	counter_set(COUNTER_secret_file_bad, 0);
	counter_set(COUNTER_presence_stale, 0);
	counter_set(COUNTER_nodes_known, 0);
}

/* There is none any more: who is on other hosts nobody says. */
static void
links_turn_off(struct links *l)
{
	if (l->now == NULL)
		return;
	log_info("redis_off before=%s", links_name(l->now));
	keep_serve(l->keep, NULL);
	far_quiet(l->now, true);
	links_step_back(l, PLACE_OTHER, 0);
	/* the next one may come to the same place before it has left */
	far_deafen(l->last);
	ledger_compare_end(&l->ledger);
	l->holds = l->drains = false;
	table_inherit_again(l->presence);
	table_inherit_end(l->presence);
	links_gauges_off();
	counter_set(COUNTER_presence_mirrored,
	    table_mirrored(l->presence));
	counter_add(COUNTER_redis_changes, 1);
}

/* false: no memory. */
static bool
links_make_next(struct links *l, const struct conf *conf)
{
	struct far_params p = { .h = l->h, .loop = l->loop,
		.exchange = l->exchange, .keep = l->keep, .ledger = &l->ledger,
		.serial = ++l->serial, .conf = conf };

	l->next = far_open(&p);
	if (l->next == NULL)
		return (false);
	l->met.us = 0;
	seen_forget(l->ledger.seen);
	far_quiet(l->now, true);
	l->asked_ms = l->exchange->now_ms;
	if (l->interest != NULL)
		table_tell_all(l->interest, links_on_held, l->next);
	return (true);
}

static void
links_drop_next(struct links *l)
{
	if (l->next == NULL)
		return;
	far_close(&l->next);
	if (!l->drains)
		ledger_compare_end(&l->ledger);
	far_quiet(l->now, false);
}

bool
links_change(struct links *l, const struct conf *conf)
{
	const struct far *newest = l->next != NULL ? l->next : l->now;
	const struct conf *before = newest != NULL ? far_section(newest) :
	    l->h->conf;
	int differs;

	CHECK_MAGIC(l, LINKS_MAGIC);
	differs = newest == NULL ? conf_redis_on(&conf->redis) :
	    links_differs(before, conf);
	if (differs == 1) {
		/* the one that serves may be the one that is meant */
		links_drop_next(l);
		differs = l->now == NULL ? conf_redis_on(&conf->redis) :
		    links_differs(far_section(l->now), conf);
	}
	if (differs == 1 && !conf_redis_on(&conf->redis))
		links_turn_off(l);
	else if (differs == 1 && !links_make_next(l, conf))
		differs = -1;
	links_count(l);
	return (differs != -1);
}

/* --- all of them ----------------------------------------------------------*/

void
links_tables(struct links *l, struct table_relay *interest,
    struct table_relay *presence)
{
	CHECK_MAGIC(l, LINKS_MAGIC);
	l->interest = interest;
	l->presence = presence;
	far_mirror(l->now, presence);
}

void
links_interest(struct links *l, const struct table_event *e)
{
	far_interest(l->now, e);
	far_interest(l->next, e);
	far_interest(l->last, e);
}

void
links_presence(struct links *l, const struct table_event *e)
{
	far_presence(l->now, e);
	far_presence(l->last, e);
}

void
links_conf(struct links *l, const struct conf *conf)
{
	CHECK_MAGIC(l, LINKS_MAGIC);
	l->conf = conf;
	far_conf(l->now, conf);
	far_conf(l->next, conf);
	far_conf(l->last, conf);
}

bool
links_use(const struct links *l, const struct conf *conf)
{
	return (far_section(l->now) == conf || far_section(l->next) == conf ||
	    far_section(l->last) == conf);
}

void
links_reread(struct links *l)
{
	far_reread(l->now);
	far_reread(l->next);
	far_reread(l->last);
}

struct redis *
links_redis(const struct links *l, const struct conf **section,
    uint64_t *serial, bool *alone)
{
	*section = far_section(l->now);
	*serial = l->era;
	*alone = l->last == NULL;
	return (far_redis(l->now));
}

void
links_worker_gone(struct links *l, unsigned slot)
{
	far_worker_gone(l->now, slot);
	far_worker_gone(l->last, slot);
}

void
links_gap_all(struct links *l, uint64_t from_ms)
{
	far_gap_all(l->now, from_ms);
	if (!l->leaves)
		far_gap_all(l->last, from_ms);
}

void
links_beat(struct links *l)
{
	uint64_t ms;

	CHECK_MAGIC(l, LINKS_MAGIC);
	far_beat(l->now);
	far_beat(l->next);
	far_beat(l->last);
	if (l->last == NULL)
		return;
	ms = (loop_now(l->loop).us - l->since.us) / 1000;
	if (!l->leaves && ms >= l->conf->redis.linger_ms)
		links_leave(l);
	else if (l->leaves && (ms >= LINKS_LEAVE_MS ||
	    (ms >= LINKS_LEAST_MS && far_has_left(l->last))))
		links_end_last(l);
}

void
links_flush(struct links *l)
{
	links_settle(l);
	links_look(l);
	links_wait(l);
	if (l->holds && (far_is_settled(l->last) || loop_now(l->loop).us >=
	    mono_add_ms(l->began, LINKS_HOLD_MS).us))
		links_release(l);
	far_flush(l->now);
	far_flush(l->next);
	far_flush(l->last);
}

bool
links_busy(const struct links *l)
{
	return (far_busy(l->now) || far_busy(l->last));
}

/* --- birth and death ------------------------------------------------------*/

struct links *
links_new(const struct heritage *h, struct loop *loop, struct exchange *x,
    struct keep *keep)
{
	struct links *l = calloc(1, sizeof *l);
	struct far_params p = { .h = h, .loop = loop, .exchange = x,
		.keep = keep, .conf = h->conf };

	if (l == NULL)
		return (NULL);
	l->magic = LINKS_MAGIC;
	l->h = h;
	l->loop = loop;
	l->exchange = x;
	l->keep = keep;
	l->conf = h->conf;
	l->era = 1;
	buf_init(&l->frame);
	buf_init(&l->held);
	links_gauges_off();
	counter_set(COUNTER_redis_refusing, 0);
	counter_set(COUNTER_redis_channels, 0);
	x->far = links_frame;
	x->answer = links_answers;
	x->arg = l;
	if (ledger_init(&l->ledger, h->generation) == -1) {
		links_free(&l);
		return (NULL);
	}
	p.ledger = &l->ledger;
	if (conf_redis_on(&h->conf->redis)) {
		l->now = far_open(&p);
		if (l->now == NULL || !far_charge(l->now, false, 0))
			links_free(&l);
		else
			far_keep(l->now);
	}
	if (l != NULL)
		links_count(l);
	return (l);
}

void
links_hush(struct links *l)
{
	struct far *newest = l->next != NULL ? l->next : l->now;

	CHECK_MAGIC(l, LINKS_MAGIC);
	if (newest != NULL)
		far_hush(newest);
}

void
links_free(struct links **lp)
{
	struct links *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	CHECK_MAGIC(l, LINKS_MAGIC);
	l->exchange->far = NULL;
	l->exchange->answer = NULL;
	far_close(&l->next);
	far_close(&l->last);
	far_close(&l->now);
	ledger_fini(&l->ledger);
	buf_fini(&l->frame);
	buf_fini(&l->held);
	l->magic = 0;
	free(l);
}
