/*
 * Who is there, what they say, and whether they still turn; see children.h.
 */
#include "master/children_int.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "master/buses.h"
#include "master/pairs.h"
#include "master/handovers.h"
#include "shm/counters.h"
#include "shm/segment.h"
#include "shm/slots.h"
#include "sys/log.h"

/* Those who serve, by the plan that now counts. */
void
children_seat_all(struct children *c)
{
	struct seat *s;
	unsigned i;

	c->seats->seat[0].edition = c->now.edition;
	for (i = 0; i < c->now.nworkers; i++) {
		s = seats_find(c->seats, i, SEAT_SERVING);
		if (s == NULL) {
			s = seats_find(c->seats, i, SEAT_SPARE);
			MUST(s != NULL);
			s->standing = SEAT_SERVING;
			s->issue = c->issue;
		}
		s->edition = c->now.edition;
		s->listens = c->now.listens;
	}
}

struct children *
children_new(const struct children_params *p)
{
	struct children *c;

	c = calloc(1, sizeof *c);
	if (c == NULL)
		return (NULL);
	c->magic = CHILDREN_MAGIC;
	c->p = *p;
	c->store_fd = -1;
	conf_send_init(&c->conf_send);
	c->now = p->first;
	c->issue = 1;
	c->seats = seats_new(p->loop, p->relay, p->worker,
	    (segment_nslots(p->segment) - 1) / 2);
	if (c->seats == NULL) {
		free(c);
		return (NULL);
	}
	c->seats->children = c;
	children_seat_all(c);
	return (c);
}

void
children_free(struct children **cp)
{
	struct children *c;

	c = *cp;
	if (c == NULL)
		return;
	*cp = NULL;
	CHECK_MAGIC(c, CHILDREN_MAGIC);
	seats_free(&c->seats);
	conf_send_fini(&c->conf_send);
	children_relay_forget(c);
	c->magic = 0;
	free(c);
}

struct seats_count
children_count(const struct children *c)
{
	return (seats_count(c->seats));
}

bool
children_all_ready(const struct children *c)
{
	struct seats_count n;

	n = seats_count(c->seats);
	return (n.workers_ready == c->now.nworkers && n.relays_ready == 1);
}

int
children_failed(const struct children *c)
{
	return (c->failed);
}

/* --- what they are told --------------------------------------------------*/

/* Whom it does not reach now is told with the next tick.  One that starts reads
 * everything, though perhaps before this: it is told as well. */
void
children_reread(struct children *c)
{
	struct seat *relay = seats_relay(c->seats);
	struct ipc_msg m;

	ipc_init(&m, CONTROL_REREAD);
	c->reread_due = relay->state != SEAT_EMPTY && !seat_tell(relay, &m);
}

int
children_send_conf(struct children *c, const struct conf_source *source,
    const struct conf *conf)
{
	CHECK_MAGIC(c, CHILDREN_MAGIC);
	if (conf_send_set(&c->conf_send, source, conf) == -1)
		return (-1);
	(void)conf_send_try(&c->conf_send, seats_relay(c->seats));
	return (0);
}

static void
children_tell_log(struct children *c)
{
	struct ipc_msg m;
	struct seat *s;
	unsigned i;

	for (i = 0; i < c->seats->n; i++) {
		s = &c->seats->seat[i];
		if (s->state == SEAT_EMPTY || !s->log_due)
			continue;
		ipc_init(&m, CONTROL_LOG);
		m.fd = c->log_file ? STDERR_FILENO : -1;
		s->log_due = !seat_tell(s, &m);
	}
}

void
children_reopen_log(struct children *c, bool file)
{
	unsigned i;

	c->log_file = file;
	for (i = 0; i < c->seats->n; i++)
		c->seats->seat[i].log_due = true;
	children_tell_log(c);
}

/* --- what they say -------------------------------------------------------*/

void
children_recount(struct children *c)
{
	struct seats_count n = seats_count(c->seats);

	counter_set(COUNTER_workers_running, n.workers);
	counter_set(COUNTER_generations, n.generations);
}

void
children_changed(struct children *c)
{
	children_recount(c);
	c->p.on_change(c->p.arg);
}

static void
children_heard(struct seat *s, struct ipc_msg *m)
{
	struct children *c = s->all->children;
	uint32_t generation, slot;

	switch (m->type) {
	case CONTROL_READY:
		/* who is to be no more has not begun to serve */
		if (s->state == SEAT_STARTING && s->killed.us == 0) {
			s->state = SEAT_READY;
			s->gone.us = 0;
			log_debug("child_ready role=%s slot=%u pid=%d",
			    s->role->title, s->slot, (int)s->pid);
			children_changed(c);
		}
		break;
	case CONTROL_BUS_END:
		if (s == seats_relay(c->seats))
			children_relay_heard(c);
		break;
	case CONTROL_STORE:
		if (s == seats_relay(c->seats))
			children_relay_saved(c, m);
		break;
	case CONTROL_DRAINED:
		log_debug("child_drained role=%s slot=%u", s->role->title,
		    s->slot);
		break;
	case CONTROL_GIVEN:
		slot = ipc_get_u32(m);
		pairs_given(s, slot);
		break;
	case CONTROL_CONF_LOST:
		if (s == seats_relay(c->seats))
			conf_send_again(&c->conf_send);
		break;
	case CONTROL_BUS_LOST:
		if (s != seats_relay(c->seats)) {
			buses_wanted(s, loop_now(c->p.loop));
			break;
		}
		slot = ipc_get_u32(m);
		generation = ipc_get_u32(m);
		if (ipc_end(m))
			buses_lost(c->seats, slot, generation);
		break;
	default:
		log_warnx("control_unknown type=%u role=%s slot=%u",
		    m->type, s->role->title, s->slot);
		break;
	}
}

void
children_control(struct loop_fd *f, unsigned events)
{
	struct seat *s = container_of(f, struct seat, control);
	struct ipc_msg m;
	int i, r;

	(void)events;
	for (i = 0; i < 64; i++) {
		r = ipc_recv(f->fd, &m);
		if (r == 0)
			return;
		if (r == -2) {
			seat_hang_up(s); /* and wait for waitpid() */
			return;
		}
		if (r == -1) {
			log_warn("control_bad role=%s slot=%u",
			    s->role->title, s->slot);
			counter_add(COUNTER_control_bad, 1);
			return; /* there may be more, next turn */
		}
		children_heard(s, &m);
		if (m.fd != -1)
			(void)close(m.fd); /* nobody has taken it */
	}
}

/* --- every now and then --------------------------------------------------*/

/* Any that serves. */
static struct seat *
children_ready_worker(struct children *c)
{
	struct seat *s;

	SEATS_FOREACH_WORKER(s, c->seats)
		if (s->standing == SEAT_SERVING && s->state == SEAT_READY)
			return (s);
	return (NULL);
}

/* What was passed to a worker that has gone, and nobody is in its slot: who
 * has its sessions is found by any other. */
static void
children_left_over(struct children *c)
{
	struct seat *to = children_ready_worker(c);
	struct ipc_msg m;
	unsigned slot;

	ipc_init(&m, CONTROL_LEFT_OVER);
	for (slot = 1; slot < segment_nslots(c->p.segment); slot++) {
		if (to == NULL ||
		    slot_state(c->p.segment, slot) != SLOT_FREE)
			continue;
		m.fd = handovers_waits(c->p.handovers, slot);
		if (m.fd != -1 && !seat_tell(to, &m))
			log_debug("left_over_put_off slot=%u", slot);
	}
}

void
children_excuse(struct children *c, struct mono now)
{
	c->excused = now;
}

void
children_tick(struct children *c, struct mono now)
{
	struct seat *s;
	unsigned i;

	CHECK_MAGIC(c, CHILDREN_MAGIC);
	children_tell_due(c);
	children_tell_log(c);
	children_left_over(c);
	for (i = 0; i < c->seats->n; i++) {
		s = &c->seats->seat[i];
		if (s->state != SEAT_EMPTY)
			children_watch(s, now);
		else if (s->standing == SEAT_SERVING &&
		    now.us >= s->retry_at.us && (!c->stopping ||
		    (i == 0 && children_need_relay(c))))
			children_spawn(s, now);
		if (s->standing == SEAT_LEAVING && !c->stopping)
			children_leave_step(s, now);
	}
	if (c->even && !c->stopping)
		children_even_step(c, now);
	if (c->stopping)
		children_stop_step(c, now);
	if (!c->stopping || children_need_relay(c))
		buses_repair(c->seats, now);
	(void)conf_send_try(&c->conf_send, seats_relay(c->seats));
	children_relay_step(c, now);
	if (c->reread_due)
		children_reread(c);
}
