/*
 * What another program has left in this process, as it was; see master.h.
 * Until that is known to do, the descriptors that came stay as they came, for
 * the way back: we have our own.
 */
#include "master/master_int.h"

#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/conf.h"
#include "master/handovers.h"
#include "master/listen.h"
#include "master/pidfile.h"
#include "master/read/edition.h"
#include "master/read/load.h"
#include "master/upgrade/leap.h"
#include "master/upgrade/pass.h"
#include "master/upgrade/record.h"
#include "shm/segment.h"
#include "shm/stats.h"
#include "shm/sweep.h"
#include "sys/log.h"

static int
adopt_duplicate(int fd, void *arg)
{
	int *missing = arg, own = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (own == -1)
		*missing = fd;
	return (own);
}

static int
adopt_keep(int fd, void *arg)
{
	int *missing = arg;

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
		return (fd);
	*missing = fd;
	return (-1);
}

/* NULL: one of them is not there, or no memory; logged. */
static struct record *
adopt_record(const struct pass *p)
{
	struct record *r = malloc(sizeof *r);
	int missing = -1;

	if (r == NULL) {
		log_err("adopt");
		return (NULL);
	}
	*r = *p->record;
	record_change_fds(r, leap_guarded() ? adopt_duplicate : adopt_keep,
	    &missing);
	if (missing == -1)
		return (r);
	log_err("descriptor_missing fd=%d", missing);
	free(r);
	return (NULL);
}

static int
adopt_sockets(struct master *m, const struct record *r)
{
	struct handovers_kept kept = { .nslots = r->nslots };

	memcpy(kept.in, r->handover_in, sizeof kept.in);
	memcpy(kept.out, r->handover_out, sizeof kept.out);
	m->listens = listen_adopt(r);
	m->handovers = handovers_adopt(&kept);
	if (m->listens != NULL && m->handovers != NULL)
		return (EX_OK);
	log_err("sockets_not_adopted");
	return (EX_OSERR);
}

static int
adopt_pidfile(struct master *m, const struct record *r)
{
	const char *path = m->edition->conf->pidfile;

	if (r->pidfile_fd == -1 || path[0] == '\0')
		return (EX_OK);
	m->pidfile = pidfile_adopt(path, r->pidfile_fd);
	if (m->pidfile != NULL)
		return (EX_OK);
	log_err("pidfile path=\"%s\"", path);
	return (EX_OSERR);
}

static int
adopt_memory(struct master *m, const struct record *r)
{
	const char *path = m->edition->conf->stats_file;
	const struct stats_params sp = { .nslots = r->nslots,
		.version = m->p->version };

	m->counts_keys = r->segment.count_max != 0;
	m->room = r->segment.max_workers;
	if (segment_layout_for(&r->segment) == r->layout)
		m->segment = segment_attach(r->segment_fd, r->relay_fd,
		    r->master_fd, &r->segment);
	else if (master_former_open(m, r) != EX_OK)
		return (EX_OSERR);
	if (m->segment != NULL)
		m->sweep = sweep_new(m->segment);
	if (m->sweep == NULL || segment_nslots(m->segment) != r->nslots) {
		log_err("shared_memory_not_adopted");
		return (EX_OSERR);
	}
	m->stats = stats_adopt(&r->stats, path[0] == '\0' ? NULL : path, &sp);
	if (m->stats == NULL) {
		log_err("stats_not_adopted file=\"%s\"", path);
		return (EX_OSERR);
	}
	return (EX_OK);
}

static int
adopt_all(struct master *m, const struct record *r)
{
	int code;

	m->node_id = r->node_id;
	m->started.us = r->started_us;
	m->workers = r->nworkers;
	memcpy(m->edition->load->ticket_key, r->ticket_key,
	    sizeof r->ticket_key);
	code = master_open_user(m);
	if (code == EX_OK)
		code = adopt_pidfile(m, r);
	if (code == EX_OK)
		code = adopt_sockets(m, r);
	if (code == EX_OK)
		code = adopt_memory(m, r);
	if (code == EX_OK)
		master_attach_stats(m);
	return (code);
}

static int
adopt(struct master *m)
{
	m->adopted = adopt_record(m->p->pass);
	return (m->adopted == NULL ? EX_OSERR : adopt_all(m, m->adopted));
}

int
master_continue(struct master *m)
{
	int code;

	plat_process_name("roostd");
	setproctitle("-roostd: master");
	if (!m->p->foreground && m->edition->conf->log_file[0] == '\0')
		log_open(LOG_TARGET_SYSLOG);
	m->loop = loop_new();
	code = adopt(m);
	if (code == EX_OK)
		code = master_gather(m);
	if (code == EX_OK)
		master_adopted(m);
	return (code);
}
