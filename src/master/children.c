/*
 * Starts, watches and replaces the children; see children.h.
 */
#include "master/children.h"

#include <sys/wait.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/conf.h"
#include "master/buses.h"
#include "master/fork.h"
#include "master/handovers.h"
#include "master/listen.h"
#include "master/load.h"
#include "master/reclaim.h"
#include "shm/counters.h"
#include "shm/slots.h"
#include "shm/stats.h"
#include "sys/log.h"

#define CHILDREN_STEADY_MS	10000	/* who lives that long was no failure */
#define CHILDREN_KILLED_MS	1000	/* ... or this, until a foreign kill */
#define CHILDREN_DELAY_MS	100	/* first pause, doubled up to ... */
#define CHILDREN_DELAY_MAX_MS	5000
#define CHILDREN_HUNG_MS	30000	/* without a heartbeat */

struct children {
	unsigned	 magic;
#define CHILDREN_MAGIC	0xc417d4e1
	struct children_params p;
	uint32_t	 generation;	/* last one given */
	int		 failed;	/* exit code of the first failure */
	struct mono	 excused;	/* heartbeats count from here */
	bool		 stopping;
	bool		 drain;
	uint64_t	 drain_ms;
	struct mono	 kill_at;
	unsigned	 nseats;	/* the relay's is the first */
	struct seat	 seats[];
};

struct children *
children_new(const struct children_params *p)
{
	struct children *c;
	struct seat *s;
	unsigned i;

	c = calloc(1, sizeof *c + (p->nworkers + 1) * sizeof *c->seats);
	if (c == NULL)
		return (NULL);
	c->magic = CHILDREN_MAGIC;
	c->p = *p;
	c->nseats = p->nworkers + 1;
	for (i = 0; i < c->nseats; i++) {
		s = &c->seats[i];
		s->all = c;
		s->role = i == 0 ? p->relay : p->worker;
		s->worker = i == 0 ? 0 : i - 1;
	}
	return (c);
}

void
children_free(struct children **cp)
{
	struct children *c;
	unsigned i;

	c = *cp;
	if (c == NULL)
		return;
	*cp = NULL;
	CHECK_MAGIC(c, CHILDREN_MAGIC);
	for (i = 0; i < c->nseats; i++)
		MUST(c->seats[i].state == SEAT_EMPTY);
	c->magic = 0;
	free(c);
}

struct seat *
children_relay(struct children *c)
{
	return (&c->seats[0]);
}

struct seat *
children_worker(struct children *c, unsigned worker)
{
	MUST(worker + 1 < c->nseats);
	return (&c->seats[worker + 1]);
}

unsigned
children_nworkers(const struct children *c)
{
	return (c->nseats - 1);
}

struct children_count
children_count(const struct children *c)
{
	struct children_count n;
	unsigned i;

	memset(&n, 0, sizeof n);
	for (i = 0; i < c->nseats; i++) {
		if (c->seats[i].state == SEAT_EMPTY)
			continue;
		*(i == 0 ? &n.relays : &n.workers) += 1;
		if (c->seats[i].state == SEAT_READY)
			*(i == 0 ? &n.relays_ready : &n.workers_ready) += 1;
	}
	return (n);
}

bool
children_all_ready(const struct children *c)
{
	struct children_count n;

	n = children_count(c);
	return (n.workers_ready == c->nseats - 1 && n.relays_ready == 1);
}

int
children_failed(const struct children *c)
{
	return (c->failed);
}

static void
children_changed(struct children *c)
{
	counter_set(COUNTER_workers_running, children_count(c).workers);
	c->p.on_change(c->p.arg);
}

/* --- control -------------------------------------------------------------*/

bool
children_tell(struct seat *s, const struct ipc_msg *m)
{
	if (s->state == SEAT_EMPTY || s->control.on_event == NULL)
		return (false);
	switch (ipc_send(s->control.fd, m)) {
	case 1:
		return (true);
	case 0:
		return (false); /* it does not read: busy, or hung */
	default:
		/* it is dying: waitpid() will tell */
		log_debug("control slot=%u: %s", s->slot, strerror(errno));
		return (false);
	}
}

static void
children_hang_up(struct seat *s)
{
	if (s->control.on_event == NULL)
		return;
	loop_del(s->all->p.loop, &s->control);
	(void)close(s->control.fd);
	s->control.fd = -1;
}

static void
children_heard(struct seat *s, struct ipc_msg *m)
{
	struct children *c = s->all;
	uint32_t generation, slot;

	switch (m->type) {
	case CONTROL_READY:
		if (s->state == SEAT_STARTING) {
			s->state = SEAT_READY;
			log_debug("child ready role=%s slot=%u pid=%d",
			    s->role->title, s->slot, (int)s->pid);
			children_changed(c);
		}
		break;
	case CONTROL_DRAINED:
		log_debug("child drained role=%s slot=%u", s->role->title,
		    s->slot);
		break;
	case CONTROL_BUS_LOST:
		if (s != children_relay(c)) {
			buses_wanted(s, loop_now(c->p.loop));
			break;
		}
		slot = ipc_get_u32(m);
		generation = ipc_get_u32(m);
		if (ipc_end(m))
			buses_lost(c, slot, generation);
		break;
	default:
		log_warnx("control: unknown message type=%u role=%s slot=%u",
		    m->type, s->role->title, s->slot);
		break;
	}
}

static void
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
			children_hang_up(s); /* and wait for waitpid() */
			return;
		}
		if (r == -1) {
			log_warn("control: bad message role=%s slot=%u",
			    s->role->title, s->slot);
			counter_add(COUNTER_control_bad, 1);
			return; /* there may be more, next turn */
		}
		if (m.fd != -1)
			(void)close(m.fd); /* none is expected */
		children_heard(s, &m);
	}
}

/* --- birth ---------------------------------------------------------------*/

static void
children_heritage(struct seat *s, struct heritage *h)
{
	const struct children_params *p = &s->all->p;

	memset(h, 0, sizeof *h);
	h->conf = p->conf;
	h->segment = p->segment;
	h->stats = p->stats;
	h->slot = (int)s->slot;
	h->generation = s->generation;
	h->node_id = p->node_id;
	h->started = p->started;
	h->keys = p->load->keys;
	h->demo_page = buf_unread(&p->load->demo_page);
	h->bundle = p->load->bundle;
	h->nbundle = p->load->nbundle;
	h->tls = p->load->tls;
	h->tls_ticket_key = p->load->ticket_key;
	handovers_column(p->handovers, s->slot, h);
	if (s->role->id == SLOT_WORKER)
		h->nlisteners = listen_column(p->listens, s->worker,
		    h->listeners);
}

static void
children_born(struct seat *s, pid_t pid, struct mono now)
{
	struct children *c = s->all;
	char name[32];

	s->pid = pid;
	s->state = SEAT_STARTING;
	s->started = now;
	s->killed.us = 0;
	slot_live(c->p.segment, s->slot, (uint32_t)pid);
	if (s->role->id == SLOT_RELAY)
		(void)snprintf(name, sizeof name, "%s", s->role->title);
	else
		(void)snprintf(name, sizeof name, "%s %u", s->role->title,
		    s->slot);
	stats_slot_live(c->p.stats, s->slot,
	    s->role->id == SLOT_RELAY ? STATS_ROLE_RELAY : STATS_ROLE_WORKER,
	    (uint32_t)pid, s->generation, name);
	counter_add(COUNTER_children_started, 1);
	log_debug("child started role=%s slot=%u pid=%d generation=%" PRIu32,
	    s->role->title, s->slot, (int)pid, s->generation);
}

/* Fork into a seat that has a slot and a control socket; -1 + errno. */
static int
children_fork(struct seat *s, struct heritage *h, struct mono now)
{
	struct children *c = s->all;
	struct fork_params fp = { s->role, c->p.user, -1, LOG_TARGET_STDERR };
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
	if (loop_add(s->all->p.loop, &s->control, fds[0], LOOP_IN,
	    children_control) == -1) {
		error = errno;
		(void)close(fds[0]);
	} else if (children_fork(s, h, now) == -1) {
		error = errno;
		children_hang_up(s);
	} else
		error = 0;
	(void)close(fds[1]);
	errno = error;
	return (error == 0 ? 0 : -1);
}

/* When the next try is due: at once, then later and later. */
static void
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

static void
children_spawn(struct seat *s, struct mono now)
{
	static struct heritage h; /* large; a child uses its own copy */
	struct children *c = s->all;
	int slot;

	slot = slot_assign(c->p.segment, s->role->id, c->generation + 1);
	if (slot == -1) {
		log_warnx("no free slot role=%s", s->role->title);
		children_back_off(s, now);
		return;
	}
	s->slot = (unsigned)slot;
	s->generation = ++c->generation;
	s->stop_due = false;
	children_heritage(s, &h);
	if (children_connect(s, &h, now) == 0)
		return;
	log_warn("cannot start role=%s", s->role->title);
	slot_unassign(c->p.segment, s->slot);
	if (c->failed == 0)
		c->failed = EX_OSERR;
	children_back_off(s, now);
}

/* --- stop ----------------------------------------------------------------*/

static void
children_kill_one(struct seat *s, struct mono now)
{
	/* not reaped yet, so the pid is still this child's */
	if (s->killed.us == 0)
		(void)kill(s->pid, SIGKILL);
	s->killed = now;
}

void
children_kill(struct children *c, struct mono now)
{
	unsigned i;

	for (i = 0; i < c->nseats; i++) {
		if (c->seats[i].state != SEAT_EMPTY)
			children_kill_one(&c->seats[i], now);
	}
}

static void
children_tell_stop(struct seat *s)
{
	struct children *c = s->all;
	struct ipc_msg m;

	ipc_init(&m, CONTROL_STOP);
	ipc_put_u32(&m, c->drain ? 1 : 0);
	ipc_put_u64(&m, c->drain_ms);
	s->stop_due = !children_tell(s, &m);
}

/* The relay carries the workers' last words: it goes when they are gone. */
static void
children_stop_step(struct children *c, struct mono now)
{
	struct children_count n;
	unsigned i;

	n = children_count(c);
	if (now.us >= c->kill_at.us && n.workers + n.relays > 0) {
		log_warnx("time to stop is over, killing workers=%u relay=%u",
		    n.workers, n.relays);
		c->kill_at.us = UINT64_MAX;
		children_kill(c, now);
	}
	for (i = 1; i < c->nseats; i++) {
		if (c->seats[i].state != SEAT_EMPTY && c->seats[i].stop_due)
			children_tell_stop(&c->seats[i]);
	}
	if (n.workers == 0 && n.relays > 0 && c->seats[0].stop_due)
		children_tell_stop(&c->seats[0]);
}

void
children_stop(struct children *c, bool drain, uint64_t ms, struct mono kill_at)
{
	unsigned i;

	CHECK_MAGIC(c, CHILDREN_MAGIC);
	c->stopping = true;
	c->drain = drain;
	c->drain_ms = ms;
	c->kill_at = kill_at;
	for (i = 0; i < c->nseats; i++)
		c->seats[i].stop_due = true;
	children_stop_step(c, loop_now(c->p.loop));
}

/* --- death ---------------------------------------------------------------*/

static int
children_exit_code(int status)
{
	if (!WIFEXITED(status))
		return (EX_SOFTWARE);
	return (WEXITSTATUS(status) == 0 ? EX_SOFTWARE : WEXITSTATUS(status));
}

static void
children_log_death(const struct seat *s, int status, struct mono now)
{
	uint64_t ran_ms = (now.us - s->started.us) / 1000;
	bool asked = s->all->stopping;

	if (asked && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		log_debug("child ended role=%s slot=%u pid=%d", s->role->title,
		    s->slot, (int)s->pid);
	else if (WIFSIGNALED(status))
		log_warnx("child died role=%s slot=%u pid=%d signal=%d"
		    " core=%s ran_ms=%" PRIu64, s->role->title, s->slot,
		    (int)s->pid, WTERMSIG(status),
		    WCOREDUMP(status) ? "yes" : "no", ran_ms);
	else
		log_warnx("child died role=%s slot=%u pid=%d exit=%d ran_ms=%"
		    PRIu64, s->role->title, s->slot, (int)s->pid,
		    WEXITSTATUS(status), ran_ms);
}

/*
 * Was it all right until it died?  Then its successor need not wait.  A
 * SIGKILL that we did not send says nothing against the child; only where one
 * follows the other at once (memory is short) a pause may help.
 */
static bool
children_was_steady(const struct seat *s, int status, struct mono now)
{
	uint64_t least_ms = CHILDREN_STEADY_MS;

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
	    s->killed.us == 0)
		least_ms = CHILDREN_KILLED_MS;
	return (now.us >= mono_add_ms(s->started, least_ms).us);
}

static void
children_replace(struct seat *s, int status, bool was_ready, struct mono now)
{
	struct children *c = s->all;

	counter_add(COUNTER_children_died, 1);
	if (c->failed == 0 && !was_ready)
		c->failed = children_exit_code(status);
	if (children_was_steady(s, status, now))
		s->delay_ms = 0;
	children_back_off(s, now);
	if (s->retry_at.us > now.us)
		log_warnx("dies too often, not replaced at once role=%s"
		    " pause_ms=%" PRIu64, s->role->title,
		    (s->retry_at.us - now.us) / 1000);
}

static void
children_died(struct seat *s, int status, struct mono now)
{
	struct children *c = s->all;
	bool was_ready;

	/* what it said before; who was ready has not failed to start */
	if (s->control.on_event != NULL)
		children_control(&s->control, LOOP_IN);
	was_ready = s->state == SEAT_READY;
	children_log_death(s, status, now);
	says_close(&s->says);
	children_hang_up(s);
	s->state = SEAT_EMPTY;
	reclaim_child(c->p.segment, c->p.sweep, c->p.stats, s->slot,
	    s->role->title);
	if (s->role->id == SLOT_WORKER)
		buses_gone(s);
	if (!c->stopping)
		children_replace(s, status, was_ready, now);
	else
		children_stop_step(c, now);
	children_changed(c);
}

void
children_reap(struct children *c, struct mono now)
{
	unsigned i;
	int status;
	pid_t pid;

	CHECK_MAGIC(c, CHILDREN_MAGIC);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < c->nseats; i++) {
			if (c->seats[i].state != SEAT_EMPTY &&
			    c->seats[i].pid == pid) {
				children_died(&c->seats[i], status, now);
				break;
			}
		}
	}
}

static void
children_check_hung(struct seat *s, struct mono now)
{
	struct children *c = s->all;
	uint64_t seen;

	seen = slot_heartbeat_us(c->p.segment, s->slot);
	if (seen < s->started.us)
		seen = s->started.us;
	if (seen < c->excused.us)
		seen = c->excused.us;
	if (s->killed.us != 0 || now.us < seen + CHILDREN_HUNG_MS * 1000)
		return;
	log_warnx("child hangs, killed role=%s slot=%u pid=%d silent_ms=%"
	    PRIu64, s->role->title, s->slot, (int)s->pid,
	    (now.us - seen) / 1000);
	counter_add(COUNTER_children_hung, 1);
	children_kill_one(s, now);
}

void
children_excuse(struct children *c, struct mono now)
{
	c->excused = now;
}

/* --- every now and then --------------------------------------------------*/

void
children_tick(struct children *c, struct mono now)
{
	struct seat *s;
	unsigned i;

	CHECK_MAGIC(c, CHILDREN_MAGIC);
	for (i = 0; i < c->nseats; i++) {
		s = &c->seats[i];
		if (s->state != SEAT_EMPTY)
			children_check_hung(s, now);
		else if (!c->stopping && now.us >= s->retry_at.us)
			children_spawn(s, now);
	}
	if (c->stopping)
		children_stop_step(c, now);
	else
		buses_repair(c, now);
}
