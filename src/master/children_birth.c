/*
 * From an empty seat to a child in it; see children.h.
 */
#include "master/children_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "master/buses.h"
#include "master/fork.h"
#include "master/handovers.h"
#include "master/listen.h"
#include "master/read/edition.h"
#include "master/read/load.h"
#include "shm/counters.h"
#include "shm/slots.h"
#include "shm/slots_heirs.h"
#include "shm/stats.h"
#include "sys/log.h"

#define CHILDREN_DELAY_MS	100	/* first pause, doubled up to ... */
#define CHILDREN_DELAY_MAX_MS	5000

static void
children_heritage(struct seat *s, struct heritage *h)
{
	const struct children_params *p = &s->all->children->p;
	const struct load *load = s->edition->load;

	memset(h, 0, sizeof *h);
	h->conf = s->edition->conf;
	h->segment = p->segment;
	h->stats = p->stats;
	h->slot = (int)s->slot;
	h->generation = s->generation;
	h->node_id = p->node_id;
	h->started = p->started;
	h->store_fd = -1;
	if (s->role->id == SLOT_RELAY)
		h->store_fd = s->all->children->store_fd;
	h->keys = load->keys;
	h->confine = p->confine;
	h->demo_page = buf_unread(&load->demo_page);
	h->bundle = load->bundle;
	h->nbundle = load->nbundle;
	h->tls = load->tls;
	h->tls_secret = slice_of(load->ticket_key, sizeof load->ticket_key);
	h->tls_secrets = buf_unread(&load->ticket_secrets);
	handovers_column(p->handovers, s->slot, h);
	if (s->role->id == SLOT_WORKER)
		h->nlisteners = listen_column(s->listens, s->worker,
		    h->listeners);
}

static void
children_born(struct seat *s, pid_t pid, struct mono now)
{
	struct children *c = s->all->children;
	char name[32];

	s->pid = pid;
	s->state = SEAT_STARTING;
	s->started = now;
	s->killed.us = 0;
	s->heir = NULL;
	s->gives = false;
	s->shares = 0;
	s->traced = false;
	s->log_due = false;	/* it has what we have */
	s->ending = s->end_due = false;
	s->turns = 0;
	s->looks = 0;
	s->suspect = false;
	s->watched.us = 0;
	s->stuck = false;
	slot_live(c->p.segment, s->slot, (uint32_t)pid);
	if (s->role->id == SLOT_RELAY)
		conf_send_has(&c->conf_send);
	if (s->role->id == SLOT_RELAY)
		(void)snprintf(name, sizeof name, "%s", s->role->title);
	else
		(void)snprintf(name, sizeof name, "%s %u", s->role->title,
		    s->slot);
	stats_slot_live(c->p.stats, s->slot,
	    s->role->id == SLOT_RELAY ? STATS_ROLE_RELAY : STATS_ROLE_WORKER,
	    (uint32_t)pid, s->generation, name);
	counter_add(COUNTER_children_started, 1);
	log_debug("child_started role=%s slot=%u pid=%d generation=%" PRIu32,
	    s->role->title, s->slot, (int)pid, s->generation);
}

/* Fork into a seat that has a slot and a control socket; -1 + errno. */
static int
children_fork(struct seat *s, struct heritage *h, struct mono now)
{
	struct children *c = s->all->children;
	struct fork_params fp = { s->role, c->p.user, -1, c->p.to_file,
		LOG_TARGET_STDERR };
	struct bus_ends ends;
	int error;
	pid_t pid;

	if (c->p.background) {
		fp.log_target = LOG_TARGET_SYSLOG;
		fp.says_fd = says_open(&s->says, c->p.loop, s->role->title,
		    (int)s->slot);
		if (fp.says_fd == -1)
			return (-1);
	}
	buses_make(s, h, &ends);
	pid = fork_child(h, &fp);
	error = errno;
	if (fp.says_fd != -1)
		(void)close(fp.says_fd);
	if (pid != -1)
		children_born(s, pid, now);
	buses_hand_out(s, h, &ends, pid != -1, now);
	if (pid == -1)
		says_close(&s->says);
	errno = error;
	return (pid == -1 ? -1 : 0);
}

static int
children_connect(struct seat *s, struct heritage *h, struct mono now)
{
	int error, fds[2];

	if (ipc_pair(fds) == -1)
		return (-1);
	h->control_fd = fds[1];
	if (loop_add(s->all->loop, &s->control, fds[0], LOOP_IN,
	    children_control) == -1) {
		error = errno;
		(void)close(fds[0]);
	} else if (children_fork(s, h, now) == -1) {
		error = errno;
		seat_hang_up(s);
	} else
		error = 0;
	(void)close(fds[1]);
	errno = error;
	return (error == 0 ? 0 : -1);
}

void
children_back_off(struct seat *s, struct mono now)
{
	s->retry_at = mono_add_ms(now, s->delay_ms);
	if (s->delay_ms == 0)
		s->delay_ms = CHILDREN_DELAY_MS;
	else if (s->delay_ms < CHILDREN_DELAY_MAX_MS / 2)
		s->delay_ms *= 2;
	else
		s->delay_ms = CHILDREN_DELAY_MAX_MS;
}

/* Who was to come is not tried again: others serve. */
static void
children_not_born(struct seat *s, struct mono now)
{
	if (s->standing == SEAT_COMING)
		s->all->children->coming_failed = true;
	children_back_off(s, now);
}

void
children_spawn(struct seat *s, struct mono now)
{
	static struct heritage h; /* large; a child uses its own copy */
	struct children *c = s->all->children;
	uint32_t generation = c->generation + 1;
	int slot;

	slot = slot_next(c->p.segment, s->role->id);
	if (slot > 0)	/* not a name that ids of living sessions have */
		generation = heirs_generation(c->p.segment, (unsigned)slot,
		    generation);
	slot = slot_assign(c->p.segment, s->role->id, generation);
	if (slot == -1) {
		log_warnx("no_free_slot role=%s", s->role->title);
		children_not_born(s, now);
		return;
	}
	s->slot = (unsigned)slot;
	s->generation = c->generation = generation;
	s->stop_due = c->soon || c->stopping;
	children_heritage(s, &h);
	if (children_connect(s, &h, now) == 0) {
		/* should it die of it, the next begins without */
		if (s->role->id == SLOT_RELAY)
			children_relay_forget(c);
		children_tell_due(c);
		return;
	}
	log_warn("child_not_started role=%s", s->role->title);
	slot_unassign(c->p.segment, s->slot);
	if (c->failed == 0)
		c->failed = EX_OSERR;
	children_not_born(s, now);
}
