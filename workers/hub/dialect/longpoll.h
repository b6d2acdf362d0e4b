/*
 * Long polls, for the roof; what the host calls is in client.h.
 */
#ifndef HUB_DIALECT_LONGPOLL_H
#define HUB_DIALECT_LONGPOLL_H

#include "base/bug.h"
#include "hub/store/cursor.h"

struct bus_publish;
struct hub;
struct room;

struct longpoll_table;
struct longpoll_table *longpoll_table_new(const struct hub *) MUST_USE;
					/* NULL: no memory */
void	longpoll_table_free(struct hub *);	/* nobody waits */

/* hub_events.kept: the members of this room have this one; NULL: some, which
 * were missing. */
void	longpoll_kept(struct hub *, struct room *,
	    const struct bus_publish *);
/* The clock; the worker goes: all that wait are answered. */
void	longpoll_tick(struct hub *);

/* longpoll_admit.c: a place as a poll names it; "0" is before the first event,
 * in whatever epoch, and none is not given.  false: it is something else. */
bool	longpoll_since(struct since *, struct slice text);

#endif
