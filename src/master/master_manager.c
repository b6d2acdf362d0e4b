/*
 * What the service manager is told, as sd_notify(3) has it: that we serve, that
 * we are busy becoming something else, how it went, and that all of us are
 * alive; see master.h.  Called by the other files of master.h.
 *
 *	        HUP, USR2                       each of them is over,
 *	READY ─────────────► RELOADING ─────────── well or not ──────► READY
 *	                      │      ▲
 *	                      └─HUP──┘
 *
 * A manager that asked for a reload waits for a RELOADING that is later than
 * its signal, and then for READY: both are said whatever becomes of it, and for
 * each signal that was read, though several may come to one reload.
 */
#include "master/master_int.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"
#include "conf/conf.h"
#include "master/children.h"
#include "sys/log.h"

#define MANAGER_EXTEND_US	10000000	/* asked for each second anew */
#define MANAGER_STATUS_MAX	400

/* --- at work --------------------------------------------------------------*/

/* A signal was read that asks for another configuration or another program, and
 * what it asks for is not over. */
static bool
manager_at_work(const struct master *m)
{
	return (m->reload_due || m->upgrade_due || m->trial != NULL ||
	    m->upgrading || m->back_why != NULL ||
	    (m->turn == TURN_COMING && m->next != NULL));
}

static const char *
manager_work(const struct master *m)
{
	if (m->trial != NULL || m->upgrading)
		return (", upgrading");
	if (m->back_why != NULL)
		return (", going back to the former program");
	if (m->turn == TURN_COMING)
		return (m->next != NULL ? ", reloading" : ", resizing");
	if (m->reload_due)
		return (", a reload waits for those who leave");
	if (m->upgrade_due)
		return (", an upgrade waits for those who leave");
	return (m->turn == TURN_GOING ? ", the ones before are leaving" : "");
}

/* One line: who serves, what goes on, and what was wrong with the last one. */
static const char *
manager_status(const struct master *m, char out[MANAGER_STATUS_MAX])
{
	struct seats_count n = children_count(m->children);

	(void)snprintf(out, MANAGER_STATUS_MAX,
	    "serving, %u of %u workers, relay %s%s%s%s", n.workers_ready,
	    m->workers, n.relays_ready == 1 ? "up" : "down", manager_work(m),
	    m->trouble[0] != '\0' ? "; " : "", m->trouble);
	return (out);
}

void
master_notify_status(const struct master *m)
{
	char status[MANAGER_STATUS_MAX];

	if (m->state == MASTER_SERVING)
		(void)plat_notify("STATUS=%s", manager_status(m, status));
}

void
master_notify_begins(struct master *m)
{
	char status[MANAGER_STATUS_MAX];

	if (m->state != MASTER_SERVING)
		return;		/* it waits for the start, or for the end */
	m->ready_due = false;
	(void)plat_notify("RELOADING=1\nMONOTONIC_USEC=%" PRIu64
	    "\nSTATUS=%s", mono_now().us, manager_status(m, status));
}

void
master_notify_ready(struct master *m)
{
	char status[MANAGER_STATUS_MAX];

	if (m->state != MASTER_SERVING)
		return;
	if (manager_at_work(m)) {
		master_notify_status(m);
		return;
	}
	/* who misses this waits until it gives us up: said until it is taken */
	m->ready_due = !plat_notify("READY=1\nMAINPID=%d\nSTATUS=%s",
	    (int)getpid(), manager_status(m, status));
}

/* It becomes a part of one line; the first tells most. */
void
master_trouble(struct master *m, const char *what, const char *why)
{
	char quoted[sizeof m->trouble];

	if (m->trouble[0] != '\0')
		return;
	(void)snprintf(m->trouble, sizeof m->trouble, "%s: %s", what,
	    log_quoted(quoted, sizeof quoted, slice_str(why)));
}

/* --- time -----------------------------------------------------------------*/

void
master_need_time(const struct master *m, struct mono now)
{
	bool waits = m->state == MASTER_SERVING && manager_at_work(m);

	if (waits || (m->state >= MASTER_LEAVING && now.us < m->over.us))
		(void)plat_notify("EXTEND_TIMEOUT_USEC=%d",
		    MANAGER_EXTEND_US);
}

uint64_t
master_extended_ms(uint64_t ms)
{
	return (ms + MANAGER_EXTEND_US / 1000);
}

/* --- alive ----------------------------------------------------------------*/

/* On the way to the end, each child goes in its own time. */
static bool
manager_all_alive(struct master *m, struct mono now)
{
	const char *role = "";
	unsigned slot = 0;

	if (m->state != MASTER_SERVING ||
	    children_beat(m->children, now, &role, &slot)) {
		if (m->starves)
			log_info("watchdog_fed");
		m->starves = false;
		return (true);
	}
	if (!m->starves)
		log_warnx("watchdog_not_fed role=%s slot=%u "
		    "why=\"it is not there, or stands still\"", role, slot);
	m->starves = true;
	return (false);
}

void
master_feed_watchdog(struct master *m, struct mono now)
{
	if (plat_watchdog_us() == 0 || now.us < m->next_watchdog.us ||
	    !manager_all_alive(m, now))
		return;
	m->next_watchdog.us = now.us + plat_watchdog_us() / 3;
	(void)plat_notify("WATCHDOG=1");
}
