/*
 * Redis, the bridge and the other hosts, made and tied to the exchange; see
 * far.h.
 */
#include "relay/far_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/slotset.h"
#include "proto/bus.h"
#include "relay/bridge/bridge.h"
#include "relay/bridge/hosts.h"
#include "relay/bridge/hosts_inquiries.h"
#include "relay/bridge/members.h"
#include "relay/bridge/message.h"
#include "relay/bridge/questions.h"
#include "relay/bridge/requests.h"
#include "relay/bridge/seal.h"
#include "relay/bridge/sharded.h"
#include "relay/bridge/socketio.h"
#include "relay/complain.h"
#include "relay/local/exchange.h"
#include "relay/people/people.h"
#include "relay/revokes.h"
#include "relay/store/keep.h"
#include "relay/store/store.h"
#include "relay/wide.h"
#include "shm/counters.h"
#include "shm/table_relay.h"
#include "shm/table_revoked.h"
#include "sys/log.h"

#define FAR_UNSURE_MS	10000	/* so long a Redis may be silent before that is
				 * noticed: by then it was lost */
#define FAR_KEPT_MS	UINT64_C(604800000)	/* older times are none */

/* --- to the workers -------------------------------------------------------*/

bool
far_inject(struct far *f, const uint64_t slots[2], struct bus_envelope *e)
{
	slotset_copy(e->slots, slots);
	e->from = 0;
	e->generation = (uint16_t)f->h->generation;
	buf_reset(&f->frame);
	if (!bus_encode(&f->frame, e)) {
		buf_fini(&f->frame);
		buf_init(&f->frame);
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	return (exchange_route(f->exchange, buf_unread(&f->frame), slots,
	    e->flags));
}

static void
far_to_workers(void *arg, const uint64_t slots[2], struct bus_envelope *e)
{
	e->ref = 0;
	(void)far_inject(arg, slots, e);
}

/* Of these workers, those that are there. */
static bool
far_ask(void *arg, uint64_t slots[2], uint32_t ref, struct bus_envelope *e)
{
	struct far *f = arg;
	unsigned slot;

	for (slot = 1; slot < ROLE_SLOTS_MAX; slot++)
		if (exchange_peer(f->exchange, slot) == NULL)
			slotset_drop(slots, slot);
	e->ref = ref;
	return (slotset_empty(slots) || far_inject(f, slots, e));
}

static struct mono
far_now(void *arg)
{
	const struct far *f = arg;

	return (loop_now(f->loop));
}

static unsigned
far_others(void *arg)
{
	const struct far *f = arg;

	return (f->people == NULL ? 0 : people_others(f->people));
}

/* What other hosts say to that worker's question. */
static void
far_on_answer(void *arg, unsigned slot, uint32_t ref, struct bus_envelope *e)
{
	struct far *f = arg;
	uint64_t slots[2];

	e->ref = ref;
	slotset_only(slots, slot);
	if (exchange_peer(f->exchange, slot) != NULL)
		(void)far_inject(f, slots, e);
}

/* What is revoked: how many other hosts know. */
static void
far_on_revoked(void *arg, unsigned slot, uint32_t ref, uint32_t hosts,
    bool partly)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct far *f = arg;
	uint64_t slots[2];

	bus_answers(&e)->answered = hosts;
	if (partly)
		e.flags |= BUS_TRUNCATED;
	e.ref = ref;
	slotset_only(slots, slot);
	if (exchange_peer(f->exchange, slot) != NULL)
		(void)far_inject(f, slots, &e);
}

static void
far_to_all_workers(void *arg, struct bus_envelope *e)
{
	struct far *f = arg;
	uint64_t slots[2] = { 0, 0 };
	unsigned slot;

	for (slot = 1; slot < ROLE_SLOTS_MAX; slot++)
		if (exchange_peer(f->exchange, slot) != NULL)
			slotset_add(slots, slot);
	e->ref = 0;
	if (!slotset_empty(slots) && !far_inject(f, slots, e))
		revoked_ask_look(f->h->segment);
}

/* --- the log --------------------------------------------------------------*/

static void
far_trouble(void *arg, enum home_trouble what, struct slice words)
{
	const struct far *f = arg;

	complain_trouble(loop_now(f->loop), what, words);
}

static void
far_on_refused(void *arg, struct slice nsp, struct slice name,
    const struct reply *o)
{
	const struct far *f = arg;

	complain_refused(loop_now(f->loop), nsp, name, o);
}

/* A bad file is said once, and read again with each beat: until then what was
 * in it before counts. */
static void
far_read_secret(struct far *f, bool say)
{
	const char *why = seal_read(f->seal);

	if (why != NULL && (say || !f->secret_bad))
		log_warnx("secret_file_bad file=\"%s\" why=\"%s\"",
		    f->home.conf->redis.secret_file, why);
	else if (why == NULL && seal_is_asked_for(f->seal))
		log_info("secrets_read file=\"%s\"",
		    f->home.conf->redis.secret_file);
	f->secret_bad = why != NULL;
	if (!f->quiet)
		counter_set(COUNTER_secret_file_bad, f->secret_bad);
}

/* --- gaps -----------------------------------------------------------------*/

static uint64_t
far_now_ms(void *arg)
{
	const struct far *f = arg;

	return (f->exchange->now_ms);
}

static void
far_gap(void *arg, struct slice nsp, const struct bus_audience *to)
{
	struct far *f = arg;

	uint64_t from_ms = f->exchange->now_ms - FAR_UNSURE_MS;

	if (nsp.n == 0)
		exchange_gap_all(f->exchange, from_ms);
	else
		exchange_gap(f->exchange, nsp, to, from_ms);
}

static void
far_gap_since(void *arg, uint64_t from_ms)
{
	struct far *f = arg;
	uint64_t now_ms = f->exchange->now_ms;

	/* by Redis' clock, or what a back end made up */
	if (from_ms > now_ms - FAR_UNSURE_MS || from_ms < now_ms - FAR_KEPT_MS)
		from_ms = now_ms - FAR_UNSURE_MS;
	exchange_gap_all(f->exchange, from_ms);
}

/* Of rooms that are kept: it is looked for. */
static void
far_missed(struct far *f, struct slice nsp, struct slice room)
{
	if (f->part == FAR_SERVES)
		keep_missed(f->keep, nsp, room);
}

/* Until now clients that came early have heard nothing of other hosts. */
static void
far_on_ready(void *arg)
{
	struct far *f = arg;

	f->ready = true;
	far_missed(f, slice_of(NULL, 0), slice_of(NULL, 0));
	revokes_ready(f->revokes);
	if (f->part == FAR_COMES)
		return;
	if (!f->heard)
		exchange_gap_all(f->exchange, f->opened_ms);
	f->heard = true;
	bridge_ready(f->bridge);
	hosts_tell_gaps(f->hosts);
}

static void
far_on_lost(void *arg)
{
	struct far *f = arg;

	f->ready = false;
	far_missed(f, slice_of(NULL, 0), slice_of(NULL, 0));
	f->place = PLACE_UNKNOWN;
}

/* Whatever others have published there since then did not reach us. */
static void
far_on_gap(void *arg, struct slice channel, struct mono since)
{
	static struct bus_audience to;	/* large; one at a time */
	struct far *f = arg;
	uint64_t ago_ms = (loop_now(f->loop).us - since.us) / 1000;
	uint64_t from_ms = f->exchange->now_ms - ago_ms - FAR_UNSURE_MS;
	struct slice nsp;

	if (f->home.comes || f->home.deaf)
		return;
	if (far_is_journal(f, channel, &nsp)) {
		far_missed(f, nsp, JOURNAL_ROOM);
		return;
	}
	memset(&to, 0, sizeof to);
	if (wide_is(f->wide, channel))
		nsp = slice_of(NULL, 0);
	else if (!hosts_concerns(f->hosts, channel, &nsp, &to) &&
	    (f->socketio == NULL ||
	    !socketio_concerns(f->socketio, channel, &nsp, &to)))
		return;
	far_missed(f, nsp, to.nrooms == 1 ? to.rooms[0] : slice_of(NULL, 0));
	if (nsp.n == 0)
		exchange_gap_all(f->exchange, from_ms);
	else
		exchange_gap(f->exchange, nsp, &to, from_ms);
}

/* Other hosts may have been elsewhere when this one published. */
static void
far_on_astray(void *arg, struct mono since)
{
	struct far *f = arg;
	uint64_t ago_ms = (loop_now(f->loop).us - since.us) / 1000;

	far_missed(f, slice_of(NULL, 0), slice_of(NULL, 0));
	hosts_gap_all(f->hosts, f->exchange->now_ms - ago_ms - FAR_UNSURE_MS);
}

void
far_gap_all(struct far *f, uint64_t from_ms)
{
	if (f != NULL)
		hosts_gap_all(f->hosts, from_ms);
}

void
far_beat(struct far *f)
{
	if (f == NULL)
		return;
	if (f->secret_bad)
		far_read_secret(f, false);
	hosts_tell_gaps(f->hosts);
	wide_beat(f->wide);
	revokes_beat(f->revokes);
	far_try_again(f);
}

/* --- what is kept ----------------------------------------------------------*/

static bool
far_on_kept(void *arg, struct slice payload)
{
	struct far *f = arg;

	return (f->part != FAR_SERVES || keep_hear(f->keep, payload));
}

/* --- from the workers -----------------------------------------------------*/

/* Its offset is its place there. */
static bool
far_is_in_journal(const struct far *f, const struct bus_envelope *e)
{
	const struct conf_namespace *ns;

	if ((e->flags & BUS_NUMBERED) == 0 || e->publish.offset.n == 0)
		return (false);
	ns = conf_namespace_find(f->home.conf, e->publish.nsp);
	return (ns != NULL && ns->journals);
}

void
far_publish(struct far *f, struct slice frame, bool again)
{
	static struct bus_envelope e;	/* large; one at a time */
	bool kept;

	if (f == NULL || f->part == FAR_LEAVES ||
	    !bus_whole(frame, &e))
		return;		/* the hub's own test is as strict */
	if (f->home.near && message_is_for_servers(&e))
		return;
	/* what is kept the other hosts have from the store; what was only on its
	 * way through it (a configuration of before or after) they have not */
	kept = e.kind == BUS_PUBLISH && (e.publish.kept != 0 ||
	    far_is_in_journal(f, &e));
	e.flags &= (uint16_t)~BUS_NUMBERED;
	if (again) {		/* the other link asks */
		if (e.kind == BUS_MEMBERS)
			return;
		e.flags &= (uint16_t)~(BUS_WANT_COUNT | BUS_WANT_ANSWERS);
	}
	if (e.kind == BUS_REVOKE) {
		revokes_order(f->revokes, &e);
		return;
	}
	if (f->socketio != NULL && f->home.conf->redis.socketio_send &&
	    message_is_for_servers(&e)) {
		socketio_publish(f->socketio, &e);
		if (f->sharded != NULL)
			sharded_publish(f->sharded, &e);
	}
	if (!kept)
		hosts_publish(f->hosts, &e);
}

static void
far_on_request(void *arg, const struct socketio_question *q)
{
	struct far *f = arg;

	requests_take(f->requests, q);
}

void
far_answer(struct far *f, struct slice frame)
{
	if (f != NULL)
		questions_answer(f->questions, frame);
}

void
far_worker_gone(struct far *f, unsigned slot)
{
	if (f != NULL)
		questions_gone(f->questions, slot);
}

static void
far_on_tick(struct timer *t, struct mono now)
{
	struct far *f = container_of(t, struct far, tick);

	(void)now;
	questions_tick(f->questions);
	inquiries_tick(f->inquiries);
}

static void
far_on_poll(struct timer *t, struct mono now)
{
	struct far *f = container_of(t, struct far, poll);

	if (f->part != FAR_SERVES)
		return;
	bridge_poll(f->bridge);
	if (f->home.conf->redis.stream != 0)
		timer_start(loop_wheel(f->loop), t,
		    mono_add_ms(now, BRIDGE_POLL_MS), far_on_poll);
}

/* Be there when the next question has waited long enough. */
static void
far_wait(struct far *f)
{
	uint64_t due = questions_due_us(f->questions),
	    far = inquiries_due_us(f->inquiries);

	if (far < due)
		due = far;
	if (due == UINT64_MAX)
		timer_stop(loop_wheel(f->loop), &f->tick);
	else
		timer_start(loop_wheel(f->loop), &f->tick,
		    (struct mono){ due }, far_on_tick);
}

void
far_interest(struct far *f, const struct table_event *e)
{
	if (f == NULL)
		return;
	hosts_interest(f->hosts, e);
	if (f->sharded != NULL)
		sharded_interest(f->sharded, e);
}

void
far_reread(struct far *f)
{
	if (f == NULL)
		return;
	far_read_secret(f, true);
	redis_renew(f->redis);
}

void
far_flush(struct far *f)
{
	if (f == NULL)
		return;
	far_wait(f);
	if (f->people != NULL)
		people_turn(f->people);
	redis_flush(f->redis);
}

/* --- birth and death ------------------------------------------------------*/

static bool
far_make_wide(struct far *f)
{
	struct wide_params p = { .segment = f->h->segment, .redis = f->redis,
		.hosts = f->hosts, .exchange = f->exchange,
		.prefix = f->section->redis.prefix };

	f->wide = wide_new(&p);
	return (f->wide != NULL);
}

static bool
far_make_revokes(struct far *f)
{
	struct revokes_params p = { .segment = f->h->segment,
		.redis = f->redis, .seal = f->seal,
		.prefix = f->section->redis.prefix, .home = &f->home,
		.arg = f, .to_workers = far_to_all_workers, .ordered = far_on_revoked };

	f->revokes = revokes_new(&p);
	return (f->revokes != NULL);
}

/* See far_place(): it is enough that it is heard. */
static void
far_on_name(void *arg, struct slice channel, struct slice payload)
{
	(void)arg;
	(void)channel;
	(void)payload;
}

static bool
far_make(struct far *f)
{
	const struct conf *conf = f->home.conf;
	struct redis_params p = { .conf = &f->section->redis,
		.loop = f->loop, .node_id = f->h->node_id,
		.queue_bytes = (size_t)conf->bus_queue_bytes };
	struct hosts_params h = { .home = &f->home, .arg = f,
		.now_ms = far_now_ms, .refused = far_on_refused,
		.kept = far_on_kept,
		.gap = far_gap };
	struct inquiries_params i = { .home = &f->home, .arg = f,
		.others = far_others, .answer = far_on_answer };
	struct questions_params q = { .arg = f, .now = far_now,
		.send = far_ask };
	struct bridge_params b = { .home = &f->home, .arg = f,
		.to_worker = far_to_worker, .has_room = far_has_room,
		.gap = far_gap, .gap_since = far_gap_since };

	b.seal = h.seal = i.seal = f->seal = seal_new(conf->redis.secret_file);
	if (f->seal == NULL)
		return (false);
	far_read_secret(f, true);
	f->redis = f->home.redis = redis_new(&p);
	if (f->redis != NULL)
		f->bridge = bridge_new(&b);
	if (f->bridge != NULL)
		f->questions = i.questions = questions_new(&q);
	if (f->questions != NULL)
		f->inquiries = h.inquiries = inquiries_new(&i);
	if (f->inquiries != NULL)
		f->hosts = hosts_new(&h);
	if (f->hosts == NULL || !far_make_wide(f) || !far_make_revokes(f) ||
	    !redis_subscribe(f->redis,
	    slice_str(f->name), far_on_name, f) || !far_make_journals(f))
		return (false);
	f->watch = (struct redis_watch){ .arg = f, .ready = far_on_ready,
		.lost = far_on_lost, .gap = far_on_gap,
		.astray = far_on_astray };
	redis_watch(f->redis, &f->watch);
	return (true);
}

/* Among servers of Socket.IO, after what those below need. */
static bool
far_make_member(struct far *f)
{
	bool sharded = conf_socketio_on(&f->section->redis,
	    CONF_ADAPTER_SHARDED);
	struct members_params m = { .redis = f->redis,
		.questions = f->questions };
	struct requests_params r = { .home = &f->home,
		.joins = socketio_joins(f->socketio) };
	struct sharded_params s = { .home = &f->home,
		.socketio = f->socketio };

	if (f->members == NULL)
		f->members = members_new(&m);
	r.members = s.members = f->members;
	if (f->members != NULL && f->requests == NULL)
		f->requests = requests_new(&r);
	if (f->requests != NULL && sharded && f->sharded == NULL)
		f->sharded = sharded_new(&s);
	return (f->requests != NULL && (f->sharded != NULL || !sharded));
}

bool
far_make_rest(struct far *f)
{
	struct socketio_params s = { .home = &f->home, .arg = f,
		.ask = far_on_request };

	if (f->socketio == NULL)
		f->socketio = socketio_new(&s);
	if (f->socketio == NULL || !far_make_member(f) ||
	    !far_make_people(f))
		return (false);
	if (f->ready)
		bridge_ready(f->bridge);
	far_on_poll(&f->poll, loop_now(f->loop));
	return (true);
}

struct far *
far_open(const struct far_params *p)
{
	struct far *f = calloc(1, sizeof *f);

	if (f == NULL)
		return (NULL);
	f->magic = FAR_MAGIC;
	f->h = p->h;
	f->exchange = p->exchange;
	f->keep = p->keep;
	f->loop = p->loop;
	f->section = p->conf;
	f->opened_ms = p->exchange->now_ms;
	buf_init(&f->frame);
	buf_init(&f->waits);
	buf_init(&f->journal);
	f->home = (struct home){ .segment = p->h->segment, .comes = true,
		.node_id = p->h->node_id, .generation = p->h->generation,
		.ledger = p->ledger, .arg = f, .now = far_now,
		.to_workers = far_to_workers, .trouble = far_trouble };
	offset_origin(&f->home.origin, p->h->node_id, 0, p->h->generation);
	(void)snprintf(f->name, sizeof f->name, "%spulse:%016" PRIx64
	    ":link:%u", p->conf->redis.prefix, p->h->node_id, p->serial);
	far_take_conf(f, p->conf);
	if (!far_make(f))
		far_close(&f);
	return (f);
}

void
far_close(struct far **fp)
{
	struct far *f = *fp;

	if (f == NULL)
		return;
	*fp = NULL;
	CHECK_MAGIC(f, FAR_MAGIC);
	timer_stop(loop_wheel(f->loop), &f->tick);
	sharded_free(&f->sharded);
	requests_free(&f->requests);
	socketio_free(&f->socketio);
	members_free(&f->members);
	if (f->watch.arg != NULL)
		redis_unwatch(f->redis, &f->watch);
	timer_stop(loop_wheel(f->loop), &f->poll);
	people_free(&f->people);
	revokes_free(&f->revokes);
	wide_free(&f->wide);
	hosts_free(&f->hosts);
	inquiries_free(&f->inquiries);
	questions_free(&f->questions);
	bridge_free(&f->bridge);
	if (f->redis != NULL)
		redis_flush(f->redis);	/* good bye */
	seal_free(&f->seal);
	if (f->redis != NULL)
		keep_forget(f->keep, f->redis);
	redis_free(&f->redis);
	buf_fini(&f->frame);
	buf_fini(&f->waits);
	buf_fini(&f->journal);
	free(f->journals);
	f->magic = 0;
	free(f);
}
