/*
 * The supervisor; see master.h.  What must be there first is opened in
 * master_open.c; then a loop waits for signals, children and ticks.
 *
 *	    ┌──────────QUIT──────────────────────────────────┐
 *	    │                              QUIT, drain_delay ▼
 *	STARTING ──all ready──► SERVING ──QUIT──► LEAVING ──► DRAINING
 *	    │                      │                 │           │ drain_time
 *	    └──a child fails──┐    └────TERM, INT────┴───────┐   │
 *	                      ▼                              ▼   ▼
 *	                            STOPPING ──TERM, INT──► children are killed
 */
#include "master/master_int.h"

#include <sys/random.h>

#include <bsd/unistd.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/coverage.h"
#include "conf/conf.h"
#include "master/children.h"
#include "master/daemon.h"
#include "master/folder.h"
#include "master/listen.h"
#include "master/read/edition.h"
#include "master/reclaim.h"
#include "master/trial.h"
#include "master/upgrade/leap.h"
#include "shm/counters.h"
#include "shm/segment.h"
#include "shm/stats.h"
#include "shm/sweep.h"
#include "sys/log.h"

#define MASTER_TICK_MS		100
#define MASTER_SECOND_US	1000000
#define MASTER_GAP_US		5000000	/* we were stopped, not the children: this, or half
					 * of worker_timeout */
#define MASTER_MARGIN_MS	1000	/* between their end and the kill */
#define MASTER_ABORT_MS		1000	/* for children when a start fails */

/* --- stop ----------------------------------------------------------------*/

/* On the way to the end, which is not further than ms from here. */
static void
master_enter(struct master *m, enum master_state state, uint64_t ms)
{
	struct mono now = loop_now(m->loop);

	master_upgrade_forget(m);
	m->state = state;
	master_turn_back(m);
	m->over = mono_add_ms(now, master_extended_ms(ms));
	counter_set(COUNTER_leaving, 1);
	master_need_time(m, now);
}

/* Nobody will accept any more: who comes now is refused, not kept waiting in
 * the queue of a socket that only we hold open. */
static void
master_refuse(struct master *m)
{
	listen_close(&m->listens);
}

/* Close everything: children have a little less than the time there is, so
 * that they end by themselves. */
static void
master_stop(struct master *m, uint64_t ms)
{
	uint64_t margin_ms;

	(void)plat_notify("STOPPING=1\nSTATUS=stopping");
	master_enter(m, MASTER_STOPPING, ms);
	log_info("stopping within_ms=%" PRIu64, ms);
	margin_ms = ms / 4 < MASTER_MARGIN_MS ? ms / 4 : MASTER_MARGIN_MS;
	children_stop(m->children, false, ms - margin_ms,
	    mono_add_ms(loop_now(m->loop), ms));
	master_refuse(m);
}

static void
master_prompt(struct master *m)
{
	if (m->state != MASTER_STOPPING) {
		master_stop(m, m->edition->conf->stop_time_ms);
		return;
	}
	log_info("killing why=\"told to stop twice\"");
	children_kill(m->children, loop_now(m->loop));
}

/* No more clients, and those that there are go one after the other. */
static void
master_drain(struct master *m)
{
	const struct conf *conf = m->edition->conf;
	uint64_t ms = conf->drain_time_ms;

	(void)plat_notify("STOPPING=1\nSTATUS=draining");
	master_enter(m, MASTER_DRAINING, ms + conf->stop_time_ms);
	m->until = mono_add_ms(loop_now(m->loop), ms);
	log_info("draining within_ms=%" PRIu64, ms);
	children_stop(m->children, true, ms,
	    mono_add_ms(m->until, conf->stop_time_ms));
	master_refuse(m);
}

/* Balancers see that we are about to go, before anybody is refused. */
static void
master_leave(struct master *m)
{
	const struct conf *conf = m->edition->conf;
	uint64_t ms = conf->drain_delay_ms;

	(void)plat_notify("STOPPING=1\nSTATUS=leaving, still accepting");
	master_enter(m, MASTER_LEAVING, ms + conf->drain_time_ms +
	    conf->stop_time_ms);
	m->until = mono_add_ms(loop_now(m->loop), ms);
	log_info("leaving drains_in_ms=%" PRIu64, ms);
	children_leave_soon(m->children, ms);
}

static void
master_quit(struct master *m)
{
	switch (m->state) {
	case MASTER_SERVING:
		if (m->edition->conf->drain_delay_ms != 0) {
			master_leave(m);
			return;
		}
		/* FALLTHROUGH */
	case MASTER_STARTING:	/* nobody was sent here yet */
	case MASTER_LEAVING:
		master_drain(m);
		return;
	case MASTER_DRAINING:
	case MASTER_STOPPING:
		log_info("leaving_already");
		return;
	}
}

/* The next state has its time. */
static void
master_go_on(struct master *m)
{
	if (m->state == MASTER_LEAVING)
		master_drain(m);
	else
		master_stop(m, m->edition->conf->stop_time_ms);
}

/* To the file, if there is one; false: it can't be opened. */
static bool
master_log(const struct master *m)
{
	const char *path = m->edition->conf->log_file;
	int fd;

	if (path[0] == '\0')
		return (true);
	fd = log_file_open(path);
	if (fd == -1)
		return (false);
	log_reopen(fd);
	(void)close(fd);
	return (true);
}

/* --- children ------------------------------------------------------------*/

static void
master_serving(struct master *m)
{
	struct seats_count n;

	m->state = MASTER_SERVING;
	n = children_count(m->children);
	log_info("ready workers=%u relay=%u node=%016" PRIx64,
	    n.workers_ready, n.relays_ready, m->node_id);
	master_notify_ready(m);
	master_tell(m);
	if (m->release_fd == -1)
		return;
	if (m->edition->conf->log_file[0] == '\0')
		log_open(LOG_TARGET_SYSLOG);
	daemon_release(m->release_fd, EX_OK);
	m->release_fd = -1;
	(void)master_log(m);	/* stderr went with the terminal */
	if (m->edition->conf->log_file[0] != '\0')
		return;		/* it is there already */
	log_info("ready workers=%u relay=%u version=%s config=\"%s\"",
	    n.workers_ready, n.relays_ready, m->p->version, m->p->file);
}

/*
 * Is it time for another state?  Asked when a child changed, and at each tick
 * as well: where none can be started, none will ever change.
 */
static void
master_settle(struct master *m)
{
	struct seats_count n;

	if (m->state == MASTER_STARTING && children_failed(m->children) != 0) {
		m->code = children_failed(m->children);
		log_errx("start_failed exit=%d", m->code);
		master_stop(m, MASTER_ABORT_MS);
	} else if (m->state == MASTER_STARTING &&
	    children_all_ready(m->children))
		master_serving(m);
	if (m->state == MASTER_SERVING)
		master_turn_step(m, loop_now(m->loop));
	master_lead(m, loop_now(m->loop));
	n = children_count(m->children);
	if (m->state >= MASTER_DRAINING && n.workers + n.relays == 0)
		loop_stop(m->loop);
}

/* A child that sits nowhere: a binary was tried. */
static void
master_on_other(void *arg, pid_t pid, int status)
{
	struct master *m = arg;

	(void)trial_reaped(m->trial, pid, status);
}

/* A child became ready, or is gone. */
static void
master_on_change(void *arg)
{
	struct master *m = arg;

	master_notify_status(m);
	master_settle(m);
}

/* --- signals -------------------------------------------------------------*/

static void
master_child(struct master *m)
{
	struct mono now = loop_now(m->loop);

	children_reap(m->children, now);
	reclaim_tally(m->segment, m->edition->conf); /* fewer users, perhaps */
	children_tick(m->children, now); /* replacements that need not wait */
}

static bool
master_reopen_log(struct master *m)
{
	const char *path = m->edition->conf->log_file;

	log_info("reopening signal=USR1");
	if (path[0] != '\0' && !master_log(m)) {
		log_warn("log_not_reopened file=\"%s\"", path);
		return (false);
	}
	if (path[0] == '\0')
		log_reopen(-1);
	children_reopen_log(m->children, path[0] != '\0');
	log_info("reopened");
	return (true);
}

static void
master_reopen(struct master *m)
{
	(void)master_begins(m, BOARD_REOPEN);
	master_ends(m, BOARD_REOPEN, master_reopen_log(m));
}

static void
master_signal(struct master *m, int sig)
{
	switch (sig) {
	case SIGCHLD:
		master_child(m);
		break;
	case SIGTERM:
	case SIGINT:
		master_prompt(m);
		break;
	case SIGQUIT:
		master_quit(m);
		break;
	case SIGUSR1:
		master_reopen(m);
		break;
	case SIGHUP:
		log_info("reloading signal=HUP");
		master_want_reload(m);
		break;
	case SIGTTIN:
		log_info("resizing signal=TTIN");
		master_want_workers(m, 1);
		break;
	case SIGTTOU:
		log_info("resizing signal=TTOU");
		master_want_workers(m, -1);
		break;
	case SIGWINCH:
		log_info("evening signal=WINCH");
		master_want_even(m);
		break;
	case SIGUSR2:
		log_info("upgrading signal=USR2");
		master_want_upgrade(m);
		break;
	default:
		MUST(sig == 0);	/* no other is asked for */
		break;
	}
}

static void
master_on_signals(struct loop_fd *f, unsigned events)
{
	struct master *m = container_of(f, struct master, signals);
	int sig;

	(void)events;
	while ((sig = plat_signals_next(f->fd)) != 0)
		master_signal(m, sig);
}

/* --- time ----------------------------------------------------------------*/

static void
master_on_ring(struct loop_fd *f, unsigned events)
{
	struct master *m = container_of(f, struct master, ring);
	uint64_t n;

	(void)events;
	if (read(f->fd, &n, sizeof n) == (ssize_t)sizeof n)
		sweep_round(m->sweep, loop_now(m->loop));
}

/* Before anything of this turn is judged: was it us who slept? */
static void
master_after_wait(void *arg)
{
	struct master *m = arg;
	struct mono now = loop_now(m->loop);
	uint64_t gap_us = now.us - m->last_turn.us;

	if (gap_us > MASTER_GAP_US ||
	    gap_us > m->edition->conf->worker_timeout_ms * 1000 / 2)
		children_excuse(m->children, now);
	m->last_turn = now;
}

static void
master_publish(struct master *m, struct mono now)
{
	const char *path = m->edition->conf->stats_file;
	int r;

	r = stats_publish(m->stats, now);
	if (r == -1 && !m->stats_lost)
		log_warn("stats_not_written file=\"%s\"", path);
	else if (r == 1) {
		log_warnx("stats_made_again file=\"%s\"", path);
		master_give_stats(m);
	} else if (r == 0 && m->stats_lost)
		log_info("stats_written_again file=\"%s\"", path);
	m->stats_lost = r == -1;
}

static void
master_second(struct master *m, struct mono now)
{
	m->next_second.us = now.us + MASTER_SECOND_US;
	stats_heartbeat(m->stats, stats_master(m->stats), loop_wall(m->loop));
	reclaim_tally(m->segment, m->edition->conf);
	coverage_save();
	master_need_time(m, now);
}

static void
master_on_tick(struct timer *t, struct mono now)
{
	struct master *m = container_of(t, struct master, tick);

	timer_start(loop_wheel(m->loop), t,
	    mono_add_ms(now, MASTER_TICK_MS), master_on_tick);
	if ((m->state == MASTER_LEAVING || m->state == MASTER_DRAINING) &&
	    now.us >= m->until.us)
		master_go_on(m);
	master_former_step(m);
	children_tick(m->children, now);
	master_settle(m);
	sweep_round(m->sweep, now);
	if (now.us >= m->next_second.us)
		master_second(m, now);
	master_publish(m, now);
	if (m->ready_due && m->state == MASTER_SERVING)
		master_notify_ready(m);
	master_feed_watchdog(m, now);
}

/* --- run -----------------------------------------------------------------*/

/* From the first step on: one that comes during the start is obeyed as soon as
 * there is a loop, and what was made until then is removed. */
static int
master_hold_signals(struct master *m)
{
	static const int sigs[] = { SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP,
		SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGWINCH };

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);	/* what can't be written fails */
	m->signals_fd = plat_signals_open(sigs, nitems(sigs));
	return (m->signals_fd == -1 ? -1 : 0);
}

static int
master_watch(struct master *m)
{
	const struct loop_hooks hooks = { .after_wait = master_after_wait,
		.arg = m };

	if (loop_add(m->loop, &m->signals, m->signals_fd, LOOP_IN,
	    master_on_signals) == -1 || loop_add(m->loop, &m->ring,
	    segment_master_fd(m->segment), LOOP_IN, master_on_ring) == -1) {
		log_err("signals_not_watched");
		return (EX_OSERR);
	}
	loop_hooks(m->loop, &hooks);
	m->last_turn = loop_now(m->loop);
	/* the first tick fills the seats */
	timer_start(loop_wheel(m->loop), &m->tick, m->last_turn,
	    master_on_tick);
	return (EX_OK);
}

int
master_gather(struct master *m)
{
	struct children_params cp = {
		.first = { .edition = m->edition, .listens = m->listens,
			.nworkers = m->workers },
		.relay = m->p->relay, .worker = m->p->worker,
		.confine = m->p->confine,
		.background = !m->p->foreground &&
		    m->edition->conf->log_file[0] == '\0',
		.to_file = m->edition->conf->log_file[0] != '\0',
		.on_change = master_on_change, .on_other = master_on_other,
		.arg = m,
	};

	cp.loop = m->loop;
	cp.handovers = m->handovers;
	cp.segment = m->segment;
	cp.sweep = m->sweep;
	cp.stats = m->stats;
	cp.user = m->become ? &m->user : NULL;
	cp.started = m->started;
	cp.node_id = m->node_id;
	m->children = children_new(&cp);
	if (m->children == NULL) {
		log_err("children");
		return (EX_OSERR);
	}
	return (master_watch(m));
}

static void
master_log_start(const struct master *m, uint64_t files)
{
	const char *place = m->edition->conf->log_file;

	if (place[0] == '\0')
		place = log_place(m->p->foreground ? LOG_TARGET_STDERR :
		    LOG_TARGET_SYSLOG);
	log_info("starting version=%s workers=%u files=%" PRIu64
	    " seccomp=%s config=\"%s\" log=%s", m->p->version, m->workers,
	    files, master_seccomp(m), m->p->file, place);
}

/* What nobody was before. */
static int
master_begin(struct master *m, uint64_t files)
{
	int code;

	master_log_start(m, files);	/* where, to who looks here */
	folder_make(m->edition->conf->log_file);
	if (!master_log(m)) {
		log_err("log file=\"%s\"", m->edition->conf->log_file);
		return (EX_CANTCREAT);
	}
	if (m->edition->conf->log_file[0] != '\0')
		master_log_start(m, files);
	m->loop = loop_new(); /* may be the end: nothing is left behind yet */
	code = master_open(m);
	if (code != EX_OK)
		return (code);
	setproctitle("-roostd: master");
	master_check_host(m);
	listen_log(m->listens);
	m->started = mono_now();
	if (getrandom(&m->node_id, sizeof m->node_id, 0) !=
	    (ssize_t)sizeof m->node_id) {
		log_err("getrandom");
		return (EX_OSERR);
	}
	return (master_gather(m));
}

static int
master_start(struct master *m)
{
	uint64_t files = plat_raise_nofile();

	plat_core((enum plat_core)m->edition->conf->core_dumps);
	if (master_hold_signals(m) == -1) {
		log_err("signals");
		return (EX_OSERR);
	}
	plat_notify_init();
	master_open_board(m);
	return (m->p->pass != NULL ? master_continue(m) :
	    master_begin(m, files));
}

int
master_run(const struct master_params *p)
{
	struct master m;

	memset(&m, 0, sizeof m);
	m.p = p;
	m.edition = p->edition;
	m.workers = m.asked_workers = edition_workers(p->edition);
	m.release_fd = m.exe_fd = -1;
	if (listen_given_take(p->pass == NULL) == -1) {
		edition_free(&m.edition);
		return (EX_CONFIG);
	}
	if (!p->foreground && p->pass == NULL) {
		m.release_fd = daemon_begin();
		if (m.release_fd == -1) {
			log_err("fork");
			edition_free(&m.edition);
			return (EX_OSERR);
		}
	}
	m.code = master_start(&m);
	if (m.code == EX_OK)
		loop_run(m.loop);
	else if (leap_guarded())
		exit(m.code);	/* all that there is another program's */
	log_info("ended exit=%d", m.code);
	master_close(&m);
	if (m.release_fd != -1) /* never served */
		daemon_release(m.release_fd,
		    m.code == EX_OK ? EX_TEMPFAIL : m.code);
	return (m.code);
}
