/*
 * What the master tells a worker, and what it is asked for; see control.h.
 */
#include "worker/control.h"

#include <unistd.h>

#include "hub/client.h"
#include "shm/counters.h"
#include "shm/slots.h"
#include "sys/ipc.h"
#include "sys/log.h"
#include "worker/leave.h"
#include "worker/net/accept.h"
#include "worker/net/bus_port.h"
#include "worker/worker.h"

#define CONTROL_ORPHAN_MS	2000	/* the master has gone: be quick */

void
control_ask_bus(struct worker *w)
{
	struct ipc_msg m;

	ipc_init(&m, CONTROL_BUS_LOST);
	if (w->control.fd != -1 && ipc_send(w->control.fd, &m) == -1)
		log_debug("control_put_off");
}

static void
control_bus(struct worker *w, struct ipc_msg *m)
{
	int fd = m->fd;

	m->fd = -1;	/* bus_port_open() has it, or closed it */
	if (m->fd_lost) {
		log_warnx("relay_stream_no_descriptor open=%zu",
		    w->nconns);
		counter_add(COUNTER_files_lost, 1);
		accept_yield(w);
	} else if (bus_port_open(w->bus, fd)) {
		hub_bus_back(w->hub);
		return;
	}
	control_ask_bus(w);
}

/* By enum control_stop. */
static const enum worker_mode control_modes[] = {
	[STOP_PROMPT] = WORKER_STOPPING,
	[STOP_DRAIN] = WORKER_DRAINING,
	[STOP_SOON] = WORKER_LEAVING,
};

static void
control_message(struct worker *w, struct ipc_msg *m)
{
	uint32_t slot, generation, mode;
	uint64_t ms;

	switch (m->type) {
	case CONTROL_BUS:
		slot = ipc_get_u32(m);
		generation = ipc_get_u32(m);
		if (!ipc_end(m) || (m->fd == -1 && !m->fd_lost) || slot != 0)
			break;
		log_debug("relay_stream generation=%u", generation);
		control_bus(w, m);
		return;
	case CONTROL_LOG:
		if (!ipc_end(m))
			break;
		if (m->fd_lost)
			counter_add(COUNTER_files_lost, 1);
		else
			log_reopen(m->fd);
		return;
	case CONTROL_STOP:
		mode = ipc_get_u32(m);
		ms = ipc_get_u64(m);
		if (!ipc_end(m) || mode >= nitems(control_modes))
			break;
		leave_begin(w, control_modes[mode], ms);
		return;
	default:
		break;
	}
	log_warnx("control_unknown type=%u", (unsigned)m->type);
	counter_add(COUNTER_control_bad, 1);
}

static void
control_on_event(struct loop_fd *f, unsigned events)
{
	struct worker *w = container_of(f, struct worker, control);
	struct ipc_msg m;
	int r;

	(void)events;
	slot_does(w->row, SLOT_CONTROL);
	while ((r = ipc_recv(f->fd, &m)) == 1) {
		control_message(w, &m);
		if (m.fd != -1)
			(void)close(m.fd);
	}
	if (r == -1) {
		log_warn("control");
		counter_add(COUNTER_control_bad, 1);
	}
	if (r != -2)
		return;	/* only the end is the end */
	log_warnx("master_gone");
	loop_del(w->loop, f);
	(void)close(f->fd);
	f->fd = -1;
	leave_begin(w, WORKER_STOPPING, CONTROL_ORPHAN_MS);
}

bool
control_open(struct worker *w)
{
	return (loop_add(w->loop, &w->control, w->h->control_fd, LOOP_IN,
	    control_on_event) == 0);
}
