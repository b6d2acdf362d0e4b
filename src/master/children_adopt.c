/*
 * Children that go on when the master becomes another program: what is said of
 * them there, and found again here; see children.h.
 */
#include "master/children_int.h"

#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "master/reclaim.h"
#include "master/upgrade/record.h"
#include "shm/counters.h"
#include "shm/segment.h"
#include "shm/slots.h"
#include "shm/slots_before.h"
#include "shm/stats.h"
#include "sys/log.h"
#include "sys/plat.h"

#define ADOPT_STRANGERS_MAX	256	/* two generations are fewer */

/* --- there ------------------------------------------------------------------*/

static void
adopt_keep_seat(const struct seat *s, struct record_child *r)
{
	*r = (struct record_child){ .relay = s->role->id == SLOT_RELAY,
		.ready = s->state == SEAT_READY, .bus_due = s->bus_due,
		.log_due = s->log_due, .worker = s->worker, .slot = s->slot,
		.generation = s->generation, .pid = (uint32_t)s->pid,
		.started_us = s->started.us, .control_fd = -1, .says_fd = -1 };
	if (s->control.on_event != NULL)
		r->control_fd = s->control.fd;
	if (s->says.open)
		r->says_fd = s->says.io.fd;
}

void
children_keep(const struct children *c, struct record *r)
{
	const struct seat *s;
	unsigned i;

	CHECK_MAGIC(c, CHILDREN_MAGIC);
	r->generation = c->generation;
	r->issue = c->issue;
	r->nchildren = 0;
	for (i = 0; i < c->seats->n; i++) {
		s = &c->seats->seat[i];
		if (s->state == SEAT_EMPTY ||
		    (slots_before(c->p.segment) &&
		    !slots_before_has(c->p.segment, s->slot)))
			continue;	/* nobody, or not for who comes back */
		MUST(r->nchildren < nitems(r->children));
		adopt_keep_seat(s, &r->children[r->nchildren++]);
	}
}

/* --- and here ---------------------------------------------------------------*/

/* Not waited for yet, so that the number is still its. */
static bool
adopt_is_ours(pid_t pid)
{
	siginfo_t si;

	return (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) ==
	    0);
}

static void
adopt_close(int fd)
{
	if (fd != -1)
		(void)close(fd);
}

static void
adopt_fill(struct seat *s, const struct record_child *r)
{
	struct children *c = s->all->children;

	s->state = r->ready ? SEAT_READY : SEAT_STARTING;
	s->pid = (pid_t)r->pid;
	s->slot = r->slot;
	s->generation = r->generation;
	s->started.us = r->started_us;
	s->bus_due = r->bus_due;
	s->log_due = r->log_due;
	s->issue = c->issue;
	if (r->control_fd != -1 && loop_add(s->all->loop, &s->control,
	    r->control_fd, LOOP_IN, children_control) == -1) {
		log_warn("control_not_watched slot=%u", s->slot);
		adopt_close(r->control_fd); /* then it ends, and is replaced */
	}
	if (r->says_fd != -1)
		says_adopt(&s->says, c->p.loop, r->says_fd, s->role->title,
		    (int)s->slot);
}

static bool
adopt_child(struct children *c, const struct record_child *r)
{
	struct seat *s = r->relay ? seats_relay(c->seats) :
	    seats_find(c->seats, r->worker, SEAT_SERVING);

	if (s != NULL && s->state == SEAT_EMPTY &&
	    r->slot < segment_nslots(c->p.segment) &&
	    adopt_is_ours((pid_t)r->pid)) {
		adopt_fill(s, r);
		return (true);
	}
	log_warnx("child_not_found slot=%u pid=%u", r->slot, r->pid);
	adopt_close(r->control_fd);
	adopt_close(r->says_fd);
	return (false);
}

static const struct seat *
adopt_seat_of(const struct children *c, pid_t pid)
{
	unsigned i;

	for (i = 0; i < c->seats->n; i++)
		if (c->seats->seat[i].state != SEAT_EMPTY &&
		    c->seats->seat[i].pid == pid)
			return (&c->seats->seat[i]);
	return (NULL);
}

/* Who was started by a program that did not do has no place here. */
static unsigned
adopt_end(const struct children *c, pid_t pid)
{
	if (pid <= 1 || adopt_seat_of(c, pid) != NULL || !adopt_is_ours(pid))
		return (0);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		continue;
	return (1);
}

/* Those who have a slot, and those who have none yet, or had one. */
static unsigned
adopt_end_strangers(const struct children *c)
{
	pid_t pids[ADOPT_STRANGERS_MAX];
	size_t i, n = plat_process_children(pids, nitems(pids));
	unsigned slot, ended = 0;

	for (i = 0; i < n; i++)
		ended += adopt_end(c, pids[i]);
	for (slot = 0; slot < segment_nslots(c->p.segment); slot++)
		if (slot_state(c->p.segment, slot) == SLOT_LIVE)
			ended += adopt_end(c, (pid_t)slot_pid(c->p.segment,
			    slot));
	return (ended);
}

static bool
adopt_slot_is_taken(const struct children *c, unsigned slot)
{
	unsigned i;

	for (i = 0; i < c->seats->n; i++)
		if (c->seats->seat[i].state != SEAT_EMPTY &&
		    c->seats->seat[i].slot == slot)
			return (true);
	return (false);
}

/* What they held. */
static void
adopt_free_slots(struct children *c)
{
	unsigned slot;

	for (slot = 0; slot < segment_nslots(c->p.segment); slot++) {
		if (adopt_slot_is_taken(c, slot))
			continue;
		switch (slot_state(c->p.segment, slot)) {
		case SLOT_FREE:
		case SLOT_RECLAIM:	/* a round of the sweep goes on */
			break;
		case SLOT_ASSIGNED:
			slot_unassign(c->p.segment, slot);
			break;
		case SLOT_LIVE:
		case SLOT_DEAD:
			reclaim_child(c->p.segment, c->p.sweep, c->p.stats,
			    slot, slot == 0 ? "relay" : "worker");
			break;
		}
	}
}

/* No two children share one, nor with those of a program that did not do. */
static uint32_t
adopt_generation(const struct children *c, uint32_t known)
{
	uint32_t g, most = known;
	unsigned slot;

	for (slot = 0; slot < segment_nslots(c->p.segment); slot++) {
		g = slot_generation(c->p.segment, slot);
		if (slot_state(c->p.segment, slot) != SLOT_FREE && g > most)
			most = g;
	}
	return (most);
}

/* Where nobody sat, it may have been for long. */
static void
adopt_gone(struct children *c)
{
	struct seat *s;

	SEATS_FOREACH_WORKER(s, c->seats)
		if (s->standing == SEAT_SERVING && s->state != SEAT_READY)
			s->gone = c->p.started;
}

void
children_adopt(struct children *c, const struct record *r)
{
	unsigned n = 0, ended;
	uint32_t i;

	CHECK_MAGIC(c, CHILDREN_MAGIC);
	c->generation = adopt_generation(c, r->generation);
	c->issue = r->issue;
	for (i = 0; i < r->nchildren; i++)
		n += adopt_child(c, &r->children[i]);
	ended = adopt_end_strangers(c);
	adopt_gone(c);
	adopt_free_slots(c);
	log_info("adopted children=%u ended=%u", n, ended);
	counter_set(COUNTER_generation, c->issue);
	children_recount(c);
}
