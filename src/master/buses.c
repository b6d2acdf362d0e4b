/*
 * Makes and hands out the streams between workers and relay; see buses.h.
 */
#include "master/buses.h"

#include <sys/socket.h>

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "shm/slots.h"
#include "sys/log.h"
#include "sys/plat.h"

#define BUSES_BUFFER	(1 << 20)	/* bytes, each direction */

static int
buses_pair(int fds[2])
{
	static struct log_rate rate;
	uint64_t held;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    fds) == -1) {
		if (log_rate(&rate, mono_now(), &held))
			log_warn("bus_not_made held=%" PRIu64, held);
		return (-1);
	}
	plat_socket_buffers(fds[0], BUSES_BUFFER);
	plat_socket_buffers(fds[1], BUSES_BUFFER);
	return (0);
}

static void
buses_close(int *fd)
{
	if (*fd != -1)
		(void)close(*fd);
	*fd = -1;
}

/* Give `to` its end of the stream to the child in `with`. */
static bool
buses_give(struct seat *to, const struct seat *with, int fd)
{
	struct ipc_msg m;

	ipc_init(&m, CONTROL_BUS);
	ipc_put_u32(&m, with->slot);
	ipc_put_u32(&m, with->generation);
	m.fd = fd;
	return (seat_tell(to, &m));
}

static void
buses_made(struct seat *worker, struct mono now)
{
	worker->bus_due = false;
	worker->bus_made = now;
}

/* --- for a child that is being made --------------------------------------*/

static void
buses_make_worker(struct seat *s, struct heritage *h, struct bus_ends *ends)
{
	struct seat *relay = seats_relay(s->all);
	int fds[2];

	s->bus_due = false;
	if (relay->state == SEAT_EMPTY || relay->ending)
		return; /* the next relay brings one */
	if (buses_pair(fds) == -1) {
		s->bus_due = true;
		return;
	}
	h->bus_fds[0] = fds[0];
	h->bus_generations[0] = relay->generation;
	ends->other[0] = fds[1];
}

static void
buses_make_relay(struct seat *s, struct heritage *h, struct bus_ends *ends)
{
	struct seat *w;
	int fds[2];

	SEATS_FOREACH_WORKER(w, s->all) {
		if (w->state == SEAT_EMPTY)
			continue;
		if (buses_pair(fds) == -1) {
			w->bus_due = true;
			continue;
		}
		h->bus_fds[w->slot] = fds[0];
		h->bus_generations[w->slot] = w->generation;
		ends->other[w - s->all->seat] = fds[1];
	}
}

void
buses_make(struct seat *s, struct heritage *h, struct bus_ends *ends)
{
	size_t i;

	for (i = 0; i < ROLE_SLOTS_MAX; i++)
		ends->other[i] = h->bus_fds[i] = -1;
	if (s->role->id == SLOT_RELAY)
		buses_make_relay(s, h, ends);
	else
		buses_make_worker(s, h, ends);
}

void
buses_hand_out(struct seat *s, const struct heritage *h, struct bus_ends *ends,
    bool ok, struct mono now)
{
	bool relay = s->role->id == SLOT_RELAY;
	struct seat *worker;
	unsigned i;
	int own;

	for (i = 0; i < ROLE_SLOTS_MAX; i++) {
		own = h->bus_fds[i];
		buses_close(&own);
		if (ends->other[i] == -1)
			continue;
		worker = relay ? &s->all->seat[i] : s;
		if (ok) {
			buses_made(worker, now);
			if (!buses_give(relay ? worker : seats_relay(s->all),
			    s, ends->other[i]))
				worker->bus_due = true;
		}
		buses_close(&ends->other[i]);
	}
}

/* --- for those that live -------------------------------------------------*/

void
buses_gone(struct seat *worker)
{
	struct seat *relay = seats_relay(worker->all);
	struct ipc_msg m;

	worker->bus_due = false;
	if (relay->state == SEAT_EMPTY)
		return;
	ipc_init(&m, CONTROL_BUS_GONE);
	ipc_put_u32(&m, worker->slot);
	ipc_put_u32(&m, worker->bus_held ? 1 : 0);
	/* if it does not get through, the relay sees the stream end anyway */
	(void)seat_tell(relay, &m);
}

void
buses_lost(struct seats *all, uint32_t slot, uint32_t generation)
{
	struct seat *w;

	SEATS_FOREACH_WORKER(w, all)
		/* the dead have a new one coming when they are replaced */
		if (w->state != SEAT_EMPTY && w->slot == slot &&
		    w->generation == generation)
			w->bus_due = true;
}

void
buses_wanted(struct seat *worker, struct mono now)
{
	if (now.us >= mono_add_ms(worker->bus_made, BUSES_REPAIR_MS).us)
		worker->bus_due = true;
}

static void
buses_repair_one(struct seat *worker, struct seat *relay, struct mono now)
{
	int fds[2];

	buses_made(worker, now);
	if (buses_pair(fds) == -1) {
		worker->bus_due = true;
		return;
	}
	if (!buses_give(relay, worker, fds[0]) ||
	    !buses_give(worker, relay, fds[1]))
		worker->bus_due = true;
	log_info("bus_renewed slot=%u", worker->slot);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

void
buses_repair(struct seats *all, struct mono now)
{
	struct seat *relay = seats_relay(all), *w;

	if (relay->state == SEAT_EMPTY || relay->ending)
		return;
	SEATS_FOREACH_WORKER(w, all)
		if (w->state != SEAT_EMPTY && w->bus_due &&
		    now.us >= mono_add_ms(w->bus_made, BUSES_REPAIR_MS).us)
			buses_repair_one(w, relay, now);
}
