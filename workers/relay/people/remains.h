/*
 * What a node that is gone has left in Redis is cleared away, so that back
 * ends do not find its users there: one node at a time, some of it at a time.
 * All others may do it at once; who is the first of them begins at once.  A
 * node that is back has its key, and another epoch, and is left alone.
 */
#ifndef RELAY_PEOPLE_REMAINS_H
#define RELAY_PEOPLE_REMAINS_H

#include "base/clock.h"
#include "relay/people/nodes.h"

struct remains;

struct remains *remains_new(const struct conf *, struct redis *,
	    const struct nodes *) MUST_USE;
void	remains_free(struct remains **);
/* Another configuration: what was begun is begun again. */
void	remains_conf(struct remains *, const struct conf *);
/* This host's own, which has left: at once. */
void	remains_leave(struct remains *, uint64_t id);
/* It is not cleared away yet. */
bool	remains_has(const struct remains *, uint64_t id);
/* why: of its users, a constant; NULL: nobody says. */
void	remains_add(struct remains *, uint64_t id, const char *why);
void	remains_ready(struct remains *);
void	remains_lost(struct remains *);
void	remains_beat(struct remains *, struct mono now);

#endif
