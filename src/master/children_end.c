/*
 * How children end: told to, killed, or by themselves; see children.h.
 */
#include "master/children_int.h"

#include <sys/wait.h>

#include <inttypes.h>
#include <signal.h>
#include <sysexits.h>

#include "master/buses.h"
#include "master/reclaim.h"
#include "shm/counters.h"
#include "shm/slots.h"
#include "shm/slots_before.h"
#include "shm/stats.h"
#include "shm/slots_trail.h"
#include "sys/log.h"

#define CHILDREN_STEADY_MS	10000	/* who lives that long was no failure */
#define CHILDREN_KILLED_MS	1000	/* ... or this, until a foreign kill */

/* --- stop ----------------------------------------------------------------*/

void
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

	for (i = 0; i < c->seats->n; i++) {
		if (c->seats->seat[i].state != SEAT_EMPTY)
			children_kill_one(&c->seats->seat[i], now);
	}
}

static void
children_tell_stop(struct seat *s)
{
	struct children *c = s->all->children;
	struct ipc_msg m;

	ipc_init(&m, CONTROL_STOP);
	ipc_put_u32(&m, c->how);
	ipc_put_u64(&m, c->stop_ms);
	s->stop_due = !seat_tell(s, &m);
}

void
children_tell_due(struct children *c)
{
	struct seat *s;
	unsigned i;

	for (i = 1; i < c->seats->n; i++) {
		s = &c->seats->seat[i];
		if (s->state != SEAT_EMPTY && s->stop_due)
			children_tell_stop(s);
	}
}

bool
children_need_relay(const struct children *c)
{
	return (c->how != STOP_PROMPT && seats_count(c->seats).workers > 0);
}

void
children_stop_step(struct children *c, struct mono now)
{
	struct seats_count n;

	n = seats_count(c->seats);
	if (now.us >= c->kill_at.us && n.workers + n.relays > 0) {
		log_warnx("stop_time_over killed_workers=%u killed_relay=%u",
		    n.workers, n.relays);
		c->kill_at.us = UINT64_MAX;
		children_kill(c, now);
	}
	children_tell_due(c);
	if (n.workers == 0 && n.relays > 0 && c->seats->seat[0].stop_due)
		children_tell_stop(&c->seats->seat[0]);
}

static void
children_stop_all(struct children *c, enum control_stop how, uint64_t ms)
{
	unsigned i;

	CHECK_MAGIC(c, CHILDREN_MAGIC);
	c->how = how;
	c->stop_ms = ms;
	for (i = 0; i < c->seats->n; i++)
		if (how != STOP_SOON ||
		    c->seats->seat[i].standing != SEAT_LEAVING)
			c->seats->seat[i].stop_due = true;
}

void
children_leave_soon(struct children *c, uint64_t ms)
{
	c->soon = true;
	children_stop_all(c, STOP_SOON, ms);
	children_tell_due(c);
}

void
children_stop(struct children *c, bool drain, uint64_t ms, struct mono kill_at)
{
	children_stop_all(c, drain ? STOP_DRAIN : STOP_PROMPT, ms);
	c->stopping = true;
	c->kill_at = kill_at;
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
	bool asked = s->all->children->stopping ||
	    s->standing == SEAT_LEAVING || s->ending;
	/* it had not begun to serve: children_turn_back() */
	bool unneeded = s->standing == SEAT_LEAVING && s->killed.us != 0 &&
	    s->state == SEAT_STARTING && WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGKILL;

	if (unneeded ||
	    (asked && WIFEXITED(status) && WEXITSTATUS(status) == 0))
		log_debug("child_ended role=%s slot=%u pid=%d", s->role->title,
		    s->slot, (int)s->pid);
	else if (WIFSIGNALED(status))
		log_warnx("child_died role=%s slot=%u pid=%d signal=%d"
		    " core=%s ran_ms=%" PRIu64, s->role->title, s->slot,
		    (int)s->pid, WTERMSIG(status),
		    WCOREDUMP(status) ? "yes" : "no", ran_ms);
	else
		log_warnx("child_died role=%s slot=%u pid=%d exit=%d ran_ms=%"
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

/* It was to be replaced by nobody: its seat is free. */
void
children_left(struct seat *s)
{
	s->standing = SEAT_SPARE;
	s->edition = NULL;
	s->listens = NULL;
	s->heir = NULL;
	s->gives = false;
	s->delay_ms = 0;
	s->retry_at.us = 0;
	s->gone.us = 0;
	s->away = false;
}

static void
children_replace(struct seat *s, int status, bool was_ready, struct mono now)
{
	struct children *c = s->all->children;

	counter_add(COUNTER_children_died, 1);
	if (c->failed == 0 && !was_ready)
		c->failed = children_exit_code(status);
	if (s->gone.us == 0)
		s->gone = now;
	if (children_was_steady(s, status, now))
		s->delay_ms = 0;
	children_back_off(s, now);
	if (s->retry_at.us > now.us)
		log_warnx("child_pause role=%s pause_ms=%" PRIu64, s->role->title,
		    (s->retry_at.us - now.us) / 1000);
}

/* A call that is none of its business is named by who made it, unless it came
 * with all signals blocked, as fork(2) of newer C libraries: then the kernel
 * makes an end by itself. */
static void
children_note_call(const struct seat *s, int status)
{
	struct segment *seg = s->all->children->p.segment;
	char note[128];

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS &&
	    !slot_panic(seg, s->slot, note))
		slot_panic_note(seg, s->slot, "a forbidden system call, made "
		    "with signals blocked, as by fork");
}

static void
children_died(struct seat *s, int status, struct mono now)
{
	struct children *c = s->all->children;
	bool was_ready;

	/* what it said before; who was ready has not failed to start */
	if (s->control.on_event != NULL)
		children_control(&s->control, LOOP_IN);
	was_ready = s->state == SEAT_READY;
	children_log_death(s, status, now);
	children_note_call(s, status);
	if (s->role->id == SLOT_WORKER &&
	    !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
		trail_worker_died(c->p.segment, s->slot, s->generation,
		    wall_now().ms);
	says_close(&s->says);
	seat_hang_up(s);
	s->state = SEAT_EMPTY;
	slots_before_meet(c->p.segment); /* its last note */
	s->bus_held = stats_value(c->p.stats, s->slot,
	    COUNTER_bus_queue_bytes) != 0;
	reclaim_child(c->p.segment, c->p.sweep, c->p.stats, s->slot,
	    s->role->title);
	if (s->role->id == SLOT_WORKER)
		buses_gone(s);
	if (s->ending)
		children_relay_ended(c, WIFEXITED(status) &&
		    WEXITSTATUS(status) == 0, now);
	else if (s->standing == SEAT_LEAVING)
		children_left(s);
	else if (s->standing == SEAT_COMING) {
		c->coming_failed = true;
		counter_add(COUNTER_children_died, 1);
	} else if (!c->stopping || (s == seats_relay(c->seats) &&
	    children_need_relay(c)))
		children_replace(s, status, was_ready, now);
	if (c->stopping)
		children_stop_step(c, now);
	children_changed(c);
}

static struct seat *
children_seat_of(struct children *c, pid_t pid)
{
	unsigned i;

	for (i = 0; i < c->seats->n; i++)
		if (c->seats->seat[i].state != SEAT_EMPTY &&
		    c->seats->seat[i].pid == pid)
			return (&c->seats->seat[i]);
	return (NULL);
}

void
children_reap(struct children *c, struct mono now)
{
	struct seat *s;
	int status;
	pid_t pid;

	CHECK_MAGIC(c, CHILDREN_MAGIC);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		s = children_seat_of(c, pid);
		if (s != NULL)
			children_died(s, status, now);
		else
			c->p.on_other(c->p.arg, pid, status);
	}
}
