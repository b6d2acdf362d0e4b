/*
 * Other workers than those that serve: the same number by another
 * configuration, or more or fewer of them; see master.h.
 *
 *	NONE ──► COMING ──all ready──► GOING ──the others have left──► NONE
 *	            └──one fails, or time is over─────────▲ (who came leaves)
 *
 * One at a time, so that no more than two generations live; what is wanted
 * meanwhile is done once, after it.
 */
#include "master/master_int.h"

#include <inttypes.h>
#include <string.h>
#include <sysexits.h>

#include "conf/conf.h"
#include "master/children.h"
#include "master/listen.h"
#include "master/read/edition.h"
#include "shm/counters.h"
#include "sys/log.h"

#define TURN_READY_MS	10000	/* for those who come */
#define TURN_PROVE_MS	2000	/* so long those of another binary, and its
				 * master, have to live before they count */
#define TURN_TROUBLE	"the last reload failed"
#define TURN_QUICK_MS	500	/* for those who go before a former binary
				 * comes back */

static struct edition *
turn_edition(const struct master *m)
{
	return (m->next != NULL ? m->next : m->edition);
}

/* What was made for who does not come. */
static void
turn_drop(struct master *m)
{
	listen_close(&m->next_listens);
	edition_free(&m->next);
}

/* The relay knows it before a worker does. */
bool
master_tell_relay(const struct master *m, const struct edition *e)
{
	struct conf_source source = edition_origin(e, m->p->source);

	if (children_send_conf(m->children, &source, e->conf) == 0)
		return (true);
	log_err("config_not_sent role=relay");
	return (false);
}

/* The same text, with the same options. */
static bool
turn_is_no_news(const struct master *m)
{
	return (slice_eq(buf_unread(&m->edition->text),
	    buf_unread(&m->next->text)));
}

bool
master_turn_begin(struct master *m, unsigned workers, bool renew)
{
	struct children_plan plan = { .edition = turn_edition(m),
		.nworkers = workers, .renew = renew };
	struct mono now = loop_now(m->loop);
	char why[512];

	MUST(m->turn == TURN_NONE);
	if (listen_follow(plan.edition->conf, workers,
	    m->become ? &m->user : NULL, m->listens, &m->next_listens, why,
	    sizeof why) != EX_OK) {
		log_errx("not_listening why=\"%s\"", why);
		if (m->next != NULL)
			master_trouble(m, TURN_TROUBLE, why);
		turn_drop(m);
		return (false);
	}
	/* one that another binary has begun may not know all words of ours; and
	 * what is read to say the same is no news */
	if (m->next != NULL && !m->upgrading && !turn_is_no_news(m) &&
	    !master_tell_relay(m, m->next)) {
		turn_drop(m);
		listen_narrow(m->listens);
		return (false);
	}
	plan.listens = m->next_listens;
	m->next_workers = workers;
	m->reloaded = false;
	m->turn = TURN_COMING;
	m->turn_begun = now;
	m->turn_over = mono_add_ms(now, m->upgrading ?
	    plan.edition->conf->binary_timeout_ms : TURN_READY_MS);
	children_come(m->children, &plan, now);
	return (true);
}

/* Those who came serve. */
static void
turn_over(struct master *m, struct mono now)
{
	const struct conf *conf = turn_edition(m)->conf;
	bool reload = m->next != NULL;

	children_turn(m->children, conf->drain_time_ms, conf->stop_time_ms,
	    now);
	if (children_relay_is_former(m->children))
		children_renew_relay(m->children, now);
	m->turn = TURN_GOING;
	if (reload) {
		edition_free(&m->edition);
		m->edition = m->next;
		m->next = NULL;
	}
	listen_log_gone(m->listens);
	listen_close(&m->listens);
	m->listens = m->next_listens;
	m->next_listens = NULL;
	listen_steer(m->listens);
	if (m->workers < m->next_workers)
		m->even_due = true;
	if (m->workers != m->next_workers)
		log_info("resized workers=%u before=%u", m->next_workers,
		    m->workers);
	m->workers = m->next_workers;
	if (reload) {
		master_reloaded(m);
		master_upgraded(m);
		return;
	}
	master_tell(m);
	master_ends(m, BOARD_RESIZE, true);
	master_notify_status(m);
}

static void
turn_back(struct master *m, const char *why)
{
	const struct conf *conf = m->edition->conf;
	uint64_t drain_ms = conf->drain_time_ms, stop_ms = conf->stop_time_ms;
	bool reload = m->next != NULL;
	bool told = reload && !m->upgrading && !turn_is_no_news(m);

	if (m->upgrading) {
		m->back_why = why;
		drain_ms = stop_ms = TURN_QUICK_MS; /* they have hardly begun */
	}
	log_errx("turned_back why=\"%s\" reload=%s", why,
	    reload ? "yes" : "no");
	children_turn_back(m->children, drain_ms, stop_ms,
	    loop_now(m->loop));
	m->turn = TURN_GOING;
	turn_drop(m);
	listen_narrow(m->listens);
	if (reload) {
		if (told)
			(void)master_tell_relay(m, m->edition);
		master_trouble(m, TURN_TROUBLE, why);
		master_reload_failed(m);
		return;
	}
	master_tell(m);
	master_ends(m, BOARD_RESIZE, false);
	master_notify_status(m);
}

static void
turn_forget(struct master *m)
{
	m->reload_due = m->even_due = m->even_asked = m->upgrade_due = false;
	m->resize_due = 0;
}

void
master_turn_back(struct master *m)
{
	if (m->turn == TURN_COMING)
		turn_back(m, "told to end");
	if (m->task == BOARD_REBALANCE)
		master_ends(m, BOARD_REBALANCE, false);
	turn_forget(m);
}

/* --- what is wanted -------------------------------------------------------*/

/* So many, if there may be; false: others, as logged. */
static bool
turn_resize_to(const struct master *m, int *n)
{
	int most = (int)m->room, asked = *n;

	if (asked > most) {
		log_warnx("resize_refused workers=%d most=%d "
		    "why=\"shared memory has no room for more\"", asked, most);
		*n = most;
	}
	if (asked < 1) {
		log_warnx("resize_refused workers=%d why=\"one has to serve\"",
		    asked);
		*n = 1;
	}
	return (*n == asked);
}

static void
turn_resize(struct master *m)
{
	int n = (int)m->workers + m->resize_due;
	bool good;

	(void)master_begins(m, BOARD_RESIZE);
	m->resize_due = 0;
	good = turn_resize_to(m, &n);
	master_tell(m);
	if ((unsigned)n == m->workers)
		master_ends(m, BOARD_RESIZE, good);
	else if (!master_turn_begin(m, (unsigned)n, false)) {
		log_warnx("resize_refused workers=%d why=\"not listening\"",
		    n);
		master_ends(m, BOARD_RESIZE, false);
	}
}

static void
turn_next(struct master *m)
{
	if (m->reload_due) {
		m->reload_due = false;
		master_reload(m);
	} else if (m->resize_due != 0) {
		turn_resize(m);
	} else if (m->even_due) {
		m->turn = TURN_GOING;
		m->turn_begun = loop_now(m->loop);
	} else if (m->upgrade_due) {
		m->upgrade_due = false;
		master_upgrade(m);
	}
}

/* Nobody comes or goes, nor is another binary tried. */
static bool
turn_is_free(const struct master *m)
{
	return (m->turn == TURN_NONE && m->trial == NULL &&
	    !children_relay_leaves(m->children));
}

static void
turn_wanted(struct master *m)
{
	switch (m->state) {
	case MASTER_STARTING:
		return;
	case MASTER_SERVING:
		if (turn_is_free(m))
			turn_next(m);
		else
			log_info("turn_waits for=%s", m->turn == TURN_COMING ?
			    "those_who_come" : m->turn == TURN_GOING ?
			    "those_who_leave" : m->trial != NULL ? "trial" :
			    "relay");
		return;
	case MASTER_LEAVING:
	case MASTER_DRAINING:
	case MASTER_STOPPING:
		log_warnx("turn_refused why=leaving");
		turn_forget(m);
		return;
	}
}

/* Who leaves does nothing else. */
static bool
turn_is_refused(struct master *m, enum board_task task)
{
	if (m->state <= MASTER_SERVING)
		return (false);
	(void)master_begins(m, task);
	turn_wanted(m);
	master_ends(m, task, false);
	return (true);
}

void
master_want(struct master *m)
{
	turn_wanted(m);
}

void
master_want_reload(struct master *m)
{
	if (turn_is_refused(m, BOARD_RELOAD)) {
		counter_add(COUNTER_reloads_failed, 1);
		return;
	}
	m->reload_due = true;
	if (m->turn != TURN_NONE)
		children_reread(m->children);	/* needs nobody to leave */
	turn_wanted(m);
	if (m->reload_due)
		master_notify_begins(m);
}

void
master_want_even(struct master *m)
{
	if (turn_is_refused(m, BOARD_REBALANCE))
		return;
	m->even_due = m->even_asked = true;
	turn_wanted(m);
}

void
master_want_workers(struct master *m, int more)
{
	if (turn_is_refused(m, BOARD_RESIZE))
		return;
	m->resize_due += more;
	master_tell(m);
	if (m->resize_due == 0)		/* as many as before */
		master_ends(m, BOARD_RESIZE, true);
	turn_wanted(m);
}

/* --- step -----------------------------------------------------------------*/

static void
turn_coming(struct master *m, struct mono now)
{
	switch (children_coming(m->children)) {
	case COMING_NOT_YET:
		if (now.us >= m->turn_over.us)
			turn_back(m, "not ready in time");
		break;
	case COMING_READY:
		/* as long as nobody has given them anything, they can go */
		if (!m->upgrading || now.us >= mono_add_ms(m->turn_begun,
		    TURN_PROVE_MS).us)
			turn_over(m, now);
		break;
	case COMING_FAILED:
		turn_back(m, "one of them ended, or could not be started");
		break;
	}
}

/* All have gone; sockets of workers that are no more go too. */
static void
turn_done(struct master *m, struct mono now)
{
	uint64_t ms = (now.us - m->turn_begun.us) / 1000;

	m->turn = TURN_NONE;
	listen_narrow(m->listens);
	log_info("turned workers=%u ms=%" PRIu64, m->workers, ms);
	if (m->reloaded)
		counter_set(COUNTER_last_reload_ms, ms);
	m->reloaded = false;
	if (m->relay_due)
		children_renew_relay(m->children, now);
	m->relay_due = false;
	if (m->task == BOARD_REBALANCE)
		master_ends(m, BOARD_REBALANCE, true);
	m->even_asked = m->even_asked && m->even_due;
	master_notify_status(m);
}

/* Nobody leaves any more. */
static void
turn_turned(struct master *m, struct mono now)
{
	if (m->even_due) {
		m->even_due = false;
		if (m->even_asked)
			(void)master_begins(m, BOARD_REBALANCE);
		children_even(m->children, now);
	}
	if (!children_evens(m->children))
		turn_done(m, now);
}

void
master_turn_step(struct master *m, struct mono now)
{
	if (m->turn == TURN_COMING)
		turn_coming(m, now);
	if (m->turn == TURN_GOING && children_turned(m->children))
		turn_turned(m, now);
	if (m->turn == TURN_NONE && m->back_why != NULL)
		master_upgrade_back(m);
	if (turn_is_free(m))
		turn_next(m);
}

/* --- past workers who are not there -----------------------------------------*/

static void
turn_log_led(const struct children_away *away)
{
	unsigned n = away->of - away->n;

	if (away->n > 0)
		log_warnx("newcomers_led workers=%u of=%u gone=%u stuck=%u", n,
		    away->of, away->n - away->stuck, away->stuck);
	else
		log_info("newcomers_led workers=%u of=%u", n, away->of);
}

/* Whoever is in a queue stays there: it is about those who come from now on. */
void
master_lead(struct master *m, struct mono now)
{
	struct children_away away;

	if (m->listens == NULL)
		return;		/* nobody is to come any more */
	children_away(m->children, now, &away);
	counter_set(COUNTER_workers_away, away.n);
	if (!listen_without(m->listens, away.workers)) {
		if (!m->unled)
			log_warn("newcomers_not_led");
		m->unled = true;
		return;
	}
	if (away.workers != m->away)
		turn_log_led(&away);
	m->away = away.workers;
	m->unled = false;
}
