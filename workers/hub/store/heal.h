/*
 * What is missing in a room: asked for once, for all its members here, and
 * given to them in order.  What comes for the room meanwhile is part of the
 * answer, which is behind it in the stream.
 */
#ifndef HUB_STORE_HEAL_H
#define HUB_STORE_HEAL_H

#include "hub/model.h"

struct bus_envelope;

/* Some is missing behind the room's place, of this epoch or another. */
void	heal_begin(struct hub *, const struct conf_namespace *, struct room *,
	    struct slice epoch);
/* All that its members have got is before this last page?  If not, they are told
 * first: that begins. */
bool	heal_is_level(struct hub *, const struct conf_namespace *,
	    struct room *, const struct bus_envelope *page) MUST_USE;
bool	heal_is_on(const struct hub *, const struct room *);
/* Is this session in a room that is being healed? */
bool	heal_concerns(const struct session *);

#endif
