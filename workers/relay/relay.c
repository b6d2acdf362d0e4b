/*
 * The relay's loop: control messages, peers, announcements; see relay.h.
 * Each turn reads all peers that have something, then writes each queue that
 * was filled by one call.
 */
#include "relay/relay_int.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/coverage.h"
#include "conf/conf.h"
#include "conf/read/free.h"
#include "relay/conf_take.h"
#include "relay/spaces.h"
#include "shm/counters.h"
#include "shm/slots.h"
#include "shm/stats.h"
#include "sys/log.h"

#define RELAY_BEAT_MS	1000

/* --- announcements -------------------------------------------------------*/

/* Rooms: what other hosts publish to them is listened to. */
static bool
relay_interest(void *arg, const struct table_event *e)
{
	struct relay *r = arg;

	links_interest(r->links, e);
	keep_interest(r->keep, e);
	return (true);
}

/* To the workers here, then to the other hosts. */
static bool
relay_presence(void *arg, const struct table_event *e)
{
	struct relay *r = arg;
	struct table_event user;

	if (announce_is_mark(r->announce, e)) {
		if (!announce_of_mark(r->announce, e, &user))
			return (true);
		e = &user;
	}
	if (!announce_presence(r->announce, e))
		return (false);
	links_presence(r->links, e);
	hooks_presence(r->hooks, e);
	return (true);
}

/* Something that was not told may be told now. */
static bool
relay_can_tell_held(const struct relay *r)
{
	return (table_held(r->tables[TABLE_PRESENCE]) > 0 &&
	    (announce_relieved(r->announce) ||
	    announce_due(r->announce) <= loop_now(r->loop).us));
}

/* What a worker had no room for, or is to be told later: some of it. */
static void
relay_announce_held(struct relay *r)
{
	announce_again(r->announce);
	table_announce_held(r->tables[TABLE_PRESENCE], loop_now(r->loop),
	    relay_presence, r);
}

static void
relay_announce(struct relay *r)
{
	(void)table_announce(r->tables[TABLE_PRESENCE], loop_now(r->loop),
	    relay_presence, r);
	(void)table_announce(r->tables[TABLE_INTEREST], loop_now(r->loop),
	    relay_interest, r);
	if (relay_can_tell_held(r))
		relay_announce_held(r);
	announce_turn(r->announce, loop_now(r->loop));
}

static int
relay_open_tables(struct relay *r)
{
	size_t i;

	r->announce = announce_new(r->h, &r->exchange);
	if (r->announce == NULL)
		return (-1);
	for (i = 0; i < nitems(r->tables); i++) {
		r->tables[i] = table_relay_open(r->h->segment,
		    (enum table_id)i, r->conf->leave_grace_ms * 1000);
		if (r->tables[i] == NULL)
			return (-1);
		table_inherit_begin(r->tables[i]);
	}
	table_inherit_end(r->tables[TABLE_INTEREST]);
	links_tables(r->links, r->tables[TABLE_INTEREST],
	    r->tables[TABLE_PRESENCE]);
	announce_learn(r->announce);
	announce_count_all(r->announce);
	table_announce_queues(r->tables[TABLE_PRESENCE]);
	table_announce_all(r->tables[TABLE_PRESENCE], loop_now(r->loop),
	    relay_presence, r);
	table_announce_all(r->tables[TABLE_INTEREST], loop_now(r->loop),
	    relay_interest, r);
	/* what a predecessor was told, this one has to listen to as well */
	table_tell_all(r->tables[TABLE_INTEREST], relay_interest, r);
	return (0);
}

static void
relay_on_ring(struct loop_fd *f, unsigned events)
{
	uint64_t n;

	(void)events;
	if (read(f->fd, &n, sizeof n) == -1 && errno != EAGAIN)
		log_warn("ring"); /* the marks are read after each wait */
}

/* --- control -------------------------------------------------------------*/

/* Those that nobody needs any more. */
static void
relay_drop_confs(struct relay *r)
{
	size_t i;

	for (i = 0; i < nitems(r->taken); i++)
		if (r->taken[i] != NULL && r->taken[i] != r->conf &&
		    !links_use(r->links, r->taken[i]))
			conf_free(&r->taken[i]);
}

static void
relay_keep_conf(struct relay *r, struct conf *conf)
{
	size_t i;

	for (i = 0; r->taken[i] != NULL; i++)
		MUST(i + 1 < nitems(r->taken));
	r->taken[i] = conf;
}

/* false: no memory for all of it. */
static bool
relay_use_conf(struct relay *r, const struct conf *conf)
{
	const struct spaces sp = { .arg = r,
		.interest = r->tables[TABLE_INTEREST],
		.presence = r->tables[TABLE_PRESENCE],
		.on_interest = relay_interest, .on_presence = relay_presence };
	const struct conf *before = r->conf;
	int level = log_level_from(conf->log_level);
	size_t i;

	spaces_leave(&sp, before, conf);
	r->conf = conf;
	if (level >= 0)
		log_set_level((enum log_level)level);
	exchange_conf(&r->exchange, conf);
	announce_conf(r->announce, conf);
	keep_conf(r->keep, conf);
	boxes_conf(r->boxes, conf);
	stream_conf(r->stream, conf);
	hooks_conf(r->hooks, conf);
	for (i = 0; i < nitems(r->tables); i++)
		table_leave_delay(r->tables[i], conf->leave_grace_ms * 1000);
	links_conf(r->links, conf);
	spaces_come(&sp, before, conf);
	announce_count_all(r->announce);
	return (links_change(r->links, conf));
}

/* It is sent again. */
static void
relay_lost_conf(struct relay *r)
{
	struct ipc_msg lost;

	ipc_init(&lost, CONTROL_CONF_LOST);
	if (ipc_send(r->control.fd, &lost) != 1)
		fatalx(EX_TEMPFAIL, "configuration_lost");
}

static bool
relay_take_conf(struct relay *r, struct ipc_msg *m)
{
	struct conf *conf;
	bool all;

	if (!ipc_end(m) || (m->fd == -1 && !m->fd_lost))
		return (false);
	conf = m->fd_lost ? NULL : conf_take(m->fd);
	if (m->fd_lost)
		counter_add(COUNTER_files_lost, 1);
	if (conf == NULL) {
		relay_lost_conf(r);
		return (true);
	}
	relay_drop_confs(r);
	relay_keep_conf(r, conf);
	all = relay_use_conf(r, conf);
	relay_drop_confs(r);
	if (all)
		log_info("configuration_taken");
	else {
		counter_add(COUNTER_memory_failures, 1);
		relay_lost_conf(r);
	}
	return (true);
}

static void
relay_on_end_over(struct timer *t, struct mono now)
{
	struct relay *r = container_of(t, struct relay, end_over);

	(void)now;
	log_warnx("end_time_over");
	r->code = EX_TEMPFAIL;	/* something was not given to somebody */
	relay_leave_store(r);
	loop_stop(r->loop);
}

static bool
relay_end(struct relay *r, struct ipc_msg *m)
{
	uint64_t ms = ipc_get_u64(m);
	struct ipc_msg heard;

	if (!ipc_end(m))
		return (false);
	ipc_init(&heard, CONTROL_BUS_END);
	if (ipc_send(r->control.fd, &heard) != 1)
		return (true);	/* it is said again */
	r->ending = true;
	timer_start(loop_wheel(r->loop), &r->end_over,
	    mono_add_ms(loop_now(r->loop), ms), relay_on_end_over);
	return (true);
}

static bool
relay_obey(struct relay *r, struct ipc_msg *m)
{
	switch (m->type) {
	case CONTROL_BUS:
		return (relay_bus(r, m));
	case CONTROL_BUS_GONE:
		return (relay_bus_gone(r, m));
	case CONTROL_CONF:
		return (relay_take_conf(r, m));
	case CONTROL_BUS_END:
		return (relay_end(r, m));
	case CONTROL_REREAD:
		links_reread(r->links);
		return (true);
	case CONTROL_LOG:
		if (m->fd_lost)
			counter_add(COUNTER_files_lost, 1);
		else
			log_reopen(m->fd);
		return (ipc_end(m));
	case CONTROL_STOP:
		/* the workers are gone by now, and no relay comes */
		r->ending = false;
		loop_stop(r->loop);
		return (true);
	default:
		return (false);
	}
}

static void
relay_on_control(struct loop_fd *f, unsigned events)
{
	struct relay *r = container_of(f, struct relay, control);
	struct ipc_msg m;
	int n;

	(void)events;
	while ((n = ipc_recv(f->fd, &m)) == 1) {
		if (!relay_obey(r, &m)) {
			log_warnx("control_bad type=%u", m.type);
			counter_add(COUNTER_control_bad, 1);
		}
		if (m.fd != -1)
			(void)close(m.fd);
	}
	if (n == -1) {
		log_warn("control_bad");
		counter_add(COUNTER_control_bad, 1);
	}
	if (n == -2) {
		log_warnx("master_gone");
		loop_stop(r->loop);
	}
}

/* --- the turn ------------------------------------------------------------*/

static void
relay_flush(struct relay *r)
{
	enum peer_result res;
	struct peer *p;

	while ((p = exchange_next_dirty(&r->exchange)) != NULL) {
		res = peer_flush(p);
		if (res != PEER_OK)
			relay_lost_peer(r, p, res);
	}
}

static void
relay_on_leave(struct timer *t, struct mono now)
{
	struct relay *r = container_of(t, struct relay, leave);

	(void)now;
	relay_announce(r);
}

/* What is written is told, whatever becomes of us: what stood in the queues at
 * the last mark, then, if they are empty, the rest. */
static void
relay_announced(struct relay *r)
{
	struct table_relay *t = r->tables[TABLE_PRESENCE];

	while (table_announce_unsent(t) &&
	    exchange_mark_reached(&r->exchange)) {
		table_announce_sent(t);
		exchange_mark(&r->exchange);
	}
}

/* Be there when the next leave, or status, has waited long enough. */
static void
relay_wait_for_leaves(struct relay *r)
{
	uint64_t due, at = announce_due(r->announce);
	size_t i;

	for (i = 0; i < nitems(r->tables); i++) {
		due = table_announce_due(r->tables[i]);
		at = due < at ? due : at;
	}
	if (at == UINT64_MAX)
		timer_stop(loop_wheel(r->loop), &r->leave);
	else
		timer_start(loop_wheel(r->loop), &r->leave,
		    (struct mono){ at }, relay_on_leave);
}

static void
relay_boxes(struct relay *r)
{
	const struct conf *section;
	struct redis *redis;
	uint64_t serial;
	bool alone;

	redis = links_redis(r->links, &section, &serial, &alone);
	boxes_redis(r->boxes, redis, section == NULL ? "" :
	    section->redis.prefix, serial != r->boxes_serial, alone);
	r->boxes_serial = serial;
}

static void
relay_stream(struct relay *r)
{
	struct stream_link link;

	link.redis = links_redis(r->links, &link.section, &link.serial,
	    &link.alone);
	stream_turn(r->stream, &link);
}

static void
relay_before_wait(void *arg)
{
	struct relay *r = arg;

	slot_does(segment_slot(r->h->segment, 0), SLOT_ENDING);
	exchange_tell_gaps(&r->exchange);
	keep_turn(r->keep);
	relay_boxes(r);
	relay_flush(r);
	relay_announced(r);
	relay_stream(r);
	hooks_turn(r->hooks, r->tables[TABLE_PRESENCE]);
	links_flush(r->links);
	if (r->ending && exchange_done(&r->exchange) &&
	    keep_is_settled(r->keep) && boxes_is_settled(r->boxes) &&
	    stream_is_settled(r->stream) &&
	    hooks_is_settled(r->hooks)) {
		relay_leave_store(r);
		loop_stop(r->loop);
	}
	relay_wait_for_leaves(r);
	r->marked = !segment_relay_sleep(r->h->segment) ||
	    relay_can_tell_held(r);
	slot_does(segment_slot(r->h->segment, 0), SLOT_WAITING);
	slots_quiesce_enter(r->h->segment, 0);
}

static bool
relay_busy(void *arg)
{
	const struct relay *r = arg;

	return (r->marked || links_busy(r->links) || keep_busy(r->keep) ||
	    boxes_busy(r->boxes) || hooks_busy(r->hooks));
}

static void
relay_after_wait(void *arg)
{
	struct relay *r = arg;

	slots_quiesce_leave(r->h->segment, 0);
	segment_relay_woke(r->h->segment);
	slot_heartbeat(r->h->segment, 0, loop_now(r->loop).us);
	slot_does(segment_slot(r->h->segment, 0), SLOT_RESUMING);
	r->exchange.now_ms = loop_wall(r->loop).ms;
	r->exchange.mono_ms = loop_now(r->loop).us / 1000;
	relay_announce(r);
	slot_does(segment_slot(r->h->segment, 0), SLOT_READING);
}

static void
relay_on_beat(struct timer *t, struct mono now)
{
	struct relay *r = container_of(t, struct relay, beat);

	stats_heartbeat(r->h->stats, 0, loop_wall(r->loop));
	coverage_save();
	if (r->h->confine != NULL)
		r->h->confine->second();
	relay_tell_again(r);
	links_beat(r->links);
	relay_drop_confs(r);
	exchange_tick(&r->exchange);
	relay_announce_held(r);		/* memory was short, perhaps */
	timer_start(loop_wheel(r->loop), t,
	    mono_add_ms(now, RELAY_BEAT_MS), relay_on_beat);
}

/* --- birth and death -----------------------------------------------------*/

static int
relay_open(struct relay *r)
{
	const struct keep_params keep = { .conf = r->conf,
		.segment = r->h->segment, .exchange = &r->exchange,
		.wheel = loop_wheel(r->loop) };
	struct stream_params stream = { .conf = r->conf,
		.exchange = &r->exchange, .segment = r->h->segment,
		.node_id = r->h->node_id };
	const struct boxes_params boxes = { .conf = r->conf,
		.exchange = &r->exchange, .segment = r->h->segment };
	struct ipc_msg ready;
	unsigned slot;

	if (loop_add(r->loop, &r->control, r->h->control_fd, LOOP_IN,
	    relay_on_control) == -1 || loop_add(r->loop, &r->ring,
	    segment_relay_fd(r->h->segment), LOOP_IN, relay_on_ring) == -1)
		return (-1);
	/* before the tables: what they announce has someone to go to */
	for (slot = 1; slot < ROLE_SLOTS_MAX; slot++) {
		if (r->h->bus_fds[slot] != -1)
			relay_add_peer(r, slot, r->h->bus_generations[slot],
			    r->h->bus_fds[slot]);
	}
	r->boxes = boxes_new(&boxes);
	if (r->boxes != NULL)
		r->keep = keep_new(&keep);
	if (r->keep != NULL)
		keep_along(r->keep, boxes_save, boxes_load, r->boxes);
	relay_open_left(r, &stream);
	if (r->keep != NULL)
		r->links = links_new(r->h, r->loop, &r->exchange, r->keep);
	if (r->hooks == NULL || r->links == NULL ||
	    relay_open_tables(r) == -1)
		return (-1);
	/* what a predecessor had taken from the workers; these tell their own
	 * clients */
	if (counter_get(COUNTER_relay_starts) > 0)
		links_gap_all(r->links, r->exchange.now_ms - relay_unsure_ms(r));
	counter_add(COUNTER_relay_starts, 1);
	if (r->h->confine != NULL)
		r->h->confine->begin(r->h);
	ipc_init(&ready, CONTROL_READY);
	return (ipc_send(r->control.fd, &ready) == 1 ? 0 : -1);
}

static void
relay_close(struct relay *r)
{
	struct peer *p;
	unsigned slot;
	size_t i;

	for (slot = 1; slot < ROLE_SLOTS_MAX; slot++) {
		p = exchange_peer(&r->exchange, slot);
		if (p != NULL)
			relay_drop_peer(r, p, PEER_GONE);
	}
	if (r->ending)
		links_hush(r->links);	/* who is here stays */
	links_free(&r->links);
	hooks_free(&r->hooks);
	stream_free(&r->stream);
	keep_free(&r->keep);
	boxes_free(&r->boxes);
	exchange_fini(&r->exchange);
	announce_free(&r->announce);
	table_relay_close(&r->tables[TABLE_PRESENCE]);
	table_relay_close(&r->tables[TABLE_INTEREST]);
	loop_del(r->loop, &r->control);
	loop_del(r->loop, &r->ring);
	loop_free(&r->loop);
	for (i = 0; i < nitems(r->taken); i++)
		conf_free(&r->taken[i]);
}

int
relay_run(const struct heritage *h)
{
	static struct relay relay; /* one a process */
	struct relay *r = &relay;
	struct loop_hooks hooks = { relay_before_wait, relay_after_wait,
		relay_busy, r };

	r->h = h;
	r->conf = h->conf;
	r->loop = loop_new();
	exchange_init(&r->exchange, h->conf);
	r->exchange.now_ms = loop_wall(r->loop).ms;
	r->exchange.mono_ms = loop_now(r->loop).us / 1000;
	loop_hooks(r->loop, &hooks);
	slot_heartbeat(h->segment, 0, loop_now(r->loop).us);
	if (relay_open(r) == -1)
		fatal("relay_not_started");
	timer_start(loop_wheel(r->loop), &r->beat, loop_now(r->loop),
	    relay_on_beat);
	loop_run(r->loop);
	relay_close(r);
	return (r->code);
}

const struct role role_relay = { "relay", SLOT_RELAY, relay_run };
