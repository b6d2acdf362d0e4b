/*
 * A request whose session another worker has goes there with its connection,
 * or with a tunnel to it (net/parcel.h).
 */
#ifndef WORKER_HTTP_PASS_H
#define WORKER_HTTP_PASS_H

#include <stdbool.h>

#include "shm/counters.h"

struct request;

/* To that slot, counted there; inherited: as to the heir of this one.  It waits
 * until the response before it is out; 503, if too many wait for that worker, or
 * it does not answer. */
void	pass_request(struct request *, unsigned slot, bool inherited,
	    enum counter passed);

#endif
