/*
 * A set of listening sockets that goes on in another program; see listen.h.
 */
#include "master/listen_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/upgrade/record.h"

/* A program before this one knew no others than the first so many: where it is
 * all of them but those who are not there, it is to undo that in time. */
static uint32_t
listen_keep_steered(const struct listen_address *a)
{
	return (a->led && a->steered == 0 ? a->nfds : a->steered);
}

static void
listen_keep_one(const struct listen_one *one, struct record_listen *r)
{
	const struct listen_address *a = one->address;
	unsigned i;

	*r = (struct record_listen){ .text = slice_str(a->text),
		.index = (uint32_t)one->index, .mode = a->mode,
		.tls = one->tls, .given = a->given,
		.steered = listen_keep_steered(a), .asked = a->asked,
		.addr = a->addr, .addrlen = a->addrlen, .dev = a->dev,
		.ino = a->ino, .nfds = a->nfds };
	for (i = 0; i < a->nfds; i++)
		r->fds[i] = a->fds[i];
}

void
listen_keep(const struct listen_set *set, struct record *r)
{
	size_t i;

	CHECK_MAGIC(set, LISTEN_MAGIC);
	r->nlistens = (uint32_t)set->n;
	for (i = 0; i < set->n; i++)
		listen_keep_one(&set->one[i], &r->listens[i]);
}

/* NULL: no memory; its descriptors are closed. */
static struct listen_address *
listen_adopt_address(const struct record_listen *r)
{
	struct listen_address *a = calloc(1, sizeof *a);
	unsigned i;

	if (a != NULL)
		a->text = strndup((const char *)r->text.p, r->text.n);
	if (a == NULL || a->text == NULL) {
		for (i = 0; i < r->nfds; i++)
			(void)close(r->fds[i]);
		free(a);
		return (NULL);
	}
	a->refs = 1;
	a->mode = r->mode;
	a->given = r->given;
	a->led = a->found = r->steered != 0;
	a->steered = r->steered < r->nfds ? r->steered : 0;
	a->asked = r->asked;
	a->addr = r->addr;
	a->addrlen = r->addrlen;
	a->dev = (dev_t)r->dev;
	a->ino = (ino_t)r->ino;
	a->nfds = r->nfds;
	for (i = 0; i < r->nfds; i++)
		a->fds[i] = r->fds[i];
	return (a);
}

struct listen_set *
listen_adopt(const struct record *r)
{
	struct listen_set *set = calloc(1, sizeof *set);
	bool whole = set != NULL;
	struct listen_one *one;
	uint32_t i;

	if (set != NULL) {
		set->magic = LISTEN_MAGIC;
		set->nworkers = r->nworkers;
	}
	for (i = 0; i < r->nlistens; i++) {
		one = set == NULL ? NULL : &set->one[set->n];
		if (one == NULL)
			continue;
		one->index = r->listens[i].index;
		one->tls = r->listens[i].tls;
		one->address = listen_adopt_address(&r->listens[i]);
		if (one->address == NULL)
			whole = false;
		else
			set->n++;
	}
	if (!whole) {
		listen_close(&set);
		errno = ENOMEM;
	}
	return (set);
}
