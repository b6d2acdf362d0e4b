/*
 * Seats, and the control sockets of those in them; see seat.h.
 */
#include "master/seat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/log.h"

struct seats *
seats_new(struct loop *loop, const struct role *relay,
    const struct role *worker, unsigned nworkers)
{
	struct seats *all;
	struct seat *s;
	unsigned i;

	all = calloc(1, sizeof *all + (nworkers + 1) * sizeof *all->seat);
	if (all == NULL)
		return (NULL);
	all->magic = SEATS_MAGIC;
	all->loop = loop;
	all->n = nworkers + 1;
	for (i = 0; i < all->n; i++) {
		s = &all->seat[i];
		s->all = all;
		s->role = i == 0 ? relay : worker;
		s->worker = i == 0 ? 0 : i - 1;
	}
	return (all);
}

void
seats_free(struct seats **allp)
{
	struct seats *all = *allp;
	unsigned i;

	*allp = NULL;
	if (all == NULL)
		return;
	CHECK_MAGIC(all, SEATS_MAGIC);
	for (i = 0; i < all->n; i++)
		MUST(all->seat[i].state == SEAT_EMPTY);
	all->magic = 0;
	free(all);
}

struct seat *
seats_relay(struct seats *all)
{
	return (&all->seat[0]);
}

struct seat *
seats_worker(struct seats *all, unsigned worker)
{
	MUST(worker + 1 < all->n);
	return (&all->seat[worker + 1]);
}

unsigned
seats_nworkers(const struct seats *all)
{
	return (all->n - 1);
}

struct seats_count
seats_count(const struct seats *all)
{
	struct seats_count n;
	unsigned i;

	memset(&n, 0, sizeof n);
	for (i = 0; i < all->n; i++) {
		if (all->seat[i].state == SEAT_EMPTY)
			continue;
		*(i == 0 ? &n.relays : &n.workers) += 1;
		if (all->seat[i].state == SEAT_READY)
			*(i == 0 ? &n.relays_ready : &n.workers_ready) += 1;
	}
	return (n);
}

/* --- control -------------------------------------------------------------*/

bool
seat_tell(struct seat *s, const struct ipc_msg *m)
{
	if (s->state == SEAT_EMPTY || s->control.on_event == NULL)
		return (false);
	switch (ipc_send(s->control.fd, m)) {
	case 1:
		return (true);
	case 0:
		return (false); /* it does not read: busy, or hung */
	default:
		/* it is dying: waitpid() will tell */
		log_debug("control_unsent slot=%u error=\"%s\"", s->slot, strerror(errno));
		return (false);
	}
}

void
seat_hang_up(struct seat *s)
{
	if (s->control.on_event == NULL)
		return;
	loop_del(s->all->loop, &s->control);
	(void)close(s->control.fd);
	s->control.fd = -1;
}
