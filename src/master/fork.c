/*
 * From the master's fork to the role's first line; see fork.h.
 */
#include "master/fork.h"

#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/coverage.h"
#include "conf/conf.h"
#include "shm/counters.h"
#include "shm/segment.h"
#include "shm/slots.h"
#include "shm/stats.h"
#include "sys/plat.h"

/* of this child, for the panic hook, which has no argument */
static struct segment *fork_segment;
static unsigned fork_slot;

static void
fork_panic(const char *note)
{
	slot_panic_note(fork_segment, fork_slot, note);
}

static void
fork_log_lost(void)
{
	counter_add(COUNTER_log_lost, 1);
}

static void
fork_close_others(const struct heritage *h)
{
	int keep[2 * ROLE_SLOTS_MAX + ROLE_SOCKETS_MAX + 6];
	size_t i, n = 0;

	keep[n++] = h->control_fd;
	keep[n++] = segment_fd(h->segment);
	keep[n++] = segment_relay_fd(h->segment);
	keep[n++] = segment_master_fd(h->segment);
	keep[n++] = h->handover_in;
	keep[n++] = h->store_fd;
	for (i = 0; i < ROLE_SLOTS_MAX; i++) {
		keep[n++] = h->bus_fds[i];
		keep[n++] = h->handover_out[i];
	}
	for (i = 0; i < h->nlisteners; i++)
		keep[n++] = h->listeners[i].fd;
	plat_close_others(keep, n);
}

static void
fork_stdio(const struct fork_params *p)
{
	int out = p->says_fd != -1 ? p->says_fd : STDERR_FILENO;
	int null;

	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null == -1)
		fatal("open path=/dev/null");
	if (dup2(null, STDIN_FILENO) == -1)
		fatal("dup2");
	if ((p->says_fd != -1 || p->to_file) &&
	    (dup2(out, STDOUT_FILENO) == -1 ||
	    (out != STDERR_FILENO && dup2(out, STDERR_FILENO) == -1)))
		fatal("dup2");
}

static_assert((int)CONF_LOG_FORMAT_JSON == (int)LOG_FORMAT_JSON &&
    (int)CONF_CORE_FULL == (int)PLAT_CORE_FULL, "one order");

static void
fork_name(const struct heritage *h, const struct role *role)
{
	int level = log_level_from(h->conf->log_level);
	char name[16]; /* what the kernel keeps */

	/* who comes by another configuration is before the master in it */
	if (level >= 0)
		log_set_level((enum log_level)level);
	log_set_format((enum log_format)h->conf->log_format);
	if (role->id == SLOT_RELAY) {
		log_init(role->title, -1, log_level_now);
		setproctitle("-roostd: %s", role->title);
		(void)snprintf(name, sizeof name, "roost-%s", role->title);
	} else {
		log_init(role->title, h->slot, log_level_now);
		setproctitle("-roostd: %s %d", role->title, h->slot);
		(void)snprintf(name, sizeof name, "roost-%s%d", role->title,
		    h->slot);
	}
	plat_process_name(name);
}

static void fork_in_child(const struct heritage *, const struct fork_params *,
    pid_t master) NORETURN;
static void
fork_in_child(const struct heritage *h, const struct fork_params *p,
    pid_t master)
{
	log_tap_hook = NULL;
	fork_name(h, p->role);
	log_close(); /* before its descriptor goes */
	fork_stdio(p);
	fork_close_others(h);
	log_open(p->log_target);
	plat_core((enum plat_core)h->conf->core_dumps);
	if (p->user != NULL && plat_user_become(p->user) == -1)
		fatal("user_not_become uid=%u", (unsigned)p->user->uid);
	if (h->conf->core_dumps != CONF_CORE_OFF)
		plat_core_allow();
	plat_drop_capabilities();
	if (!plat_die_with(master)) {
		coverage_save();
		_exit(EX_TEMPFAIL); /* nobody is left to read a message */
	}
	plat_signals_child();
	fork_segment = h->segment;
	fork_slot = (unsigned)h->slot;
	bug_panic_hook = fork_panic;
	counters_attach(stats_column(h->stats, fork_slot));
	log_lost_hook = fork_log_lost;
	exit(p->role->run(h));
}

pid_t
fork_child(const struct heritage *h, const struct fork_params *p)
{
	pid_t master, pid;

	(void)fflush(NULL);
	master = getpid();
	pid = fork();
	if (pid == 0)
		fork_in_child(h, p, master);
	return (pid);
}
