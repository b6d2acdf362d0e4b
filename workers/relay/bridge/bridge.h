/*
 * What comes from others through Redis, on its way to the workers: messages
 * of back ends, published to PREFIXpublish by whatever speaks Redis, or added
 * to the stream of the same name, which keeps them while we are away.  What a
 * message means is the hub's affair; here it is only passed on.
 *
 * Each host reads the stream by itself, for its own clients, and keeps its
 * place there under PREFIXpublish:at:NODE, and for hosts to come under
 * PREFIXpublish:at.
 */
#ifndef RELAY_BRIDGE_BRIDGE_H
#define RELAY_BRIDGE_BRIDGE_H

#include <stdbool.h>

#include "base/bug.h"
#include "base/slice.h"

struct bridge;
struct bus_audience;
struct bus_envelope;
struct home;
struct seal;

#define BRIDGE_POLL_MS	200	/* how often the stream is looked at */

struct bridge_params {
	struct home	*home;
	const struct seal *seal;
	void		*arg;		/* of all: */
	/* To one worker, always the same as long as it is there, so that what
	 * one publisher sends stays in order.  False: not taken. */
	bool		(*to_worker)(void *arg, struct bus_envelope *);
	/* It is there, and has room for as much as a share of the stream. */
	bool		(*has_room)(void *arg);
	/* Something for them was not taken; no namespace: for anybody. */
	void		(*gap)(void *arg, struct slice nsp,
			    const struct bus_audience *);
	/* The same for anybody, since then (unix). */
	void		(*gap_since)(void *arg, uint64_t from_ms);
};

/* NULL: no memory.  To be freed before redis, whose calls must not come any
 * more. */
struct bridge *bridge_new(const struct bridge_params *) MUST_USE;
void	bridge_free(struct bridge **);
/* Redis is there, first or again. */
void	bridge_ready(struct bridge *);
/* Each BRIDGE_POLL_MS. */
void	bridge_poll(struct bridge *);

#endif
