/*
 * The streams of the workers: they come from the master, and end; see relay.h.
 */
#include "relay/relay_int.h"

#include "conf/conf.h"
#include "shm/counters.h"
#include "sys/log.h"

#define RELAY_UNSURE_MS	10000	/* so long a process may hang before it is
				 * ended: what it holds is no older */

/* What a worker said last is delivered, though it may be dead by now. */
void
relay_drop_peer(struct relay *r, struct peer *p, enum peer_result why)
{
	feed_finish(&r->exchange, p, why);
	exchange_remove(&r->exchange, p);
	links_worker_gone(r->links, p->slot);
	keep_worker_gone(r->keep, p->slot);
	stream_worker_gone(r->stream, p->slot);
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

void
relay_tell_again(struct relay *r)
{
	unsigned i;

	for (i = 1; i < ROLE_SLOTS_MAX; i++)
		if (r->lost[i] != 0)
			relay_tell_lost(r, i, r->lost[i]);
}

void
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
	if (res == PEER_GONE && r->ending && !p->ended && peer_end(p))
		return;
	if (res == PEER_GONE || res == PEER_BAD)
		relay_lost_peer(r, p, res);
}

void
relay_add_peer(struct relay *r, unsigned slot, uint32_t generation, int fd)
{
	struct peer *p;

	p = exchange_peer(&r->exchange, slot);
	if (p != NULL) {
		relay_drop_peer(r, p, PEER_GONE);
		counter_add(COUNTER_bus_reconnects, 1);
	}
	p = peer_new(r->loop, slot, generation, fd,
	    (size_t)r->conf->bus_queue_bytes, relay_on_peer);
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

uint64_t
relay_unsure_ms(const struct relay *r)
{
	uint64_t ms = r->conf->worker_timeout_ms;

	return (ms > RELAY_UNSURE_MS ? ms : RELAY_UNSURE_MS);
}

/* A process died with what it had for anybody, here and elsewhere. */
static void
relay_gap_all(struct relay *r)
{
	uint64_t from_ms = r->exchange.now_ms - relay_unsure_ms(r);

	exchange_gap_all(&r->exchange, from_ms);
	links_gap_all(r->links, from_ms);
	stream_lost(r->stream);
	hooks_lost(r->hooks);
}

bool
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

bool
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
