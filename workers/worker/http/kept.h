/*
 * What is kept of a handshake, where the configuration asks for some of it.
 */
#ifndef WORKER_HTTP_KEPT_H
#define WORKER_HTTP_KEPT_H

#include "base/slice.h"

struct request;

/* As hub/client.h takes it, in the worker's scratch; empty: nothing is
 * asked for, or there is no memory. */
struct slice kept_of(struct request *);

#endif
