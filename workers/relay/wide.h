/*
 * Rooms of which only their workers know, because the table of rooms is full:
 * the relay cannot listen to their channels one by one.  While there are any
 * it listens to all, by a pattern.  Called by far.c.
 */
#ifndef RELAY_WIDE_H
#define RELAY_WIDE_H

#include "base/bug.h"
#include "base/slice.h"

struct exchange;
struct hosts;
struct redis;
struct segment;
struct wide;

struct wide_params {
	struct segment	*segment;
	struct redis	*redis;
	struct hosts	*hosts;		/* who hears what comes */
	struct exchange	*exchange;	/* whom a gap is told to, when there was
					 * no way to hear */
	const char	*prefix;	/* of channels */
};

struct wide *wide_new(const struct wide_params *) MUST_USE; /* NULL: no memory */
/* Before redis and hosts are. */
void	wide_free(struct wide **);
/* Is this channel, in what redis tells, the pattern? */
bool	wide_is(const struct wide *, struct slice channel);
/* About once a second. */
void	wide_beat(struct wide *);

#endif
