/*
 * The binary is replaced in place; see master.h.
 *
 *	NONE ──USR2──► the new one is tried ──yes──► we become it, and its
 *	         ▲           │ no                    workers come (a turn)
 *	         └───────────┴◄── we become the old one again ◄── they do not
 *
 * In the process that was started: children stay children, and what listens
 * goes on listening.  When the workers of the new one serve, the relay is
 * replaced as well.
 */
#include "master/master_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/read/packet.h"
#include "master/children.h"
#include "master/handovers.h"
#include "master/listen.h"
#include "master/pidfile.h"
#include "master/read/edition.h"
#include "master/read/load.h"
#include "master/trial.h"
#include "master/upgrade/binary.h"
#include "master/upgrade/leap.h"
#include "master/upgrade/pass.h"
#include "master/upgrade/record.h"
#include "shm/counters.h"
#include "shm/segment.h"
#include "shm/slots_before.h"
#include "shm/stats.h"
#include "sys/log.h"

/* --- what there is ----------------------------------------------------------*/

static void
upgrade_keep_memory(const struct master *m, struct record *r)
{
	stats_keep(m->stats, &r->stats);
	r->passed_fd = -1;
	if (m->former != NULL) {
		master_former_keep(m, r);
		return;
	}
	r->layout = segment_layout(m->segment);
	slots_rows(m->segment, &r->rows);
	r->segment = *segment_made(m->segment);
	r->segment_fd = segment_fd(m->segment);
	r->relay_fd = segment_relay_fd(m->segment);
	r->master_fd = segment_master_fd(m->segment);
}

static void
upgrade_keep_handovers(const struct master *m, struct record *r)
{
	struct handovers_kept kept;

	handovers_keep(m->handovers, &kept);
	r->nslots = kept.nslots;
	memcpy(r->handover_in, kept.in, sizeof r->handover_in);
	memcpy(r->handover_out, kept.out, sizeof r->handover_out);
}

/* The configuration that is in force; valid until the next. */
static struct slice
upgrade_keep_conf(const struct master *m)
{
	const struct conf_source source = edition_origin(m->edition,
	    m->p->source);
	static struct buf packet;

	if (packet.data == NULL)
		buf_init(&packet);
	buf_reset(&packet);
	conf_pack(&packet, &source, m->edition->conf);
	return (packet.oom ? slice_of(NULL, 0) : buf_unread(&packet));
}

/* In memory that stays; NULL: none. */
static struct record *
upgrade_keep(const struct master *m)
{
	static struct record *r;

	if (r == NULL)
		r = malloc(sizeof *r);
	if (r == NULL)
		return (NULL);
	memset(r, 0, sizeof *r);
	r->pid = (uint32_t)getpid();
	r->node_id = m->node_id;
	r->started_us = m->started.us;
	r->nworkers = m->workers;
	r->resize_due = m->resize_due;
	r->reload_due = m->reload_due;
	r->even_due = m->even_due;
	r->upgrade_due = m->upgrade_due;
	r->timeout_ms = m->edition->conf->binary_timeout_ms;
	memcpy(r->ticket_key, m->edition->load->ticket_key,
	    sizeof r->ticket_key);
	r->exe_fd = m->exe_fd;
	r->pidfile_fd = m->pidfile == NULL ? -1 : pidfile_fd(m->pidfile);
	upgrade_keep_memory(m, r);
	upgrade_keep_handovers(m, r);
	listen_keep(m->listens, r);
	children_keep(m->children, r);
	r->version = slice_str(m->p->version);
	r->binary = slice_str(m->p->binary);
	r->conf = upgrade_keep_conf(m);
	return (r->conf.n == 0 ? NULL : r);
}

/* --- tried by another one ---------------------------------------------------*/

const char *
master_try(const struct master_params *p, bool *layout)
{
	const struct record *r = p->pass->record;
	struct edition *next;
	struct master m;

	*layout = segment_layout_for(&r->segment) != r->layout;
	if (*layout && (segment_layout_for(&r->segment) == 0 ||
	    !slots_rows_known(&r->rows, &r->segment)))
		return ("its shared memory is one that none of ours can "
		    "follow: a restart is needed");
	memset(&m, 0, sizeof m);
	m.p = p;
	m.edition = p->edition;
	m.workers = r->nworkers;
	m.asked_workers = edition_workers(p->edition);
	m.room = r->segment.max_workers;
	m.counts_keys = r->segment.count_max != 0;
	log_set_level(LOG_LEVEL_WARN);	/* what is wrong, not what is new */
	next = master_reload_next(&m);
	if (next == NULL)
		return ("the configuration is refused");
	edition_free(&next);
	return (NULL);
}

/* --- to another one ---------------------------------------------------------*/

static void
upgrade_failed(struct master *m, const char *why)
{
	if (m->exe_fd != -1)
		(void)close(m->exe_fd);
	m->exe_fd = -1;		/* opened anew for the next one */
	counter_add(COUNTER_upgrades_failed, 1);
	log_errx("upgrade_failed binary=\"%s\" why=\"%s\"", m->p->binary, why);
	master_trouble(m, "the last upgrade failed", why);
	master_ends(m, BOARD_UPGRADE, false);
	master_notify_ready(m);
}

/* Does not return, unless it fails. */
static void
upgrade_leap(struct master *m, bool layout)
{
	const char *directory = m->p->source->directory;
	struct record *r = upgrade_keep(m);
	int error;

	if (r == NULL) {
		upgrade_failed(m, strerror(ENOMEM));
		return;
	}
	if (layout)
		r->passed_fd = master_former_pass(m);
	if (layout && r->passed_fd == -1) {
		upgrade_failed(m, strerror(errno));
		return;
	}
	(void)stats_publish(m->stats, loop_now(m->loop));
	log_info("upgrading_now binary=\"%s\"", m->p->binary);
	/* it reads its configuration from where we did */
	if (directory == NULL || chdir(directory) != -1)
		leap_on(m->p->binary, r);
	error = errno;
	if (r->passed_fd != -1)
		(void)close(r->passed_fd);
	if (directory != NULL && chdir("/") == -1)
		log_warn("chdir path=/");
	upgrade_failed(m, strerror(error));
}

static void
upgrade_on_trial(void *arg, const char *why, bool layout)
{
	struct master *m = arg;
	char plain[TRIAL_SAYS_MAX + 64];

	m->trial = NULL;
	if (why != NULL)
		upgrade_failed(m, log_quoted(plain, sizeof plain,
		    slice_str(why)));
	else
		upgrade_leap(m, layout);
}

void
master_upgrade(struct master *m)
{
	const struct trial_params p = { .loop = m->loop,
		.binary = m->p->binary, .directory = m->p->source->directory,
		.ms = m->edition->conf->binary_timeout_ms,
		.done = upgrade_on_trial, .arg = m };
	const struct record *r;

	(void)master_begins(m, BOARD_UPGRADE);
	m->trouble[0] = '\0';
	m->upgrading = true;	/* as the manager sees it */
	master_notify_begins(m);
	m->upgrading = false;
	if (m->p->binary == NULL) {
		upgrade_failed(m, "its path is not known");
		return;
	}
	master_former_step(m);	/* its last worker may have gone just now */
	if (m->former != NULL) {
		upgrade_failed(m, "the one before is not done with: reload");
		return;
	}
	if (m->exe_fd == -1)
		m->exe_fd = binary_open_self();
	r = m->exe_fd == -1 ? NULL : upgrade_keep(m);
	m->trial = r == NULL ? NULL : trial_begin(&p, r);
	if (m->trial == NULL)
		upgrade_failed(m, strerror(errno));
}

void
master_want_upgrade(struct master *m)
{
	bool refused = m->state > MASTER_SERVING;

	m->upgrade_due = true;
	if (refused)
		(void)master_begins(m, BOARD_UPGRADE);
	master_want(m);
	if (m->upgrade_due)
		master_notify_begins(m);
	if (!refused)
		return;
	counter_add(COUNTER_upgrades_failed, 1);
	master_ends(m, BOARD_UPGRADE, false);
}

void
master_upgrade_forget(struct master *m)
{
	trial_free(&m->trial);
	m->upgrading = false;
	m->back_why = NULL;
	if (m->task == BOARD_UPGRADE)
		master_ends(m, BOARD_UPGRADE, false);
	leap_unguard();
}

/* --- from another one -------------------------------------------------------*/

void
master_adopted(struct master *m)
{
	const struct pass *p = m->p->pass;

	(void)master_begins(m, BOARD_UPGRADE);
	master_tell(m);
	children_adopt(m->children, m->adopted);
	if (p->way == PASS_BACK) {
		m->exe_fd = m->adopted->exe_fd;
		(void)close(p->fd);
	} else if (m->adopted->exe_fd != -1)
		(void)close(m->adopted->exe_fd); /* the guard has it */
	free(m->adopted);
	m->adopted = NULL;
	m->state = MASTER_SERVING;
	m->resize_due = p->record->resize_due;
	m->reload_due = p->record->reload_due;
	m->even_due = p->record->even_due;
	m->upgrade_due = p->record->upgrade_due;
	if (p->way == PASS_ON) {
		log_info("upgrading_from version=%.*s to=%s",
		    (int)p->record->version.n,
		    (const char *)p->record->version.p, m->p->version);
		m->upgrading = true;
		m->reload_due = true;
		return;
	}
	log_errx("upgrade_rolled_back version=%s why=\"%s\"", m->p->version,
	    p->why);
	upgrade_failed(m, p->why);
}

void
master_upgraded(struct master *m)
{
	const struct slice before = m->p->pass == NULL ? SLICE("") :
	    m->p->pass->record->version;

	if (!m->upgrading)
		return;
	m->upgrading = false;
	m->relay_due = m->former == NULL;	/* else it is due now */
	leap_unguard();
	counter_add(COUNTER_upgrades, 1);
	/* until it goes; another version may not know all words of ours */
	if (slice_eq(before, slice_str(m->p->version)))
		(void)master_tell_relay(m, m->edition);
	log_info("upgraded version=%s before=%.*s", m->p->version,
	    (int)before.n, (const char *)before.p);
	master_ends(m, BOARD_UPGRADE, true);
	master_notify_ready(m);
}

void
master_upgrade_back(struct master *m)
{
	const char *directory = m->p->source->directory;
	struct record *r = upgrade_keep(m);

	log_errx("upgrade_rolls_back why=\"%s\"", m->back_why);
	if (r != NULL && (directory == NULL || chdir(directory) != -1)) {
		r->exe_fd = -1;
		(void)stats_publish(m->stats, loop_now(m->loop));
		leap_back(r, m->back_why);
	}
	/* who serves, serves */
	log_err("upgrade_stays");
	if (directory != NULL && chdir("/") == -1)
		log_warn("chdir path=/");
	master_upgrade_forget(m);
	upgrade_failed(m, "there was no way back");
}
