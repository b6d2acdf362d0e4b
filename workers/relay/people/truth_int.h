/*
 * What the files of truth know of each other and nobody else does.
 */
#ifndef RELAY_PEOPLE_TRUTH_INT_H
#define RELAY_PEOPLE_TRUTH_INT_H

#include "relay/people/truth.h"

/* When no daemon is there any more, in ms. */
#define TRUTH_ALL_TTL	"15000"

/*
 * KEYS: of all, of the node.  ARGV: node, epoch, and for each change field,
 * value (empty: gone), and for a user that is there the object for back ends
 * without its end.  Answers "-" for another epoch.
 */
extern const char truth_script[];

void	truth_value_put(struct buf *, uint64_t epoch,
	    const struct news_entry *);

#endif
