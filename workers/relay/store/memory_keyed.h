/*
 * The newest of each key of one room, in memory: as long as the room is there,
 * whatever falls out of its history.  A key that was deleted leaves a marker, so
 * that who was away hears of it: for a day, and not more than so many.  In the
 * order of their places they are read in pages, with what changes meanwhile behind
 * what was read: each comes once, or again as it is then.
 * Called by the other files of memory.h.
 */
#ifndef STORE_MEMORY_KEYED_H
#define STORE_MEMORY_KEYED_H

#include "relay/store/memory_int.h"

/* These are the same in Redis (remote_script.c). */
#define KEYED_MARKERS	1000u
#define KEYED_MARKER_MS	86400000u
#define KEYED_COST	64u		/* beside the bytes of key and frame */

struct memory_key;

/* The room may be NULL: there is none yet.  CONFLICT: *kept says how it is. */
enum bus_store memory_keyed_check(const struct memory_room *,
	    const struct bus_publish *, struct store_kept *);
/*
 * Ready to be what the key has, with this numbered frame, which is of place top + 1
 * of the room and has a key; memory_keyed_put() does it, and cannot fail, once that
 * is the room's newest.  NULL + FULL, or UNAVAILABLE: no memory.
 */
struct memory_key *memory_keyed_make(struct memory_room *,
	    const struct bus_publish *, struct slice frame, uint64_t at_ms,
	    enum bus_store *);
void	memory_keyed_put(struct memory_room *, struct memory_key *);
void	memory_keyed_drop(struct memory_key *);	/* ... or does not */
/* The room's newest has no key: what is before it cannot be told by keys. */
void	memory_keyed_pass(struct memory_room *);

/*
 * STATE, KEY, or AFTER of what the history of the room does not have any more, which
 * begins at the place first: its answer, but for where the room stands, into m->page.
 * false: another kind, or the history has it.
 */
bool	memory_keyed_read(struct memory_room *, const struct store_read *,
	    uint64_t first, struct store_page *);

/* All go: so many at once, of which that is taken.  false: some are left. */
bool	memory_keyed_free(struct memory_room *, unsigned *budget);
uint64_t memory_keyed_bytes(const struct memory_room *);

/* In the order of their places; i is below that. */
uint32_t memory_keyed_count(const struct memory_room *);
uint64_t memory_keyed_horizon(const struct memory_room *);
/* Each that is there; false: f said so. */
bool	memory_keyed_each(const struct memory_room *,
	    bool (*f)(void *arg, uint64_t at_ms, struct slice frame),
	    void *arg);
/* As they were saved, in that order, of a room that stands behind them. */
bool	memory_keyed_load(struct memory_room *, struct slice frame,
	    uint64_t at_ms, bool *full) MUST_USE;
bool	memory_keyed_begin(struct memory_room *, uint64_t horizon) MUST_USE;

#endif
