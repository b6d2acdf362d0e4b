/*
 * Changes of what is kept: a publication (BUS_EDIT) that tells of one has the
 * frame with it that is kept instead, at the place that this frame says.  An
 * engine puts it there, and keeps the publication as any other; so who is there
 * hears of the change in its order, and who reads later reads what was changed.
 */
#ifndef STORE_EDIT_H
#define STORE_EDIT_H

#include "relay/store/store.h"

/* The append tells of a change. */
static inline bool
edit_is(const struct store_append *a)
{
	return (a->e->publish.instead.n != 0);
}

/* What a worker says is a frame that may be kept: numbered, of this room (NULL:
 * of any).  Decoded in e, which points into it. */
bool	edit_read(struct slice instead, const struct store_key *,
	    struct bus_envelope *e) MUST_USE;
/* It is of this epoch, and its place is one of these: OK, or what is said to who
 * wants it changed. */
enum bus_store edit_result(const struct bus_envelope *, struct slice epoch,
	    uint64_t first, uint64_t top);
/* As it was before it was numbered; meta: scratch, and where its own is then.
 * false: it was not numbered by us; or no memory. */
bool	edit_unnumber(struct bus_envelope *, struct buf *meta) MUST_USE;

#endif
