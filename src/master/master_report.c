/*
 * What whoever may send signals is told: facts about the daemon, and what
 * became of the last thing that was asked for, with what the log says of it;
 * see sys/board.h.  Called by the other files of master.h.
 */
#include "master/master_int.h"

#include <sys/un.h>

#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "host/check.h"
#include "master/listen.h"
#include "master/read/edition.h"
#include "master/read/load.h"
#include "master/read/plan.h"
#include "shm/counters.h"
#include "sys/log.h"

static struct board *report_board;	/* of the hook, which has no argument */

static void
report_on_message(enum log_level level, const char *message, size_t n)
{
	static const char letters[] = { [LOG_LEVEL_ERROR] = 'e',
		[LOG_LEVEL_WARN] = 'w', [LOG_LEVEL_INFO] = 'i' };

	if (level <= LOG_LEVEL_INFO)
		board_line(report_board, letters[level],
		    slice_of(message, n));
}

bool
master_begins(struct master *m, enum board_task task)
{
	if (m->board == NULL || m->task != BOARD_NOTHING)
		return (false);
	board_begin(m->board, task, wall_now());
	m->task = task;
	report_board = m->board;
	log_tap_hook = report_on_message;
	return (true);
}

void
master_ends(struct master *m, enum board_task task, bool done)
{
	if (m->board == NULL)
		return;
	if (m->task != task) {
		board_note(m->board, task, done, wall_now());
		return;
	}
	log_tap_hook = NULL;
	board_end(m->board, done, wall_now());
	m->task = BOARD_NOTHING;
}

/* --- facts ----------------------------------------------------------------*/

/* "HOST:PORT", "[HOST]:PORT", "unix:PATH" */
static bool
report_address(int fd, char *out, size_t cap)
{
	struct sockaddr_storage sa;
	const struct sockaddr_un *sun = (const void *)&sa;
	socklen_t len = sizeof sa;
	char host[128], port[16];
	const char *form = "%s:%s";

	memset(&sa, 0, sizeof sa);
	if (getsockname(fd, (struct sockaddr *)&sa, &len) == -1)
		return (false);
	if (sa.ss_family == AF_UNIX) {
		(void)snprintf(out, cap, "unix:%s", sun->sun_path);
		return (true);
	}
	if (getnameinfo((const struct sockaddr *)&sa, len, host, sizeof host,
	    port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return (false);
	if (sa.ss_family == AF_INET6)
		form = "[%s]:%s";
	(void)snprintf(out, cap, form, host, port);
	return (true);
}

/* Where we listen; the first without TLS is for the API. */
static void
report_listens(const struct master *m, struct buf *b)
{
	static struct heritage_listener l[ROLE_SOCKETS_MAX]; /* large */
	const struct conf *conf = m->edition->conf;
	size_t i, n = listen_column(m->listens, 0, l);
	char address[256];
	bool api = false;

	for (i = 0; i < n; i++) {
		if (l[i].index >= conf->nlistens ||
		    !report_address(l[i].fd, address, sizeof address))
			continue;
		buf_printf(b, "listen=%s%s\n", address,
		    conf->listens[l[i].index].tls ? " (TLS)" : "");
		if (!api && !conf->listens[l[i].index].tls &&
		    conf_listen_serves(&conf->listens[l[i].index],
		    CONF_SERVE_API)) {
			buf_printf(b, "api=%s\n", address);
			api = true;
		}
	}
	if (conf->nhosts > 0 && conf->hosts[0][0] != '*')
		buf_printf(b, "host=%s\n", conf->hosts[0]);
}

static unsigned
report_wanted(const struct master *m)
{
	int n = (int)(m->turn == TURN_COMING ? m->next_workers : m->workers) +
	    m->resize_due;

	return (n < 1 ? 1 : (unsigned)n);
}

static uint64_t
report_started_ms(const struct master *m)
{
	return (wall_now().ms - (mono_now().us - m->started.us) / 1000);
}

const char *
master_seccomp(const struct master *m)
{
	return (m->p->confine == NULL ? "absent" :
	    m->p->confine->word(m->edition->conf));
}

void
master_tell(struct master *m)
{
	const struct conf *conf = m->edition->conf;
	struct host_needs needs;
	struct buf b;

	counter_set(COUNTER_tls_expiry,
	    (uint64_t)m->edition->load->tls_until_s);
	counter_set(COUNTER_tls_ocsp_expiry,
	    (uint64_t)m->edition->load->ocsp_until_s);
	if (m->board == NULL)
		return;
	buf_init(&b);
	buf_printf(&b, "version=%s\nconfig=%s\nstarted_ms=%" PRIu64 "\n",
	    m->p->version, m->p->file, report_started_ms(m));
	buf_printf(&b, "workers=%u\nworkers_wanted=%u\nworkers_most=%u\n",
	    m->workers, report_wanted(m),
	    m->room);
	buf_printf(&b, "stop_ms=%" PRIu64 "\ndrain_ms=%" PRIu64 "\n",
	    conf->stop_time_ms, conf->drain_delay_ms + conf->drain_time_ms +
	    conf->stop_time_ms);
	buf_printf(&b, "seccomp=%s\nneeds=", master_seccomp(m));
	plan_needs(conf, m->workers, &needs);
	host_needs_print(&needs, &b);
	buf_byte(&b, '\n');
	if (conf->pidfile[0] != '\0')
		buf_printf(&b, "pidfile=%s\n", conf->pidfile);
	report_listens(m, &b);
	if (!b.oom)
		board_facts(m->board, buf_unread(&b));
	buf_fini(&b);
}

/* Without one the daemon serves as well. */
void
master_open_board(struct master *m)
{
	m->board = board_new();
	if (m->board == NULL)
		log_warn("board_not_made");
}

void
master_close_board(struct master *m)
{
	log_tap_hook = NULL;
	board_free(&m->board);
}
