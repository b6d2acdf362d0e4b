/*
 * socket.io.js and its like, below the path of Engine.IO: files that the
 * master read at start.
 */
#ifndef WORKER_ENDPOINT_BUNDLE_H
#define WORKER_ENDPOINT_BUNDLE_H

#include <stdbool.h>

#include "base/bug.h"

struct request;

/* It is for one of these files, and answered. */
bool	bundle_serve(struct request *) MUST_USE;

#endif
