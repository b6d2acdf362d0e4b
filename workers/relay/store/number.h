/*
 * A publication that has its place: the frame that is kept, and given to all.
 * Called by engines.
 */
#ifndef STORE_NUMBER_H
#define STORE_NUMBER_H

#include "relay/store/store.h"

/*
 * The publication as a frame, BUS_PUBLISH for nobody, in out, which is emptied.
 * What is told of it (meta), if there is any, says epoch and place as well; meta:
 * scratch.  In a journal its offset says it instead, and room (NULL: none) is where
 * the room has it that keeps it as well.  False: no memory, or too large.
 */
struct number_place {
	struct slice	 epoch;
	uint64_t	 kept;
};
bool	number_frame(const struct store_append *, const struct number_place *,
	    const struct number_place *room, struct buf *meta, struct buf *out)
	    MUST_USE;

#endif
