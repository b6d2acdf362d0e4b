/*
 * Between stream.c, what goes where, and stream_save.c, what another relay goes on
 * with.
 */
#ifndef RELAY_STREAM_STREAM_INT_H
#define RELAY_STREAM_STREAM_INT_H

#include "relay/stream/lane.h"
#include "relay/stream/stream.h"

/* Names of streams: of a namespace, without its slash; of users who are away. */
#define STREAM_LANE	"events:"
#define STREAM_AWAY	"offline"

struct stream {
	unsigned	 magic;
#define STREAM_MAGIC	0x57eea357
	const struct conf *conf;
	struct exchange	*x;
	struct lane_calls calls;
	struct lane_way	 way;
	struct inbox	*inbox;
	uint64_t	 serial;	/* of the Redis in way */
	bool		 up;
	struct lane	*lanes;		/* by namespace; name NULL: none yet */
	unsigned	 nlanes;	/* ... and the last: of those away */
	struct lane_flight *astray;	/* their answers may come yet */
	struct entry_parts parts;	/* scratch */
	struct buf	 frame;		/* scratch */
	bool		 full;		/* a line says so */
	bool		 (*hook)(void *, const struct bus_envelope *);
	void		*hook_arg;
	uint64_t	 epoch;		/* of numbers that are given now */
	bool		 saved;		/* what waits is left to another relay */
};

/* stream.c: one that has no name yet, without its first entry; NULL: no memory. */
struct lane *stream_lane_new(struct stream *, struct lane *, const char *name);
/* An entry that says nothing more than this. */
void	stream_mark(struct stream *, struct lane *, struct slice type);

/* stream_save.c: what a relay before has left; empty: nothing. */
void	stream_load(struct stream *, struct slice saved);

#endif
