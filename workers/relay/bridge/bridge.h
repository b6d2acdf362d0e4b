/*
 * What comes from others through Redis, on its way to the workers: messages
 * of back ends, published to PREFIXpublish by whatever speaks Redis.  What a
 * message means is the hub's affair; here it is only passed on.
 */
#ifndef RELAY_BRIDGE_BRIDGE_H
#define RELAY_BRIDGE_BRIDGE_H

#include <stdbool.h>

#include "base/bug.h"

struct bridge;
struct bus_envelope;
struct conf;
struct redis;

struct bridge_params {
	const struct conf *conf;
	struct redis	*redis;
	void		*arg;
	/* To one worker, always the same as long as it is there, so that what
	 * one publisher sends stays in order.  False: there is none. */
	bool		(*to_worker)(void *arg, struct bus_envelope *);
};

/* NULL: no memory.  To be freed before redis. */
struct bridge *bridge_new(const struct bridge_params *) MUST_USE;
void	bridge_free(struct bridge **);

#endif
