/*
 * Notifications in the relay's own memory: where there is no Redis.  They go on
 * in the relay that takes its place (memory_save.c), and are lost with one that
 * is killed.  Above the bound of all users those of the user who was asked about
 * least lately go: first what is read.
 */
#ifndef RELAY_BOX_MEMORY_H
#define RELAY_BOX_MEMORY_H

#include "relay/box/engine.h"

struct state_in;
struct box_memory;

extern const struct box_engine box_memory_engine;

struct box_memory *box_memory_new(const struct box_calls *, uint64_t bytes)
	    MUST_USE;	/* NULL: no memory */
void	box_memory_free(struct box_memory **);
/* All that may be kept. */
void	box_memory_bound(struct box_memory *, uint64_t bytes);
/* The end of a turn: what is above the bound goes; true: there is more. */
bool	box_memory_turn(struct box_memory *);

/* A section of base/state.h, appended; nothing if there is nothing.  load: false:
 * it makes no sense, and what of it does is there. */
void	box_memory_save(const struct box_memory *, struct buf *);
/* What begins with one; to go past it, and keep nothing. */
bool	box_memory_is_saved(struct slice) MUST_USE;
bool	box_memory_skip(struct state_in *) MUST_USE;
bool	box_memory_load(struct box_memory *, struct state_in *) MUST_USE;

#endif
