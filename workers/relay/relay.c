/*
 * The relay's loop: control messages, peers, announcements; see relay.h.
 * Each turn reads all peers that have something, then writes each queue that
 * was filled by one call.
 */
#include "relay/relay.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/coverage.h"
#include "conf/conf.h"
#include "relay/far.h"
#include "relay/local/announce.h"
#include "relay/local/feed.h"
#include "shm/counters.h"
#include "shm/slots.h"
#include "shm/stats.h"
#include "shm/table_relay.h"
#include "sys/ipc.h"
#include "sys/log.h"
#include "sys/loop.h"

#define RELAY_BEAT_MS	1000
#define RELAY_UNSURE_MS	10000	/* so long a process may hang before it is
				 * ended: what it holds is no older */

struct relay {
	const struct heritage *h;
	struct loop	*loop;
	struct exchange	 exchange;
	struct loop_fd	 control;
	struct loop_fd	 ring;		/* marks in shared memory */
	struct table_relay *tables[2];	/* enum table_id */
	struct announce	*announce;
	struct far	*far;		/* NULL: there are no other hosts */
	struct timer	 beat;
	struct timer	 leave;		/* the next that is told late */
	bool		 marked;	/* announcements wait: do not sleep */
	uint32_t	 lost[ROLE_SLOTS_MAX]; /* generations whose stream is
					 * lost and the master does not know;
					 * 0: none */
};

/* --- announcements -------------------------------------------------------*/

/* Rooms: what other hosts publish to them is listened to. */
static bool
relay_interest(void *arg, const struct table_event *e)
{
	struct relay *r = arg;

	far_interest(r->far, e);
	return (true);
}

/* To the workers here, then to the other hosts. */
static bool
relay_presence(void *arg, const struct table_event *e)
{
	struct relay *r = arg;

	if (!announce_presence(r->announce, e))
		return (false);
	far_presence(r->far, e);
	return (true);
}

/* What a worker had no room for: some of it. */
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
	if (table_held(r->tables[TABLE_PRESENCE]) > 0 &&
	    announce_relieved(r->announce))
		relay_announce_held(r);
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
		    (enum table_id)i, r->h->conf->leave_grace_ms * 1000);
		if (r->tables[i] == NULL)
			return (-1);
		table_inherit_begin(r->tables[i]);
	}
	table_inherit_end(r->tables[TABLE_INTEREST]);
	far_mirror(r->far, r->tables[TABLE_PRESENCE]);
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

/* --- peers ---------------------------------------------------------------*/

/* What a worker said last is delivered, though it may be dead by now. */
static void
relay_drop_peer(struct relay *r, struct peer *p, enum peer_result why)
{
	feed_finish(&r->exchange, p, why);
	far_worker_gone(r->far, p->slot);
	exchange_remove(&r->exchange, p);
	peer_free(&p);
	counter_set(COUNTER_relay_peers, r->exchange.npeers);
}

/* The stream is of no use, or never came: the master may have a new one made.
 * What can't be said now is said at the next beat. */
static void
relay_tell_lost(struct relay *r, unsigned slot, uint32_t generation)
{
	struct ipc_msg m;

	ipc_init(&m, CONTROL_BUS_LOST);
	ipc_put_u32(&m, slot);
	ipc_put_u32(&m, generation);
	r->lost[slot] = ipc_send(r->control.fd, &m) == 1 ? 0 : generation;
}

static void
relay_tell_again(struct relay *r)
{
	unsigned i;

	for (i = 1; i < ROLE_SLOTS_MAX; i++)
		if (r->lost[i] != 0)
			relay_tell_lost(r, i, r->lost[i]);
}

static void
relay_lost_peer(struct relay *r, struct peer *p, enum peer_result why)
{
	unsigned slot = p->slot;
	uint32_t generation = p->generation;

	if (why == PEER_BAD) {
		counter_add(COUNTER_bus_bad, 1);
		log_warnx("bus_nonsense slot=%u", p->slot);
	} else
		log_debug("bus_ended slot=%u", p->slot);
	relay_drop_peer(r, p, why);
	relay_tell_lost(r, slot, generation);
}

static void
relay_on_peer(struct loop_fd *f, unsigned events)
{
	struct peer *p = container_of(f, struct peer, io);
	struct relay *r = p->arg;
	enum peer_result res = PEER_OK;

	if (events & LOOP_OUT)
		res = peer_writable(p);
	if (res == PEER_OK && (events & (LOOP_IN | LOOP_HUP)))
		res = feed_read(&r->exchange, p);
	if (res == PEER_GONE || res == PEER_BAD)
		relay_lost_peer(r, p, res);
}

static void
relay_add_peer(struct relay *r, unsigned slot, uint32_t generation, int fd)
{
	struct peer *p;

	p = exchange_peer(&r->exchange, slot);
	if (p != NULL) {
		relay_drop_peer(r, p, PEER_GONE);
		counter_add(COUNTER_bus_reconnects, 1);
	}
	p = peer_new(r->loop, slot, generation, fd,
	    (size_t)r->h->conf->bus_queue_bytes, relay_on_peer);
	r->lost[slot] = 0;
	if (p == NULL) {
		log_warn("bus_not_taken slot=%u", slot);
		relay_tell_lost(r, slot, generation);
		return;
	}
	p->arg = r;
	exchange_add(&r->exchange, p);
	counter_set(COUNTER_relay_peers, r->exchange.npeers);
}

static uint64_t
relay_unsure_ms(const struct relay *r)
{
	uint64_t ms = r->h->conf->worker_timeout_ms;

	return (ms > RELAY_UNSURE_MS ? ms : RELAY_UNSURE_MS);
}

/* A process died with what it had for anybody, here and elsewhere. */
static void
relay_gap_all(struct relay *r)
{
	uint64_t from_ms = r->exchange.now_ms - relay_unsure_ms(r);

	exchange_gap_all(&r->exchange, from_ms);
	far_gap_all(r->far, from_ms);
}

/* --- control -------------------------------------------------------------*/

static bool
relay_bus(struct relay *r, struct ipc_msg *m)
{
	uint32_t generation, slot;

	slot = ipc_get_u32(m);
	generation = ipc_get_u32(m);
	if (!ipc_end(m) || slot == 0 || slot >= ROLE_SLOTS_MAX ||
	    (m->fd == -1 && !m->fd_lost))
		return (false);
	if (m->fd_lost) {
		log_warnx("bus_no_descriptor slot=%u", slot);
		counter_add(COUNTER_files_lost, 1);
		relay_tell_lost(r, slot, generation);
		return (true);
	}
	relay_add_peer(r, slot, generation, m->fd);
	m->fd = -1;
	return (true);
}

static bool
relay_bus_gone(struct relay *r, struct ipc_msg *m)
{
	struct peer *p;
	uint32_t slot, held;

	slot = ipc_get_u32(m);
	held = ipc_get_u32(m);
	if (!ipc_end(m))
		return (false);
	p = exchange_peer(&r->exchange, slot);
	if (p != NULL)
		relay_drop_peer(r, p, PEER_GONE);
	if (held != 0)
		relay_gap_all(r);
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
	case CONTROL_REREAD:
		far_reread(r->far);
		return (true);
	case CONTROL_LOG:
		if (m->fd_lost)
			counter_add(COUNTER_files_lost, 1);
		else
			log_reopen(m->fd);
		return (ipc_end(m));
	case CONTROL_STOP:
		/* the workers are gone by now */
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

/* Be there when the next leave has waited long enough. */
static void
relay_wait_for_leaves(struct relay *r)
{
	uint64_t due, at = UINT64_MAX;
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
relay_before_wait(void *arg)
{
	struct relay *r = arg;

	slot_does(segment_slot(r->h->segment, 0), SLOT_ENDING);
	exchange_tell_gaps(&r->exchange);
	relay_flush(r);
	relay_announced(r);
	far_flush(r->far);
	relay_wait_for_leaves(r);
	r->marked = !segment_relay_sleep(r->h->segment) ||
	    (table_held(r->tables[TABLE_PRESENCE]) > 0 &&
	    announce_relieved(r->announce));
	slot_does(segment_slot(r->h->segment, 0), SLOT_WAITING);
	slots_quiesce_enter(r->h->segment, 0);
}

static bool
relay_busy(void *arg)
{
	const struct relay *r = arg;

	return (r->marked || far_busy(r->far));
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
	relay_announce(r);
	slot_does(segment_slot(r->h->segment, 0), SLOT_READING);
}

static void
relay_on_beat(struct timer *t, struct mono now)
{
	struct relay *r = container_of(t, struct relay, beat);

	stats_heartbeat(r->h->stats, 0, loop_wall(r->loop));
	coverage_save();
	relay_tell_again(r);
	far_beat(r->far);
	relay_announce_held(r);		/* memory was short, perhaps */
	timer_start(loop_wheel(r->loop), t,
	    mono_add_ms(now, RELAY_BEAT_MS), relay_on_beat);
}

/* --- birth and death -----------------------------------------------------*/

static int
relay_open(struct relay *r)
{
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
	if (far_open(&r->far, r->h, r->loop, &r->exchange) == -1 ||
	    relay_open_tables(r) == -1)
		return (-1);
	/* what a predecessor had taken from the workers; these tell their own
	 * clients */
	if (counter_get(COUNTER_relay_starts) > 0)
		far_gap_all(r->far, r->exchange.now_ms - relay_unsure_ms(r));
	counter_add(COUNTER_relay_starts, 1);
	ipc_init(&ready, CONTROL_READY);
	return (ipc_send(r->control.fd, &ready) == 1 ? 0 : -1);
}

static void
relay_close(struct relay *r)
{
	struct peer *p;
	unsigned slot;

	for (slot = 1; slot < ROLE_SLOTS_MAX; slot++) {
		p = exchange_peer(&r->exchange, slot);
		if (p != NULL)
			relay_drop_peer(r, p, PEER_GONE);
	}
	far_close(&r->far);
	exchange_fini(&r->exchange);
	announce_free(&r->announce);
	table_relay_close(&r->tables[TABLE_PRESENCE]);
	table_relay_close(&r->tables[TABLE_INTEREST]);
	loop_del(r->loop, &r->control);
	loop_del(r->loop, &r->ring);
	loop_free(&r->loop);
}

int
relay_run(const struct heritage *h)
{
	static struct relay relay; /* one a process */
	struct relay *r = &relay;
	struct loop_hooks hooks = { relay_before_wait, relay_after_wait,
		relay_busy, r };

	r->h = h;
	r->loop = loop_new();
	exchange_init(&r->exchange, h->conf);
	r->exchange.now_ms = loop_wall(r->loop).ms;
	loop_hooks(r->loop, &hooks);
	slot_heartbeat(h->segment, 0, loop_now(r->loop).us);
	if (relay_open(r) == -1)
		fatal("relay_not_started");
	timer_start(loop_wheel(r->loop), &r->beat, loop_now(r->loop),
	    relay_on_beat);
	loop_run(r->loop);
	relay_close(r);
	return (EX_OK);
}

const struct role role_relay = { "relay", SLOT_RELAY, relay_run };
