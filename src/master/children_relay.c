/*
 * Another relay in the place of the one there is, without a loss: that one is
 * told first, then the workers, which end their streams; when it has read them
 * to their ends and given all out it exits, and the next brings other streams;
 * see children.h.
 */
#include "master/children_int.h"

#include <unistd.h>

#include "shm/counters.h"
#include "shm/slots_before.h"
#include "sys/log.h"

#define RELAY_END_MS	5000	/* for workers to end their streams, and take all */
#define RELAY_KILL_MS	1000	/* after that */

static void
relay_tell_worker(struct seat *s)
{
	struct ipc_msg m;

	ipc_init(&m, CONTROL_BUS_END);
	s->end_due = !seat_tell(s, &m);
}

static void
relay_tell_end(struct seat *relay)
{
	struct ipc_msg m;

	ipc_init(&m, CONTROL_BUS_END);
	ipc_put_u64(&m, RELAY_END_MS);
	(void)seat_tell(relay, &m);	/* until it says that it has heard */
}

void
children_renew_relay(struct children *c, struct mono now)
{
	struct seat *relay = seats_relay(c->seats);

	CHECK_MAGIC(c, CHILDREN_MAGIC);
	/* one that is about to come is of this binary */
	if (relay->state == SEAT_EMPTY || relay->ending || c->stopping)
		return;
	log_info("relay_renewed slot=%u pid=%d", relay->slot, (int)relay->pid);
	relay->ending = relay->end_due = true;
	relay->kill_at = mono_add_ms(now, RELAY_END_MS + RELAY_KILL_MS);
	relay_tell_end(relay);
}

bool
children_relay_leaves(const struct children *c)
{
	return (seats_relay(c->seats)->ending);
}

bool
children_relay_is_former(const struct children *c)
{
	const struct seat *relay = seats_relay(c->seats);

	return (relay->state != SEAT_EMPTY &&
	    slots_before_has(c->p.segment, relay->slot));
}

void
children_relay_heard(struct children *c)
{
	struct seat *relay = seats_relay(c->seats), *s;

	if (!relay->ending || !relay->end_due)
		return;
	relay->end_due = false;
	SEATS_FOREACH_WORKER(s, c->seats)
		if (s->state != SEAT_EMPTY)
			relay_tell_worker(s);
}

void
children_relay_step(struct children *c, struct mono now)
{
	struct seat *relay = seats_relay(c->seats), *s;

	if (!relay->ending || relay->state == SEAT_EMPTY)
		return;
	if (relay->end_due)
		relay_tell_end(relay);
	SEATS_FOREACH_WORKER(s, c->seats)
		if (s->state != SEAT_EMPTY && s->end_due)
			relay_tell_worker(s);
	if (now.us < relay->kill_at.us || relay->killed.us != 0)
		return;
	log_warnx("relay_time_over pid=%d", (int)relay->pid);
	children_kill_one(relay, now);
}

/* Workers that have shut their streams do not know. */
static void
relay_tell_loss(struct children *c)
{
	struct ipc_msg m;
	struct seat *s;

	SEATS_FOREACH_WORKER(s, c->seats) {
		if (s->state == SEAT_EMPTY)
			continue;
		ipc_init(&m, CONTROL_BUS_LOST);
		(void)seat_tell(s, &m);
	}
}

void
children_relay_ended(struct children *c, bool all, struct mono now)
{
	struct seat *relay = seats_relay(c->seats), *s;

	relay->ending = relay->end_due = false;
	SEATS_FOREACH_WORKER(s, c->seats)
		s->end_due = false;
	if (!all)
		relay_tell_loss(c);
	relay->delay_ms = 0;
	relay->retry_at = now;
}

void
children_relay_forget(struct children *c)
{
	if (c->store_fd != -1)
		(void)close(c->store_fd);
	c->store_fd = -1;
}

void
children_relay_saved(struct children *c, struct ipc_msg *m)
{
	children_relay_forget(c);
	if (m->fd_lost)
		counter_add(COUNTER_files_lost, 1);
	c->store_fd = m->fd;
	m->fd = -1;
}
