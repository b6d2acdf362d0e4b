/*
 * What the master tells a worker, and what it is asked for; see control.h.
 */
#include "worker/control.h"

#include <unistd.h>

#include "base/slotset.h"
#include "hub/client.h"
#include "shm/counters.h"
#include "shm/slots.h"
#include "sys/ipc.h"
#include "sys/log.h"
#include "worker/handover/handover.h"
#include "worker/leave.h"
#include "worker/net/accept.h"
#include "worker/net/bus_port.h"
#include "worker/net/parcel.h"
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

void
control_given(struct worker *w, unsigned heir, size_t moved, size_t failed,
    size_t left)
{
	struct ipc_msg m;

	ipc_init(&m, CONTROL_GIVEN);
	ipc_put_u32(&m, heir);
	ipc_put_u32(&m, (uint32_t)moved);
	ipc_put_u32(&m, (uint32_t)failed);
	ipc_put_u32(&m, (uint32_t)left);
	if (w->control.fd != -1 && ipc_send(w->control.fd, &m) != 1)
		log_warn("control");
}

/* Too many files are open here for the socket to the other one, who finds us
 * gone; a reserve is given up, so that the next one has room. */
static bool
control_no_socket(struct worker *w, const struct ipc_msg *m, unsigned slot)
{
	if (!m->fd_lost)
		return (false);
	log_warnx("handover_no_descriptor slot=%u open=%zu", slot, w->nconns);
	counter_add(COUNTER_files_lost, 1);
	accept_yield(w);
	return (true);
}

static bool
control_heir(struct worker *w, struct ipc_msg *m)
{
	struct handover_heir heir;
	uint32_t generation;

	heir.slot = ipc_get_u32(m);
	generation = ipc_get_u32(m);
	heir.share = ipc_get_u32(m);
	heir.flags = ipc_get_u32(m);
	heir.ms = ipc_get_u64(m);
	if (!ipc_end(m) || (m->fd == -1 && !m->fd_lost) ||
	    !slotset_fits(heir.slot) || heir.slot == (unsigned)w->h->slot)
		return (false);
	log_debug("give heir=%u generation=%u share=%u connections=%zu",
	    heir.slot, generation, heir.share, w->nconns);
	handover_give(w->handover, &heir,
	    control_no_socket(w, m, heir.slot) ? -1 : m->fd);
	m->fd = -1;
	return (true);
}

static bool
control_legator(struct worker *w, struct ipc_msg *m)
{
	uint32_t slot, generation;

	slot = ipc_get_u32(m);
	generation = ipc_get_u32(m);
	if (!ipc_end(m) || (m->fd == -1 && !m->fd_lost) ||
	    !slotset_fits(slot) || slot == (unsigned)w->h->slot)
		return (false);
	log_debug("take giver=%u generation=%u", slot, generation);
	if (!control_no_socket(w, m, slot))
		handover_take(w->handover, slot, m->fd);
	m->fd = -1;
	return (true);
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
	case CONTROL_BUS_END:
		if (!ipc_end(m))
			break;
		bus_port_end(w->bus);
		return;
	case CONTROL_BUS_LOST:
		if (!ipc_end(m))
			break;
		bus_port_end_failed(w->bus);
		return;
	case CONTROL_LOG:
		if (!ipc_end(m))
			break;
		if (m->fd_lost)
			counter_add(COUNTER_files_lost, 1);
		else
			log_reopen(m->fd);
		return;
	case CONTROL_LEFT_OVER:
		if (!ipc_end(m) || (m->fd == -1 && !m->fd_lost))
			break;
		if (m->fd_lost)		/* it comes again */
			counter_add(COUNTER_files_lost, 1);
		else
			parcel_left_over(w->parcels, m->fd);
		return;
	case CONTROL_STOP:
		mode = ipc_get_u32(m);
		ms = ipc_get_u64(m);
		if (!ipc_end(m) || mode >= nitems(control_modes))
			break;
		leave_begin(w, control_modes[mode], ms);
		return;
	case CONTROL_HEIR:
		if (!control_heir(w, m))
			break;
		return;
	case CONTROL_LEGATOR:
		if (!control_legator(w, m))
			break;
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
