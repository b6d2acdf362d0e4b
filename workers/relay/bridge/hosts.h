/*
 * Publications between daemons, through Redis: what a worker here publishes
 * goes to a channel of its room, user or namespace; what others publish there
 * goes to the workers here that have members.  A host listens to just those
 * channels for which it has members.
 *
 *	channel		PREFIX "to:" LENGTH ":" NAMESPACE ":" KEY
 *			LENGTH of NAMESPACE; KEY as in shm/interest.h
 *	message		"ROOST1" 0 0, u64 relay, u64 number, a frame (proto/bus.h)
 *
 * The relay's number grows with each publication, whose audience may need
 * several channels: what comes a second time is not the next.
 */
#ifndef RELAY_BRIDGE_HOSTS_H
#define RELAY_BRIDGE_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct bus_envelope;
struct conf;
struct hosts;
struct redis;
struct segment;
struct table_event;

struct hosts_params {
	const struct conf *conf;
	struct segment	*segment;
	struct redis	*redis;
	uint64_t	 node_id;	/* of offsets, as the workers' */
	uint32_t	 generation;
	void		*arg;
	/* To these workers. */
	void		(*to_workers)(void *arg, const uint64_t slots[2],
			    struct bus_envelope *);
};

/* NULL: no memory.  To be freed before redis. */
struct hosts *hosts_new(const struct hosts_params *) MUST_USE;
void	hosts_free(struct hosts **);
/* What a worker here has published: a whole frame that says BUS_FAR. */
void	hosts_publish(struct hosts *, struct slice frame);
/* Of the interest table: this host has members of it, or none any more. */
void	hosts_interest(struct hosts *, const struct table_event *);

/* The channel of a key in a namespace; it replaces what is in b. */
struct slice hosts_channel(struct buf *b, struct slice prefix,
	    struct slice nsp, struct slice key);

#endif
