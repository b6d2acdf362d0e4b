/*
 * Seats, and the control sockets of those in them; see seat.h.
 */
#include "master/seat.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/log.h"

struct seats *
seats_new(struct loop *loop, const struct role *relay,
    const struct role *worker, unsigned max_workers)
{
	struct seats *all;
	struct seat *s;
	unsigned i, n = 1 + 2 * max_workers;

	MUST(n <= ROLE_SLOTS_MAX);
	all = calloc(1, sizeof *all + n * sizeof *all->seat);
	if (all == NULL)
		return (NULL);
	all->magic = SEATS_MAGIC;
	all->loop = loop;
	all->n = n;
	for (i = 0; i < n; i++) {
		s = &all->seat[i];
		s->all = all;
		s->role = i == 0 ? relay : worker;
		s->worker = i == 0 ? 0 : (i - 1) / 2;
		s->standing = i == 0 ? SEAT_SERVING : SEAT_SPARE;
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
seats_find(struct seats *all, unsigned worker, enum seat_standing standing)
{
	struct seat *s;
	unsigned i;

	MUST(2 * worker + 2 < all->n);
	for (i = 0; i < 2; i++) {
		s = &all->seat[1 + 2 * worker + i];
		if (s->standing == standing)
			return (s);
	}
	return (NULL);
}

unsigned
seats_max_workers(const struct seats *all)
{
	return ((all->n - 1) / 2);
}

unsigned
seats_standing(const struct seats *all, enum seat_standing standing)
{
	unsigned i, n = 0;

	for (i = 1; i < all->n; i++)
		n += all->seat[i].standing == standing;
	return (n);
}

static void
seat_count_one(const struct seat *s, struct seats_count *n)
{
	if (s->state == SEAT_EMPTY)
		return;
	n->workers++;
	switch (s->standing) {
	case SEAT_SPARE:
		break;
	case SEAT_SERVING:
		n->workers_ready += s->state == SEAT_READY;
		break;
	case SEAT_COMING:
		n->coming++;
		break;
	case SEAT_LEAVING:
		n->leaving++;
		break;
	}
}

/* Two at most, of numbers that follow each other. */
static unsigned
seat_generations(const struct seats *all)
{
	unsigned i, least = UINT_MAX, most = 0;

	for (i = 1; i < all->n; i++) {
		if (all->seat[i].state == SEAT_EMPTY)
			continue;
		if (all->seat[i].issue < least)
			least = all->seat[i].issue;
		if (all->seat[i].issue > most)
			most = all->seat[i].issue;
	}
	return (most > least ? 2 : 1);
}

struct seats_count
seats_count(const struct seats *all)
{
	struct seats_count n;
	unsigned i;

	memset(&n, 0, sizeof n);
	for (i = 1; i < all->n; i++)
		seat_count_one(&all->seat[i], &n);
	n.relays = all->seat[0].state != SEAT_EMPTY;
	n.relays_ready = all->seat[0].state == SEAT_READY;
	n.generations = seat_generations(all);
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
