/*
 * Another configuration: read and checked in full before anything changes,
 * compared with the one in force, and turned to; see master.h.
 */
#include "master/master_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/read/diff.h"
#include "conf/read/line.h"
#include "master/children.h"
#include "master/listen.h"
#include "master/read/edition.h"
#include "master/read/load.h"
#include "master/read/plan.h"
#include "shm/counters.h"
#include "sys/log.h"

#define RELOAD_TROUBLE	"the last reload was refused"

struct reload_look {
	struct master	*m;
	const char	*file;
	const struct conf *conf;	/* the next */
	unsigned	 changes, refused;
};

void
master_reload_failed(struct master *m)
{
	if (m->upgrading) {	/* it is told as what it is */
		if (m->back_why == NULL)
			m->back_why = "its configuration is refused";
		return;
	}
	counter_add(COUNTER_reloads_failed, 1);
	log_errx("reload_failed config=\"%s\" "
	    "why=\"see above; nothing has changed\"", m->p->file);
	master_trouble(m, "the last reload failed", "see the log");
	master_ends(m, BOARD_RELOAD, false);
	master_notify_ready(m);
}

/* --- errors, differences --------------------------------------------------*/

/* "FILE:LINE: message", one a line. */
static void
reload_log_errors(struct master *m, const struct conf_errors *errors)
{
	struct slice rest = buf_unread(&errors->text);
	char line[CONF_ERROR_MAX + 256];
	const uint8_t *end;

	while (rest.n > 0) {
		end = memchr(rest.p, '\n', rest.n);
		if (end == NULL)
			end = rest.p + rest.n - 1;
		log_errx("config_bad what=\"%s\"", log_quoted(line,
		    sizeof line, slice_of(rest.p, (size_t)(end - rest.p))));
		master_trouble(m, RELOAD_TROUBLE, line);
		rest = slice_from(rest, (size_t)(end - rest.p) + 1);
	}
}

/* Whoever reads it has the other configuration before him: where it says so. */
static void
reload_refuse(struct reload_look *look, int line, const char *what,
    const char *why)
{
	char file[512], at[540], trouble[1024];

	(void)log_quoted(file, sizeof file, slice_str(look->file));
	if (line == CONF_LINE_OPTION)
		(void)snprintf(at, sizeof at, "-o");
	else if (line > 0)
		(void)snprintf(at, sizeof at, "%s:%d", file, line);
	else
		(void)snprintf(at, sizeof at, "%s", file);
	look->refused++;
	log_errx("config_refused at=\"%s\" what=\"%s\" why=\"%s\"", at, what,
	    why);
	(void)snprintf(trouble, sizeof trouble, "%s: %s: %s", at, what, why);
	master_trouble(look->m, RELOAD_TROUBLE, trouble);
}

static void
reload_on_difference(void *arg, const struct conf_difference *d)
{
	char what[256], before[256], after[256];
	struct reload_look *look = arg;

	look->changes++;
	(void)log_quoted(what, sizeof what, slice_str(d->what));
	if (!d->reload) {
		reload_refuse(look, conf_line(look->conf, d->what), what,
		    "takes effect with a new start only");
		return;
	}
	switch (d->change) {
	case CONF_ADDED:
		log_info("config_added what=\"%s\"", what);
		break;
	case CONF_REMOVED:
		log_info("config_removed what=\"%s\"", what);
		break;
	case CONF_CHANGED:
		log_info("config_changed what=\"%s\" before=\"%s\" "
		    "after=\"%s\"", what, log_quoted(before, sizeof before,
		    slice_str(d->before)), log_quoted(after, sizeof after,
		    slice_str(d->after)));
		break;
	}
}

/* The first that asks for what plan_counts_keys() is about. */
static int
reload_line_of_keys(const struct conf *conf)
{
	size_t i;

	if (conf->limit_per_address != 0)
		return (conf_line(conf, "limits: per_address"));
	if (conf->limit_per_user != 0)
		return (conf_line(conf, "limits: per_user"));
	for (i = 0; i < conf->nnamespaces; i++)
		if (conf->namespaces[i].limit_sessions != 0)
			return (conf->namespaces[i].line);
	for (i = 0; i < conf->nnamespaces; i++)
		if (conf->namespaces[i].sockjs)
			return (conf->namespaces[i].line);
	for (i = 0; i < conf->nroutes; i++)
		if (conf->routes[i].sockjs)
			return (conf->routes[i].line);
	return (0);
}

/* What can be told only by what there is. */
static void
reload_look_further(const struct master *m, unsigned workers,
    struct reload_look *look)
{
	char why[80];

	if (plan_counts_keys(look->conf) && !m->counts_keys)
		reload_refuse(look, reload_line_of_keys(look->conf),
		    "per_address, per_user, sessions, sockjs",
		    "the first of them takes effect with a new start only");
	if (workers <= m->room)
		return;
	(void)snprintf(why, sizeof why,
	    "more than %u take effect with a new start only", m->room);
	reload_refuse(look, conf_line(look->conf, "workers"), "workers", why);
}

/* --- read -----------------------------------------------------------------*/

/* NULL: logged why. */
static struct edition *
reload_read(struct master *m)
{
	struct conf_errors errors;
	struct edition *e;
	int error;

	conf_errors_init(&errors);
	e = edition_read(m->p->source, m->edition->conf, EDITION_FILES,
	    &errors);
	error = errno;
	if (e == NULL && errors.count == 0)
		conf_error(&errors, m->p->file, 0, "%s", strerror(error));
	if (e == NULL)
		reload_log_errors(m, &errors);
	conf_errors_fini(&errors);
	return (e);
}

/* As many as there are (TTIN, TTOU), unless another number is asked for than
 * before. */
static unsigned
reload_workers(const struct master *m, const struct edition *e)
{
	unsigned n = edition_workers(e);

	return (n != m->asked_workers ? n : m->workers);
}

static bool
reload_good(struct master *m, const struct edition *e)
{
	struct reload_look look = { .m = m, .file = m->p->file,
		.conf = e->conf };

	if (conf_diff(m->edition->conf, e->conf, reload_on_difference,
	    &look) == -1) {
		log_errx("reload_memory");
		return (false);
	}
	reload_look_further(m, reload_workers(m, e), &look);
	log_info("config_read config=\"%s\" changes=%u refused=%u", m->p->file,
	    look.changes, look.refused);
	return (look.refused == 0);
}

struct edition *
master_reload_next(struct master *m)
{
	struct edition *e = reload_read(m);

	if (e != NULL && !reload_good(m, e))
		edition_free(&e);
	return (e);
}

void
master_reload(struct master *m)
{
	struct edition *e;
	unsigned workers;

	(void)master_begins(m, BOARD_RELOAD);
	m->trouble[0] = '\0';
	master_notify_begins(m);
	e = master_reload_next(m);
	if (e == NULL) {
		master_reload_failed(m);
		return;
	}
	/* sessions of TLS are resumed */
	memcpy(e->load->ticket_key, m->edition->load->ticket_key,
	    sizeof e->load->ticket_key);
	master_name_namespaces(m, e->conf);
	workers = reload_workers(m, e);
	m->next = e;
	if (!master_turn_begin(m, workers, true))
		master_reload_failed(m);
}

void
master_reloaded(struct master *m)
{
	const struct conf *conf = m->edition->conf;
	int level = log_level_from(conf->log_level);

	m->reloaded = true;
	m->asked_workers = edition_workers(m->edition);
	master_check_host(m);
	listen_log(m->listens);
	listen_dress(m->listens, conf);
	plat_core((enum plat_core)conf->core_dumps);
	children_reread(m->children);
	counter_add(COUNTER_reloads, 1);
	log_info("reloaded config=\"%s\" workers=%u ms=%" PRIu64, m->p->file,
	    m->workers, (loop_now(m->loop).us - m->turn_begun.us) / 1000);
	if (level >= 0)
		log_set_level((enum log_level)level);
	log_set_format((enum log_format)conf->log_format);
	master_tell(m);
	master_ends(m, BOARD_RELOAD, true);
	master_notify_ready(m);
}
