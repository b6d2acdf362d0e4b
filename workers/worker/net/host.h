/*
 * What a client of the hub lives on: a connection, or a session over polling
 * that has a connection now and then.  Both begin with these fields, so that
 * the hub's ports find out which one they were given.
 */
#ifndef WORKER_NET_HOST_H
#define WORKER_NET_HOST_H

#include "hub/queue/out.h"

struct host {
	unsigned	 magic;		/* CONN_MAGIC or POLLER_MAGIC */
	uint8_t		 own[4];
	struct outq	 outq;
};

#endif
