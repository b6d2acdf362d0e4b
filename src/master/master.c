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
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/coverage.h"
#include "conf/conf.h"
#include "master/children.h"
#include "master/daemon.h"
#include "master/folder.h"
#include "master/listen.h"
#include "master/reclaim.h"
#include "shm/counters.h"
#include "shm/segment.h"
#include "shm/stats.h"
#include "shm/sweep.h"
#include "sys/log.h"

#define MASTER_TICK_MS		100
#define MASTER_SECOND_US	1000000
#define MASTER_GAP_US		5000000	/* we were stopped, not the children: this, or half
					 * of worker_timeout */
#define MASTER_EXTEND_US	10000000	/* asked for each second anew */
#define MASTER_MARGIN_MS	1000	/* between their end and the kill */
#define MASTER_ABORT_MS		1000	/* for children when a start fails */

/* --- stop ----------------------------------------------------------------*/

/* A service manager kills who takes longer to end than it was told, unless it
 * hears in time that it is to wait. */
static void
master_need_time(const struct master *m, struct mono now)
{
	if (now.us < m->over.us)
		(void)plat_notify("EXTEND_TIMEOUT_USEC=%d",
		    MASTER_EXTEND_US);
}

/* On the way to the end, which is not further than ms from here. */
static void
master_enter(struct master *m, enum master_state state, uint64_t ms)
{
	struct mono now = loop_now(m->loop);

	m->state = state;
	m->over = mono_add_ms(now, ms + MASTER_EXTEND_US / 1000);
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
		master_stop(m, m->p->conf->stop_time_ms);
		return;
	}
	log_info("killing why=\"told to stop twice\"");
	children_kill(m->children, loop_now(m->loop));
}

/* No more clients, and those that there are go one after the other. */
static void
master_drain(struct master *m)
{
	const struct conf *conf = m->p->conf;
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
	const struct conf *conf = m->p->conf;
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
		if (m->p->conf->drain_delay_ms != 0) {
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
		master_stop(m, m->p->conf->stop_time_ms);
}

/* To the file, if there is one; false: it can't be opened. */
static bool
master_log(const struct master *m)
{
	const char *path = m->p->conf->log_file;
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

/* A service manager that misses this waits until it gives us up: it is said
 * until it is taken. */
static void
master_notify_ready(struct master *m)
{
	m->ready_due = !plat_notify("READY=1\nMAINPID=%d\n"
	    "STATUS=serving, %u workers", (int)getpid(),
	    children_count(m->children).workers_ready);
}

static void
master_serving(struct master *m)
{
	struct seats_count n;

	m->state = MASTER_SERVING;
	n = children_count(m->children);
	log_info("ready workers=%u relay=%u node=%016" PRIx64,
	    n.workers_ready, n.relays_ready, m->node_id);
	master_notify_ready(m);
	if (m->release_fd == -1)
		return;
	if (m->p->conf->log_file[0] == '\0')
		log_open(LOG_TARGET_SYSLOG);
	daemon_release(m->release_fd, EX_OK);
	m->release_fd = -1;
	(void)master_log(m);	/* stderr went with the terminal */
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
	n = children_count(m->children);
	if (m->state >= MASTER_DRAINING && n.workers + n.relays == 0)
		loop_stop(m->loop);
}

/* A child became ready, or is gone. */
static void
master_on_change(void *arg)
{
	struct master *m = arg;
	struct seats_count n;

	if (m->state == MASTER_SERVING) {
		n = children_count(m->children);
		(void)plat_notify("STATUS=serving, %u of %u workers, relay %s",
		    n.workers_ready, m->p->workers,
		    n.relays_ready == 1 ? "up" : "down");
	}
	master_settle(m);
}

/* --- signals -------------------------------------------------------------*/

static void
master_child(struct master *m)
{
	struct mono now = loop_now(m->loop);

	children_reap(m->children, now);
	reclaim_tally(m->segment, m->p->conf); /* fewer users, perhaps */
	children_tick(m->children, now); /* replacements that need not wait */
}

static void
master_reopen(struct master *m)
{
	const char *path = m->p->conf->log_file;

	log_info("reopening signal=USR1");
	if (path[0] != '\0' && !master_log(m)) {
		log_warn("log_not_reopened file=\"%s\"", path);
		return;
	}
	if (path[0] == '\0')
		log_reopen(-1);
	children_reopen_log(m->children, path[0] != '\0');
	log_info("reopened");
}

static void
master_unsupported(struct master *m, const char *name)
{
	(void)m;
	log_info("signal_ignored signal=%s", name);
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
		log_info("rereading signal=HUP");
		children_reread(m->children);
		break;
	default:
		master_unsupported(m, sigabbrev_np(sig));
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
	    gap_us > m->p->conf->worker_timeout_ms * 1000 / 2)
		children_excuse(m->children, now);
	m->last_turn = now;
}

static void
master_publish(struct master *m, struct mono now)
{
	const char *path = m->p->conf->stats_file;
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
	reclaim_tally(m->segment, m->p->conf);
	coverage_save();
	if (m->state >= MASTER_LEAVING)
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
	children_tick(m->children, now);
	master_settle(m);
	sweep_round(m->sweep, now);
	if (now.us >= m->next_second.us)
		master_second(m, now);
	master_publish(m, now);
	if (m->ready_due && m->state == MASTER_SERVING)
		master_notify_ready(m);
	if (plat_watchdog_us() != 0 && now.us >= m->next_watchdog.us) {
		m->next_watchdog.us = now.us + plat_watchdog_us() / 3;
		(void)plat_notify("WATCHDOG=1");
	}
}

/* --- run -----------------------------------------------------------------*/

/* Of a worker, without clients: its own streams, files and sockets. */
#define MASTER_OWN_FILES	16

/* A limit that cannot be reached is worth a word, before clients find out. */
static void
master_check_files(const struct master *m, uint64_t files)
{
	const struct conf *conf = m->p->conf;
	uint64_t each, own, sum, host = plat_host_files();

	own = MASTER_OWN_FILES + segment_nslots(m->segment) +
	    conf->nlistens + role_kept_files(files);
	each = files > own ? files - own : 0;
	sum = each > UINT64_MAX / m->p->workers ? UINT64_MAX :
	    each * m->p->workers;
	if (sum > host)
		sum = host;
	if (conf->limit_connections > sum)
		log_warnx("limit_out_of_reach limits.connections=%" PRIu64
		    " workers=%u files=%" PRIu64 " enough_for=%" PRIu64
		    " hint=\"raise ulimit -n, or LimitNOFILE\"",
		    conf->limit_connections, m->p->workers, files, sum);
}

/* From the first step on: one that comes during the start is obeyed as soon as
 * there is a loop, and what was made until then is removed. */
static int
master_hold_signals(struct master *m)
{
	static const int sigs[] = { SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP,
		SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU };

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

static int
master_gather(struct master *m)
{
	struct children_params cp = {
		.conf = m->p->conf, .load = m->p->load,
		.relay = m->p->relay, .worker = m->p->worker,
		.nworkers = m->p->workers,
		.background = !m->p->foreground &&
		    m->p->conf->log_file[0] == '\0',
		.on_change = master_on_change, .arg = m,
	};

	cp.loop = m->loop;
	cp.listens = m->listens;
	cp.handovers = m->handovers;
	cp.segment = m->segment;
	cp.sweep = m->sweep;
	cp.stats = m->stats;
	cp.user = m->become ? &m->user : NULL;
	cp.started = mono_now();
	if (getrandom(&cp.node_id, sizeof cp.node_id, 0) !=
	    (ssize_t)sizeof cp.node_id) {
		log_err("getrandom");
		return (EX_OSERR);
	}
	m->node_id = cp.node_id;
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
	const char *place = m->p->conf->log_file;

	if (place[0] == '\0')
		place = log_place(m->p->foreground ? LOG_TARGET_STDERR :
		    LOG_TARGET_SYSLOG);
	log_info("starting version=%s workers=%u files=%" PRIu64
	    " config=\"%s\" log=%s", m->p->version, m->p->workers, files,
	    m->p->file, place);
}

static int
master_start(struct master *m)
{
	uint64_t files = plat_raise_nofile();
	int code;

	if (master_hold_signals(m) == -1) {
		log_err("signals");
		return (EX_OSERR);
	}
	plat_notify_init();
	master_log_start(m, files);	/* where, to who looks here */
	folder_make(m->p->conf->log_file);
	if (!master_log(m)) {
		log_err("log file=\"%s\"", m->p->conf->log_file);
		return (EX_CANTCREAT);
	}
	if (m->p->conf->log_file[0] != '\0')
		master_log_start(m, files);
	m->loop = loop_new(); /* may be the end: nothing is left behind yet */
	code = master_open(m);
	if (code != EX_OK)
		return (code);
	setproctitle("-roostd: master");
	master_check_files(m, files);
	listen_log(m->listens);
	return (master_gather(m));
}

int
master_run(const struct master_params *p)
{
	struct master m;

	memset(&m, 0, sizeof m);
	m.p = p;
	m.release_fd = -1;
	if (!p->foreground) {
		m.release_fd = daemon_begin();
		if (m.release_fd == -1) {
			log_err("fork");
			return (EX_OSERR);
		}
	}
	m.code = master_start(&m);
	if (m.code == EX_OK)
		loop_run(m.loop);
	log_info("ended exit=%d", m.code);
	master_close(&m);
	if (m.release_fd != -1) /* never served */
		daemon_release(m.release_fd,
		    m.code == EX_OK ? EX_TEMPFAIL : m.code);
	return (m.code);
}
