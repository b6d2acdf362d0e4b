/*
 * Makes and hands out the sockets between workers; see handovers.h.
 */
#include "master/handovers.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/ipc.h"
#include "sys/plat.h"

#define HANDOVERS_BUFFER	(1 << 20)	/* bytes of requests waiting */

struct handovers {
	unsigned	 magic;
#define HANDOVERS_MAGIC	0x4a9d04e5
	unsigned	 nslots;
	int		 in[ROLE_SLOTS_MAX];
	int		 out[ROLE_SLOTS_MAX];
};

static int
handovers_pair(struct handovers *h, unsigned slot)
{
	int fds[2];

	if (ipc_pair(fds) == -1)
		return (-1);
	plat_socket_buffers(fds[0], HANDOVERS_BUFFER);
	plat_socket_buffers(fds[1], HANDOVERS_BUFFER);
	h->in[slot] = fds[0];
	h->out[slot] = fds[1];
	return (0);
}

static struct handovers *
handovers_new(unsigned nslots)
{
	struct handovers *h;
	unsigned i;

	MUST(nslots <= ROLE_SLOTS_MAX);
	h = calloc(1, sizeof *h);
	if (h == NULL)
		return (NULL);
	h->magic = HANDOVERS_MAGIC;
	h->nslots = nslots;
	for (i = 0; i < ROLE_SLOTS_MAX; i++)
		h->in[i] = h->out[i] = -1;
	return (h);
}

struct handovers *
handovers_open(unsigned nslots)
{
	struct handovers *h = handovers_new(nslots);
	unsigned i;
	int error;

	if (h == NULL)
		return (NULL);
	for (i = 1; i < nslots; i++) {
		if (handovers_pair(h, i) == 0)
			continue;
		error = errno;
		handovers_close(&h);
		errno = error;
		return (NULL);
	}
	return (h);
}

static void
handovers_close_end(int fd)
{
	if (fd != -1)
		(void)close(fd);
}

void
handovers_close(struct handovers **hp)
{
	struct handovers *h;
	unsigned i;

	h = *hp;
	if (h == NULL)
		return;
	*hp = NULL;
	CHECK_MAGIC(h, HANDOVERS_MAGIC);
	for (i = 1; i < h->nslots; i++) {
		handovers_close_end(h->in[i]);
		handovers_close_end(h->out[i]);
	}
	h->magic = 0;
	free(h);
}

void
handovers_keep(const struct handovers *h, struct handovers_kept *kept)
{
	CHECK_MAGIC(h, HANDOVERS_MAGIC);
	kept->nslots = h->nslots;
	memcpy(kept->in, h->in, sizeof kept->in);
	memcpy(kept->out, h->out, sizeof kept->out);
}

struct handovers *
handovers_adopt(const struct handovers_kept *kept)
{
	struct handovers *h = handovers_new(kept->nslots);
	bool whole = true;
	unsigned i;

	if (h == NULL) {
		for (i = 1; i < kept->nslots; i++) {
			handovers_close_end(kept->in[i]);
			handovers_close_end(kept->out[i]);
		}
		return (NULL);
	}
	for (i = 1; i < kept->nslots; i++) {
		h->in[i] = kept->in[i];
		h->out[i] = kept->out[i];
		whole = whole && h->in[i] != -1 && h->out[i] != -1;
	}
	if (!whole) {
		handovers_close(&h);
		errno = EBADF;
	}
	return (h);
}

int
handovers_waits(const struct handovers *h, unsigned slot)
{
	struct pollfd p = { .events = POLLIN };

	CHECK_MAGIC(h, HANDOVERS_MAGIC);
	MUST(slot > 0 && slot < h->nslots);
	p.fd = h->in[slot];
	return (poll(&p, 1, 0) == 1 && (p.revents & POLLIN) ? p.fd : -1);
}

void
handovers_column(const struct handovers *h, unsigned slot, struct heritage *to)
{
	unsigned i;

	CHECK_MAGIC(h, HANDOVERS_MAGIC);
	MUST(slot < h->nslots);
	to->handover_in = h->in[slot];
	for (i = 0; i < ROLE_SLOTS_MAX; i++)
		to->handover_out[i] = slot == 0 || i == slot ? -1 : h->out[i];
}
