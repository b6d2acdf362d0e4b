/*
 * Entries that wait, for the relay that takes this one's place: with the numbers
 * that they have in their epoch, and nobody who waits for them.  Memory only.
 */
#ifndef RELAY_STREAM_ENTRY_STATE_H
#define RELAY_STREAM_ENTRY_STATE_H

#include "base/state.h"
#include "relay/stream/entry.h"

#define ENTRY_STATE_MAX	(256u << 20)	/* bytes of what one part leaves */

void	entry_state_put(struct buf *, const struct entry *);
/* NULL: *bad, or no memory. */
struct entry *entry_state_get(struct state_in *, bool *bad) MUST_USE;

/* From this one on, which may be NULL, as many as fit in so many bytes, one
 * behind the other; true: some are left out, which is written, too. */
bool	entry_state_put_all(struct buf *, const struct entry *first,
	    size_t most);
/* Each goes to take, whose it is then.  *cut: some were left out, or there was no
 * memory.  false: they make no sense. */
bool	entry_state_get_all(struct state_in *,
	    void (*take)(void *arg, struct entry *), void *arg, bool *cut)
	    MUST_USE;

#endif
