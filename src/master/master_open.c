/*
 * What must be there before the first child: the user, the pidfile, sockets,
 * shared memory, the stats file; see master.h.
 */
#include "master/master_int.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/conf.h"
#include "host/check.h"
#include "master/children.h"
#include "master/folder.h"
#include "master/handovers.h"
#include "master/listen.h"
#include "master/pidfile.h"
#include "master/read/edition.h"
#include "master/read/plan.h"
#include "shm/counters.h"
#include "shm/layout.h"
#include "shm/segment.h"
#include "shm/stats.h"
#include "shm/sweep.h"
#include "sys/log.h"

int
master_open_user(struct master *m)
{
	const char *name = m->edition->conf->user;

	if (name[0] == '\0')
		return (EX_OK);
	if (plat_user_find(name, &m->user) == -1) {
		log_errx("user_unknown user=\"%s\" why=\"%s\"", name,
		    errno == 0 ? "no such user" : strerror(errno));
		return (EX_NOUSER);
	}
	if (geteuid() == 0)
		m->become = true;
	else if (geteuid() != m->user.uid)
		log_warnx("user_ignored why=\"not started as root\"");
	return (EX_OK);
}

static int
master_open_pidfile(struct master *m)
{
	const char *path = m->edition->conf->pidfile;
	pid_t other = 0;

	if (path[0] == '\0')
		return (EX_OK);
	folder_make(path);
	m->pidfile = pidfile_claim(path, &other);
	if (m->pidfile != NULL)
		return (EX_OK);
	if (errno == EEXIST) {
		log_errx("already_running pid=%d pidfile=%s", (int)other,
		    path);
		return (EX_UNAVAILABLE);
	}
	log_err("pidfile path=\"%s\"", path);
	return (EX_CANTCREAT);
}

static int
master_open_listens(struct master *m)
{
	char why[512];
	int code;

	code = listen_open(m->edition->conf, m->workers,
	    m->become ? &m->user : NULL, &m->listens, why, sizeof why);
	if (code != EX_OK)
		log_errx("not_listening why=\"%s\"", why);
	return (code);
}

static int
master_open_segment(struct master *m)
{
	const struct conf *conf = m->edition->conf;
	struct segment_params sp;

	plan_segment(conf, m->workers, &sp);
	m->counts_keys = sp.count_max != 0;
	m->room = sp.max_workers;
	m->segment = segment_create(&sp);
	if (m->segment != NULL)
		m->sweep = sweep_new(m->segment);
	if (m->sweep != NULL)
		return (EX_OK);
	log_err("shared_memory users=%u rooms=%u", conf->shm_users,
	    conf->shm_rooms);
	return (EX_OSERR);
}

static int
master_open_handovers(struct master *m)
{
	m->handovers = handovers_open(segment_nslots(m->segment));
	if (m->handovers != NULL)
		return (EX_OK);
	log_err("handover_sockets");
	return (EX_OSERR);
}

static void
master_log_lost(void)
{
	counter_add(COUNTER_log_lost, 1);
}

void
master_give_stats(const struct master *m)
{
	if (m->become && stats_give(m->stats, m->user.uid, m->user.gid) == -1)
		log_warn("stats_owner file=\"%s\"",
		    m->edition->conf->stats_file);
}

void
master_name_namespaces(const struct master *m, const struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nnamespaces; i++)
		(void)stats_ns(m->stats, conf->namespaces[i].index,
		    conf->namespaces[i].name);
}

void
master_attach_stats(struct master *m)
{
	unsigned master = stats_master(m->stats);

	master_give_stats(m);
	counters_attach(stats_column(m->stats, master));
	master_name_namespaces(m, m->edition->conf);
	stats_slot_live(m->stats, master, STATS_ROLE_MASTER,
	    (uint32_t)getpid(), 0, "master");
	log_lost_hook = master_log_lost;
}

static int
master_open_stats(struct master *m)
{
	const struct conf *conf = m->edition->conf;
	const char *path = conf->stats_file;
	const struct stats_params sp = {
		.nslots = segment_nslots(m->segment),
		.version = m->p->version,
	};

	folder_make(path);
	m->stats = stats_create(path[0] == '\0' ? NULL : path, &sp);
	if (m->stats == NULL) {
		log_err("stats file=\"%s\"", path);
		return (EX_CANTCREAT);
	}
	master_attach_stats(m);
	counter_set(COUNTER_generation, 1);
	return (EX_OK);
}

/* What is too small for this configuration is worth a word, before clients
 * find out. */
void
master_check_host(const struct master *m)
{
	struct host_finding found[HOST_FINDINGS];
	struct host_facts facts;
	struct host_needs needs;
	size_t i, n;

	plan_needs(m->edition->conf, m->workers, &needs);
	host_look(&facts, "", 0);
	if (facts.files == HOST_UNKNOWN)
		facts.files = plat_nofile();
	n = host_check(&needs, &facts, true, found);
	for (i = 0; i < n; i++)
		if (found[i].less)
			log_warnx("host_short what=%s found=\"%s\" "
			    "needed=\"%s\" mend=\"%s\"", found[i].what,
			    found[i].found, found[i].needed, found[i].mend);
}

int
master_open(struct master *m)
{
	static int (*const steps[])(struct master *) = {
		master_open_user, master_open_pidfile, master_open_listens,
		master_open_segment, master_open_handovers, master_open_stats,
	};
	size_t i;
	int code;

	for (i = 0; i < nitems(steps); i++) {
		code = steps[i](m);
		if (code != EX_OK)
			return (code);
	}
	return (EX_OK);
}

void
master_close(struct master *m)
{
	children_free(&m->children);
	loop_free(&m->loop);
	if (m->stats != NULL) {
		stats_end(m->stats);
		log_lost_hook = NULL;
		counters_attach(NULL);
		stats_close(&m->stats);
	}
	handovers_close(&m->handovers);
	sweep_free(&m->sweep);
	master_former_close(m);
	segment_free(&m->segment);
	listen_close(&m->next_listens);
	listen_close(&m->listens);
	edition_free(&m->next);
	edition_free(&m->edition);
	master_close_board(m);
	pidfile_drop(&m->pidfile);
}
