/*
 * Users' notifications (namespace { inbox }), as the workers know them: what one
 * asks (BUS_BOX) is done by who keeps them, in memory or in Redis, and answered
 * (BUS_BOXED); of what has changed all workers that have the user are told, by
 * events that are publications of the relay's own:
 *
 *	notification:new           the object
 *	notification:read          {"ids":[...]}
 *	notification:deleted       {"ids":[...]}
 *	notification:preferences   the object
 *	notification:unread_count  {"count","version"}, behind each of those
 *
 * A worker that may not have got some of them is told so (BOX_STALE), and asks
 * for the count of each user it has.  Called by relay.c and, with those frames,
 * by the exchange.
 */
#ifndef RELAY_BOX_BOXES_H
#define RELAY_BOX_BOXES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"
#include "base/slice.h"

struct boxes;
struct buf;
struct conf;
struct exchange;
struct redis;
struct segment;

struct boxes_params {
	const struct conf *conf;
	struct exchange	*exchange;
	struct segment	*segment;	/* where interest in users stands */
};

struct boxes *boxes_new(const struct boxes_params *) MUST_USE;
					/* NULL: no memory */
void	boxes_free(struct boxes **);	/* after all of Redis */
void	boxes_conf(struct boxes *, const struct conf *);
/* The Redis that serves, in each turn: NULL: none; changed: another one from now
 * on; alone: of those before nothing is heard any more. */
void	boxes_redis(struct boxes *, struct redis *, const char *prefix,
	    bool changed, bool alone);
/* There is more to do: the next turn is not to wait. */
bool	boxes_busy(const struct boxes *);
/* All questions are answered. */
bool	boxes_is_settled(const struct boxes *);
/* What is in memory goes on in another relay: appended; read, before anything is
 * asked, from the beginning of saved: *rest is what is behind it.  false: it
 * makes no sense. */
void	boxes_save(void *boxes, struct buf *);
bool	boxes_load(void *boxes, struct slice saved, struct slice *rest);

#endif
