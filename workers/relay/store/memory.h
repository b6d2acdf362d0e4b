/*
 * The engine that keeps in the relay's own memory: bounded by events, bytes and
 * age of each room, and by the bytes of all; then rooms go, first those in which
 * there is nothing, then those used least lately.  What it is told of costs the
 * same however much there is; what takes longer (a large room goes, bounds
 * become narrower) is done in parts, at the ends of turns.
 */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "base/bug.h"
#include "relay/store/store.h"

struct wheel;

struct memory_params {
	struct wheel	*wheel;		/* for ages; its time is now: */
	uint64_t	(*now_ms)(void *arg);	/* monotonic */
	uint64_t	 bytes;		/* of all */
	store_judge	*judge;
	void		*arg;
};

/* NULL: no memory. */
struct store *memory_new(const struct memory_params *) MUST_USE;

/* What an event costs beside its frame, what a room costs beside its events and
 * its names. */
size_t	memory_event_cost(void);
size_t	memory_room_cost(void);

#endif
