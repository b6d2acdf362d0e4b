/*
 * The socket between a worker and the master: a stream to the relay, another
 * log file and the order to go come in, and the question for a stream goes out.
 * The end of it is the end of the master, whom no worker outlives for long.
 * Opened by worker.c when all else is.
 */
#ifndef WORKER_CONTROL_H
#define WORKER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bug.h"

struct worker;

bool	control_open(struct worker *) MUST_USE;
/* No stream to the relay: the master may have overlooked that. */
void	control_ask_bus(struct worker *);
/* What was to be given to another worker is, or cannot be. */
void	control_given(struct worker *, unsigned heir, size_t moved,
	    size_t failed, size_t left);

#endif
